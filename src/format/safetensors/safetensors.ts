// Opens a Hugging Face directory: config.json, model.safetensors or an index with shards, and the
// tokenizer's files. Reads headers only; header.ts checks them. Called by open.ts.
import { RyzError } from '../../errors.ts'
import type { ByteSource, HfModelFile, TensorInfo } from '../model-file.ts'
import { looksLikeHtml, type Opener, readWhole } from '../source.ts'
import { readSafetensorsHeader } from './header.ts'

const MAX_CONFIG_BYTES = 4 * 1024 * 1024
const MAX_INDEX_BYTES = 16 * 1024 * 1024
const MAX_TOKENIZER_BYTES = 64 * 1024 * 1024
const MAX_SHARDS = 512

type Json = Readonly<Record<string, unknown>>

/**
 * @param opener finds a file of the directory by name
 * @throws RyzError NOT_A_MODEL | BAD_CONFIG | CORRUPT_HEADER | BAD_TENSOR_INFO | UNSUPPORTED_TYPE |
 *   TRUNCATED | NETWORK | ABORTED
 */
export async function openHf(opener: Opener, signal?: AbortSignal): Promise<HfModelFile> {
  const text = (name: string, limit: number) => readText(opener, name, limit, signal)

  const configText = await text('config.json', MAX_CONFIG_BYTES)
  if (configText === undefined) {
    throw new RyzError('NOT_A_MODEL', 'There is no config.json; check the URL or choose all files')
  }
  const config = parseObject(configText, 'config.json')
  const { files, tensors } = await openWeights(opener, text, signal)
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
  signal: AbortSignal | undefined,
): Promise<Weights> {
  const weights: Weights = { files: [], tensors: new Map() }
  const single = await opener('model.safetensors')
  if (single && (await addFile(weights, single, signal))) return weights

  const index = await text('model.safetensors.index.json', MAX_INDEX_BYTES)
  if (index === undefined) {
    throw new RyzError(
      'NOT_A_MODEL',
      'There is neither a model.safetensors nor a model.safetensors.index.json beside config.json',
    )
  }
  const shards = shardsOf(index)
  for (const name of shards) {
    const shard = await opener(name)
    if (!shard || !(await addFile(weights, shard, signal))) {
      throw new RyzError('TRUNCATED', `The shard ${name}, which the index lists, was not found`)
    }
  }
  return weights
}

/** The file names of the index, in order; only plain names beside it are followed. */
function shardsOf(index: string): string[] {
  const parsed = parseObject(index, 'model.safetensors.index.json')
  const map = Object.hasOwn(parsed, 'weight_map') ? parsed.weight_map : undefined
  const names = isObject(map) ? [...new Set(Object.values(map))] : []
  const good = names.every(name => typeof name === 'string' && /^[\w.-]+\.safetensors$/.test(name))
  if (!good || names.length < 1 || names.length > MAX_SHARDS) {
    throw new RyzError(
      'BAD_CONFIG',
      `model.safetensors.index.json lists ${names.length} files; 1 to ${MAX_SHARDS} plain .safetensors names are possible`,
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
  signal: AbortSignal | undefined,
): Promise<string | undefined> {
  const source = await opener(name)
  if (!source) return undefined
  const bytes = await readWhole(source, limit, signal)
  return looksLikeHtml(bytes) ? undefined : new TextDecoder().decode(bytes)
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
