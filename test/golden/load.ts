// Reads the golden cases for tests: manifest.json says which model files belong to which golden, this
// file hands out the files as a ModelSource and the golden logits as rows. Knows nothing of the engine.
import { readFileSync } from 'node:fs'
import type { ModelConfig } from '../../src/model/model-config.ts'
import { deriveRyzTales } from './derive.ts'

export interface GoldenTolerances {
  /** Largest difference of a probe's logits (int8, strict). */
  probe: number
  /** Largest difference of a prompt's logits with float activations (strict). */
  float: number
  /** Rms difference over the standard deviation of the golden rows (int8, strict). */
  int8Nrmse: number
  /** Greedy steps whose golden top-1/top-2 gap is at least this must agree. */
  greedyMargin: number
}

/** Facts that a loader must find out about the model; the names are those of ModelConfig. */
export interface GoldenExpectation {
  architecture: ModelConfig['architecture']
  container: 'gguf' | 'safetensors'
  layers: number
  hidden: number
  ffn: number
  heads: number
  kvHeads: number
  headDim: number
  vocab: number
  contextLength: number
  ropeTheta: number
  ropeDim: number
  ropePairing: 'neox' | 'norm'
  normEps: number
  activation: 'silu' | 'relu2'
  subNorms: boolean
  qkNorm: boolean
  tiedHead: boolean
  experts?: ModelConfig['experts']
  /**
   * Linear matrices: how many are ternary, how many of these have scales that differ along a row (and
   * the columns per scale), how many stay float.
   */
  tensors: { ternary: number; blockScaled: number; scaleBlock: number; float: number }
}

export interface GoldenCase {
  name: string
  what: string
  /** Relative to test/golden. */
  files: string[]
  golden: string
  options: { i2sLayout?: 'x86' | 'arm' | 'rows4' | 'sequential' }
  expect: GoldenExpectation
  /** llama.cpp loads these very files: scripts/golden/llama-cpp.mjs compares. */
  llamaCpp: boolean
}

/** Logits as rows of `vocab` numbers. */
export interface Rows {
  count: number
  vocab: number
  data: Float32Array
}

export interface GoldenProbe {
  ids: number[]
  /** After every token of ids. */
  logits: Rows
  /** Smallest distance of an activation from a rounding tie, in units of one int8 step. */
  roundingMargin: number
  /** How far float activations stray: a run that skips the rounding must fail. */
  floatMaxDiff: number
}

export interface GoldenPrompt {
  ids: number[]
  /** Indices into ids after which the rows of logits stand. */
  positions: number[]
  int8: { logits: Rows; greedy: number[]; gaps: number[] }
  float: { logits: Rows; greedy: number[]; gaps: number[] }
}

export interface Golden {
  probes: GoldenProbe[]
  prompts: GoldenPrompt[]
}

const HERE = new URL('./', import.meta.url)

function read(path: string): Uint8Array<ArrayBuffer> {
  return new Uint8Array(readFileSync(new URL(path, HERE)))
}

function readJson<T>(path: string): T {
  return JSON.parse(new TextDecoder().decode(read(path))) as T
}

const manifest = readJson<{ tolerances: GoldenTolerances; cases: GoldenCase[] }>('manifest.json')

/** How the small random models are judged; see manifest.json for the rule in words. */
export const TOLERANCES = manifest.tolerances

/** One per model on disk; several may share a golden. */
export const CASES: readonly GoldenCase[] = manifest.cases

/** The files of a case, as the browser's File objects under their own names. */
export function caseFiles(c: GoldenCase): File[] {
  return c.files.map(path => new File([read(path)], path.slice(path.lastIndexOf('/') + 1)))
}

/** A safetensors file of f32 tensors, by name. */
export function readF32Tensors(path: string): Map<string, { shape: number[]; data: Float32Array }> {
  const bytes = read(path)
  const length = Number(new DataView(bytes.buffer).getBigUint64(0, true))
  const header = JSON.parse(new TextDecoder().decode(bytes.subarray(8, 8 + length))) as Record<
    string,
    { dtype: string; shape: number[]; data_offsets: [number, number] }
  >
  const out = new Map<string, { shape: number[]; data: Float32Array }>()
  for (const [name, { dtype, shape, data_offsets }] of Object.entries(header)) {
    if (name === '__metadata__') continue
    if (dtype !== 'F32') throw new Error(`${path}: ${name} is ${dtype}, goldens are F32`)
    const [start, end] = data_offsets
    const data = new Float32Array(bytes.buffer.slice(8 + length + start, 8 + length + end))
    out.set(name, { shape, data })
  }
  return out
}

function rowsOf(tensors: ReturnType<typeof readF32Tensors>, name: string): Rows {
  const tensor = tensors.get(name)
  if (!tensor) throw new Error(`the golden has no tensor ${name}`)
  const vocab = tensor.shape[tensor.shape.length - 1]
  return { count: tensor.data.length / vocab, vocab, data: tensor.data }
}

/** The golden values of a case. */
export function loadGolden(c: GoldenCase): Golden {
  const golden = readJson<Golden>(c.golden)
  const tensors = readF32Tensors(c.golden.replace(/json$/, 'safetensors'))
  return {
    probes: golden.probes.map((p, i) => ({ ...p, logits: rowsOf(tensors, `probe.${i}`) })),
    prompts: golden.prompts.map((p, i) => ({
      ...p,
      int8: { ...p.int8, logits: rowsOf(tensors, `int8.${i}`) },
      float: { ...p.float, logits: rowsOf(tensors, `float.${i}`) },
    })),
  }
}

// ---- the embedded model

