// Numbers and engine facts as people read them. Pure functions; no DOM.
import type {
  EngineStats,
  FinishReason,
  LoadPhase,
  LoadProgress,
  RunForecast,
  StorageRoom,
  StoredModel,
} from 'ryzanstein'

const whole = new Intl.NumberFormat('en', { maximumFractionDigits: 0 })
const tenth = new Intl.NumberFormat('en', { minimumFractionDigits: 1, maximumFractionDigits: 1 })

/** 2 significant places below 100, none above: 3.4, 87, 1,240. */
export function count(value: number): string {
  return value < 10 && !Number.isInteger(value) ? tenth.format(value) : whole.format(value)
}

export function megabytes(bytes: number): string {
  const mb = bytes / 1e6
  if (mb >= 10_000) return `${tenth.format(mb / 1000)} GB`
  return `${mb < 100 ? tenth.format(mb) : whole.format(mb)} MB`
}

export function milliseconds(ms: number): string {
  return ms < 1000 ? `${count(ms)} ms` : `${tenth.format(ms / 1000)} s`
}

/** 4.46 M, 2.4 B. */
export function parameters(n: number): string {
  if (n >= 1e9) return `${(n / 1e9).toFixed(1)} B`
  return `${(n / 1e6).toFixed(n < 1e7 ? 2 : 0)} M`
}

const PHASES: Record<LoadPhase, string> = {
  header: 'Reading the header',
  tokenizer: 'Reading the vocabulary',
  weights: 'Fetching the weights',
  compile: 'Compiling the shaders of the GPU',
  warmup: 'Warming up',
  ready: 'Ready',
}

export function phaseText(phase: LoadPhase): string {
  return `${PHASES[phase]}.`
}

/** '1.2 MB of 2.2 MB, 8.4 MB a second', '12 of 40 shaders'; empty while nothing is being fetched or compiled. */
export function amountText(p: LoadProgress): string {
  if (p.phase === 'compile' && p.shaders) return `${p.shaders.done} of ${p.shaders.total} shaders`
  if (p.phase !== 'weights' || p.totalBytes === 0) return ''
  const rate = p.bytesPerSecond > 0 ? `, ${megabytes(p.bytesPerSecond)} a second` : ''
  const left = (p.etaSeconds ?? 0) >= 1 ? `, ${whole.format(p.etaSeconds ?? 0)} s left` : ''
  return `${megabytes(p.loadedBytes)} of ${megabytes(p.totalBytes)}${rate}${left}`
}

/**
 * 'The model came in 7.0 s. The first word stood 0.4 s after its last byte, 7.9 s after the page was opened.'
 * @param times   of the page's load, milliseconds; `lastByteMs` 0 where no weights were read
 * @param askedMs of the answer
 */
export function firstWordText(
  { beganMs, lastByteMs }: { beganMs: number; lastByteMs: number },
  askedMs: number,
  wordMs: number,
): string {
  const after =
    lastByteMs > 0 && lastByteMs > askedMs
      ? `${milliseconds(wordMs - lastByteMs)} after its last byte`
      : `${milliseconds(wordMs - askedMs)} after it was asked for`
  const came = lastByteMs > 0 ? `The model came in ${milliseconds(lastByteMs - beganMs)}. ` : ''
  return `${came}The first word stood ${after}, ${milliseconds(wordMs)} after the page was opened.`
}

const FINISHES: Record<FinishReason | 'stopped' | 'replaced', string> = {
  eos: 'the tale ended',
  stop: 'ended at a stop string',
  length: 'reached the token limit',
  context: 'filled the context',
  tool_calls: 'called a function',
  stopped: 'stopped by you',
  replaced: 'ended for the new model',
}

export function finishText(reason: keyof typeof FINISHES): string {
  return FINISHES[reason]
}

const BACKENDS: Record<EngineStats['backend'], string> = {
  wasm: 'WebAssembly',
  webgpu: 'WebGPU',
  reference: 'Reference',
}

const VARIANTS: Record<EngineStats['variant'], string> = {
  relaxed: 'relaxed\u00a0SIMD',
  'relaxed-i32': 'relaxed\u00a0SIMD\u00a0(32-bit\u00a0dots)',
  simd128: 'SIMD',
  scalar: 'scalar\u00a0kernels',
  wgsl: 'shaders',
  typescript: 'plain\u00a0TypeScript',
}

/** 'WebAssembly, relaxed SIMD, 4 threads', with no break inside a part */
export function pathText(stats: Pick<EngineStats, 'backend' | 'variant' | 'threads'>): string {
  const threads = stats.threads === 1 ? '1\u00a0thread' : `${stats.threads}\u00a0threads`
  // A GPU's threads are its own affair.
  const parts = [BACKENDS[stats.backend], VARIANTS[stats.variant]]
  return (stats.backend === 'webgpu' ? parts : [...parts, threads]).join(', ')
}

/** '217 MB to download, 380 MB of memory at most, about 60 tokens per second: WebAssembly, …' */
export function forecastText(told: RunForecast): string {
  const { downloadBytes, fileBytes } = told
  const kept = downloadBytes > 0 && downloadBytes < fileBytes ? ', the rest is here' : ''
  const fetched = downloadBytes > 0 ? `to download${kept}` : 'on this device'
  const parts = [
    `${megabytes(downloadBytes || fileBytes)} ${fetched}`,
    `${megabytes(told.peakBytes.total)} of memory at most, this page included`,
  ]
  const rate = told.expectedDecodeTokensPerSecond
  if (rate > 0) parts.push(`about ${count(Number(rate.toPrecision(2)))} tokens per second`)
  return `${parts.join(', ')}. It runs on ${pathText(told.path)}.`
}

/** What the browser can keep, before it is downloaded; empty when nothing is, or nobody says. */
export function roomText(
  { downloadBytes }: RunForecast,
  { quota, usage }: StorageRoom,
  offered: readonly StoredModel[],
): string {
  if (downloadBytes === 0 || quota === undefined || usage === undefined) return ''
  const free = Math.max(0, quota - usage)
  if (free >= downloadBytes) return ` This browser has ${megabytes(free)} of room to keep it.`
  const names = offered.map(storedName).join(', ')
  const offer = names === '' ? '' : ` Delete ${names} below to make room: used longest ago.`
  return ` This browser has only ${megabytes(free)} of room: it runs, but is not kept.${offer}`
}

/** What a stored model is called. */
export function storedName({ about, url }: StoredModel): string {
  return about.name ?? url.replace(/\/$/, '').replace(/.*\//, '')
}

/** One line of facts about the loaded model. */
export function modelText({ model, kv, contextLength }: EngineStats): string {
  return (
    `${model.architecture}, ${parameters(model.parameters)} parameters, ${model.layers} layers of ` +
    `${model.hidden}, vocabulary ${whole.format(model.vocab)}, context ${whole.format(contextLength)}, ${kv} cache.`
  )
}

/** A message as a sentence: capital letter and full stop. */
export function sentence(text: string): string {
  const trimmed = text.trim()
  // A message may open with a URL, a name or a number, which stay as they are.
  const capital = /^[a-z]+[ ,]/.test(trimmed)
    ? trimmed.charAt(0).toUpperCase() + trimmed.slice(1)
    : trimmed
  return /[.!?]$/.test(capital) ? capital : `${capital}.`
}
