// What the files of sentence-transformers say of a model's embeddings: modules.json lists what follows the
// network, and the pooling has a config.json of its own. Called by safetensors.ts.
import { RyzError } from '../../errors.ts'
import type { Pooling } from '../../types/index.ts'

/** Steps behind the network that embed() takes: the last one is its default. */
const KNOWN = /\.(Transformer|Pooling|Normalize)$/

const MODES: ReadonlyMap<string, Pooling> = new Map([
  ['pooling_mode_cls_token', 'cls'],
  ['pooling_mode_mean_tokens', 'mean'],
  ['pooling_mode_lasttoken', 'last'],
  ['cls', 'cls'],
  ['mean', 'mean'],
  ['lasttoken', 'last'],
])

/**
 * @param read  a file of the model by its name, undefined when there is none
 * @throws RyzError BAD_CONFIG; UNSUPPORTED_FEATURE for other steps or poolings, which would give other vectors
 */
export async function readPooling(
  read: (name: string) => Promise<string | undefined>,
): Promise<Pooling | undefined> {
  const text = await read('modules.json')
  if (text === undefined) return undefined
  const modules = parse(text, 'modules.json')
  if (!Array.isArray(modules)) throw bad('modules.json', 'holds no list')
  let path: string | undefined
  for (const module of modules) {
    const type = String(Object(module).type).slice(0, 80)
    if (!KNOWN.test(type)) throw unsupported('modules.json', type)
    if (type.endsWith('.Pooling')) path = String(Object(module).path)
  }
  if (path === undefined) return undefined
  if (!/^\w[\w.-]*$/.test(path)) throw bad('modules.json', 'names no folder for the pooling')
  const name = `${path}/config.json`
  const config = await read(name)
  return config === undefined ? undefined : modeOf(Object(parse(config, name)), name)
}

function modeOf(config: Readonly<Record<string, unknown>>, name: string): Pooling {
  const asked = Object.keys(config).filter(
    key => key.startsWith('pooling_mode_') && config[key] === true,
  )
  // Newer files have one word in place of the flags.
  if (asked.length === 0 && config.pooling_mode !== undefined)
    asked.push(String(config.pooling_mode))
  const mode = asked.length === 1 ? MODES.get(asked[0]!) : undefined
  if (mode === undefined)
    throw unsupported(name, asked.join(' with ').slice(0, 120) || 'no pooling')
  return mode
}

function parse(text: string, name: string): unknown {
  try {
    return JSON.parse(text)
  } catch (cause) {
    throw new RyzError('BAD_CONFIG', `${name} is no valid JSON`, { name }, { cause })
  }
}

function bad(name: string, what: string): RyzError {
  return new RyzError('BAD_CONFIG', `${name} ${what}`, { name })
}

function unsupported(name: string, what: string): RyzError {
  return new RyzError(
    'UNSUPPORTED_FEATURE',
    `${name} asks for ${what}, which is not implemented: without it embeddings would be wrong; where only text is wanted, load the model without that file`,
    { key: what },
  )
}
