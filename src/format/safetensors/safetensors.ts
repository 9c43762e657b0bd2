// Opens a Hugging Face directory: config.json, model.safetensors or an index with shards, and the
// tokenizer's files. Reads headers only; header.ts checks them. Called by open.ts.
import { RyzError } from '../../errors.ts'
import { look, looksLikeHtml, notAModel } from '../first-bytes.ts'
import type { ByteSource, HfModelFile, TensorInfo } from '../model-file.ts'
import { type Opener, readWhole } from '../source.ts'
import { readSafetensorsHeader } from './header.ts'
import { readPooling } from './pooling.ts'

const MAX_CONFIG_BYTES = 4 * 1024 * 1024
const MAX_INDEX_BYTES = 16 * 1024 * 1024
const MAX_TOKENIZER_BYTES = 64 * 1024 * 1024
const MAX_SHARDS = 512

type Json = Readonly<Record<string, unknown>>

export interface HfOptions {
  readonly signal?: AbortSignal
  /** The file of weights, or their index, that was asked for, as the opener takes it; the usual when absent. */
  readonly named?: string
}

/**
 * @param opener finds a file of the directory by name
 * @throws RyzError NOT_A_MODEL | BAD_CONFIG | CORRUPT_HEADER | BAD_TENSOR_INFO | UNSUPPORTED_TYPE |
 *   TOKENIZER_INVALID | TRUNCATED | NETWORK | ABORTED
 */
export async function openHf(opener: Opener, options: HfOptions = {}): Promise<HfModelFile> {
  const { signal } = options
  /** Files that are there and are none. */
  const odd = new Map<string, string>()
  const text = (name: string, limit: number) => readText(opener, name, limit, odd, signal)

  const configText = await text('config.json', MAX_CONFIG_BYTES)
  if (configText === undefined) {
    const what = odd.get('config.json') ?? 'There is no config.json'
    throw new RyzError('NOT_A_MODEL', `${what}; check the URL or choose all files`)
  }
  const config = parseObject(configText, 'config.json')
  const { files, tensors } = await openWeights(opener, text, options)
  const pooling = await readPooling(name => text(name, MAX_CONFIG_BYTES))
  const generation = await text('generation_config.json', MAX_CONFIG_BYTES)
  return {
    container: 'safetensors',
    files,
    tensors,
    config,
    generationConfig:
      generation === undefined ? undefined : parseObject(generation, 'generation_config.json'),
    tokenizerJson: await text('tokenizer.json', MAX_TOKENIZER_BYTES),
    tokenizerConfigJson: await text('tokenizer_config.json', MAX_INDEX_BYTES),
    chatTemplate: await text('chat_template.jinja', MAX_CONFIG_BYTES),
    ...(pooling && { pooling }),
    odd,
  }
}

type ReadText = (name: string, limit: number) => Promise<string | undefined>

interface Weights {
  readonly files: ByteSource[]
  readonly tensors: Map<string, TensorInfo>
}

async function openWeights(
  opener: Opener,
  text: ReadText,
  { signal, named }: HfOptions,
): Promise<Weights> {
  const weights: Weights = { files: [], tensors: new Map() }
  const names = weightNames(named)
  const single = names.single === undefined ? undefined : await opener(names.single)
  if (single && (await addFile(weights, single, signal))) return weights

  const index = await text(names.index, MAX_INDEX_BYTES)
  if (index === undefined) {
    const page = single ? `, and ${single.name} is a web page` : ''
    throw new RyzError(
      'NOT_A_MODEL',
      `There is neither a ${names.single ?? 'model.safetensors'} nor a ${names.index} beside config.json${page}`,
    )
  }
  const shards = shardsOf(index, names.index)
  for (const name of shards) {
    const shard = await opener(name)
    if (!shard || !(await addFile(weights, shard, signal))) {
      throw new RyzError('TRUNCATED', `The shard ${name}, which the index lists, was not found`)
    }
  }
  return weights
}

/** What was asked for by name is opened, not its neighbour: a part leads to the index of all parts. */
function weightNames(named: string | undefined): { single: string | undefined; index: string } {
  if (named === undefined) {
    return { single: 'model.safetensors', index: 'model.safetensors.index.json' }
  }
  if (/\.index\.json$/i.test(named)) return { single: undefined, index: named }
  const part = /^(.*)-\d{5}-of-\d{5}\.safetensors$/i.exec(named)
  if (part) return { single: undefined, index: `${part[1]}.safetensors.index.json` }
  return { single: named, index: `${named}.index.json` }
}

/** The file names of the index, in order; only plain names beside it are followed. */
function shardsOf(index: string, name: string): string[] {
  const parsed = parseObject(index, name)
  const map = Object.hasOwn(parsed, 'weight_map') ? parsed.weight_map : undefined
  const names = isObject(map) ? [...new Set(Object.values(map))] : []
  const good = names.every(name => typeof name === 'string' && /^[\w.-]+\.safetensors$/.test(name))
  if (!good || names.length < 1 || names.length > MAX_SHARDS) {
    throw new RyzError(
      'BAD_CONFIG',
      `${name} lists ${names.length} files; 1 to ${MAX_SHARDS} plain .safetensors names are possible`,
    )
  }
  return (names as string[]).sort()
}

/** Adds one file's tensors; false when it is a web page, as some hosts answer for any missing file. */
async function addFile(
  weights: Weights,
  source: ByteSource,
  signal: AbortSignal | undefined,
): Promise<boolean> {
  const tensors = await readSafetensorsHeader(source, weights.files.length, signal)
  if (!tensors) return false
  weights.files.push(source)
  for (const info of tensors) {
    if (weights.tensors.has(info.name)) {
      throw new RyzError('BAD_TENSOR_INFO', `${info.sourceName} is in the model twice`, {
        tensor: info.sourceName,
      })
    }
    weights.tensors.set(info.name, info)
  }
  return true
}

async function readText(
  opener: Opener,
  name: string,
  limit: number,
  odd: Map<string, string>,
  signal: AbortSignal | undefined,
): Promise<string | undefined> {
  const source = await opener(name)
  if (!source) return undefined
  const bytes = await readWhole(source, limit, signal)
  const text = new TextDecoder().decode(bytes)
  // A template may well begin with <|system|>.
  const page = /\.json$/.test(name)
    ? looksLikeHtml(bytes)
    : /^\s*<(!doctype|html|head|\?xml)/i.test(text)
  if (!page) {
    // Pointers, archives and the like; JSON is judged by who parses it.
    const kind = look(bytes)
    if (kind === undefined || /^(JSON|text|empty|a web page)/.test(kind.what)) return text
  } else if (!source.local) {
    // As some hosts answer for any missing file.
    odd.set(name, `${source.name} is a web page${source.origin ? ` (it ${source.origin})` : ''}`)
    return undefined
  }
  const error = notAModel(source, bytes, 'is no text')
  const code = name.startsWith('tokenizer')
    ? 'TOKENIZER_INVALID'
    : name === 'config.json'
      ? 'NOT_A_MODEL'
      : 'BAD_CONFIG'
  throw new RyzError(code, error.message, { name })
}

function isObject(value: unknown): value is Json {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

function parseObject(text: string, name: string): Json {
  let value: unknown
  try {
    value = JSON.parse(text)
  } catch (cause) {
    throw new RyzError('BAD_CONFIG', `${name} is no valid JSON`, { name }, { cause })
  }
  if (isObject(value)) return value
  throw new RyzError('BAD_CONFIG', `${name} holds no JSON object`, { name })
}