/** The published forms of the embedded model; all share one golden, see derive.ts. */
export const RYZ_TALES_FORMS = [
  'ryz-tales-tq2_0-embq8_0.gguf',
  'ryz-tales-tq2_0.gguf',
  'ryz-tales-tq1_0.gguf',
  'ryz-tales-f16.gguf',
  'packed/',
  'master/',
] as const

/** The files of one form: one GGUF, or a Hugging Face directory. */
export function ryzTalesFiles(form: (typeof RYZ_TALES_FORMS)[number]): File[] {
  const files = [...deriveRyzTales()].filter(([name]) => name.startsWith(form))
  return files.map(([name, bytes]) => new File([bytes.slice()], name.slice(name.indexOf('/') + 1)))
}

export interface RyzTalesGolden {
  /** For every form with the F16, BF16 or F32 table. */
  probes: { ids: number[]; logits: Rows }[]
  /** For the form with the Q8_0 table, whose values differ: all else below is the other table's. */
  probesQ8: { ids: number[]; logits: Rows }[]
  /** Logits after the last id of each prompt; greedy and gaps are those of int8. */
  prompts: {
    prompt: string
    ids: number[]
    int8: Float32Array
    float: Float32Array
    greedy: number[]
    gaps: number[]
    floatGreedy: number[]
  }[]
  /** Prompt 0, [5 tokens][256]: embedding, after each of the four layers, after the final norm. */
  hidden: { int8: Rows[]; float: Rows[] }
  tokenizer: { text: string; ids: number[] }[]
  /** 0.25: greedy steps with a larger gap must agree. */
  greedyMargin: number
  /** Windows of 256 and 512 inputs over ids, every position scored, no bos added; within 0.1 %. */
  perplexity: { ids: number[]; windows256Int8: number; windows256Float: number }
}

function probesOf(stem: string): { ids: number[]; logits: Rows }[] {
  const tensors = readF32Tensors(`${stem}.safetensors`)
  const { probes } = readJson<{ probes: { ids: number[] }[] }>(`${stem}.json`)
  return probes.map((p, i) => ({ ids: p.ids, logits: rowsOf(tensors, `probe.${i}`) }))
}

/** The goldens of the embedded model, made by its own float64 reference. */
export function loadRyzTales(): RyzTalesGolden {
  interface Raw {
    generation: {
      prompt: string
      ids: number[]
      int8: { greedy: number[]; gaps: number[] }
      float: { greedy: number[] }
    }[]
    tokenizer: { text: string; ids: number[] }[]
    greedy_margin: number
  }
  const raw = readJson<Raw>('ryz-tales/golden.json')
  const tensors = readF32Tensors('ryz-tales/golden.safetensors')
  const sampled = readJson<{ ids: number[]; perplexity: Record<string, { ppl: number }> }>(
    'ryz-tales/sampled.json',
  )
  const hidden = (mode: string) =>
    Array.from({ length: 6 }, (_, i) => rowsOf(tensors, `hidden.${mode}.${i}`))
  return {
    probes: probesOf('ryz-tales/probes'),
    probesQ8: probesOf('ryz-tales/embq8_0'),
    prompts: raw.generation.map((g, i) => ({
      prompt: g.prompt,
      ids: g.ids,
      int8: rowsOf(tensors, `logits.int8.${i}`).data,
      float: rowsOf(tensors, `logits.float.${i}`).data,
      greedy: g.int8.greedy,
      gaps: g.int8.gaps,
      floatGreedy: g.float.greedy,
    })),
    hidden: { int8: hidden('int8'), float: hidden('float') },
    tokenizer: raw.tokenizer,
    greedyMargin: raw.greedy_margin,
    perplexity: {
      ids: sampled.ids,
      windows256Int8: sampled.perplexity.windows256_int8.ppl,
      windows256Float: sampled.perplexity.windows256_float.ppl,
    },
  }
}

type Vectors = Record<'last' | 'mean' | 'cls', Float32Array>

/** Vectors of length 1 for prompts of the embedded model (strict), by pooling; see make/embeddings.py. */
export function loadEmbeddings() {
  const tensors = readF32Tensors('ryz-tales/embeddings.safetensors')
  const { cases } = readJson<{ cases: { text: string; ids: number[] }[] }>(
    'ryz-tales/embeddings.json',
  )
  const pooled = (name: string): Vectors => {
    const of = (pooling: string) => rowsOf(tensors, `${name}.${pooling}`).data
    return { last: of('last'), mean: of('mean'), cls: of('cls') }
  }
  return cases.map((given, i) => ({
    ...given,
    want: { int8: pooled(`text.${i}.int8`), float: pooled(`text.${i}.float`) },
  }))
}

// ---- judging

/** Largest absolute difference; NaN counts as infinite. */
export function maxDifference(got: ArrayLike<number>, want: ArrayLike<number>): number {
  if (got.length !== want.length) return Number.POSITIVE_INFINITY
  let max = 0
  for (let i = 0; i < want.length; i++) {
    const d = Math.abs(got[i] - want[i])
    if (!(d <= max)) max = Number.isNaN(d) ? Number.POSITIVE_INFINITY : d
  }
  return max
}

/** Rms difference over the standard deviation of the wanted values; NaN counts as infinite. */
export function nrmse(got: ArrayLike<number>, want: ArrayLike<number>): number {
  if (got.length !== want.length) return Number.POSITIVE_INFINITY
  let squares = 0
  let sum = 0
  let sumSquares = 0
  for (let i = 0; i < want.length; i++) {
    squares += (got[i] - want[i]) ** 2
    sum += want[i]
    sumSquares += want[i] ** 2
  }
  const n = want.length
  const value = Math.sqrt(squares / n) / Math.sqrt(sumSquares / n - (sum / n) ** 2)
  return Number.isNaN(value) ? Number.POSITIVE_INFINITY : value
}
