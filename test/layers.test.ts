// Reads every import under src/ and holds it against the layers: imports go one way only. The table
// is docs/ARCHITECTURE.md's.
import { readdirSync, readFileSync } from 'node:fs'
import { dirname, join, normalize } from 'node:path'
import { describe, expect, it } from 'vitest'

const src = join(import.meta.dirname, '..', 'src')

/** Areas, each with what it may import beside itself. */
const MAY_IMPORT: Readonly<Record<string, readonly string[]>> = {
  L0: [],
  format: ['L0'],
  tokenizer: ['L0'],
  cache: ['L0'],
  backend: ['format', 'L0'],
  'backend/reference': ['backend', 'format', 'L0'],
  'backend/wasm': ['backend', 'format', 'L0'],
  'backend/webgpu': ['backend', 'format', 'L0'],
  model: ['backend', 'format', 'L0'],
  engine: ['model', 'backend', 'format', 'tokenizer', 'cache', 'L0'],
  worker: ['worker/protocol.ts', 'engine', 'L0'],
  // The composition root, the one file that names concrete backends.
  'worker/main.ts': [
    'worker',
    'worker/protocol.ts',
    'engine',
    'cache',
    'backend',
    'backend/reference',
    'backend/wasm',
    'backend/webgpu',
    'L0',
  ],
  'worker/protocol.ts': ['worker', 'engine', 'L0'],
  api: ['api/ryzanstein.ts', 'api/token-stream.ts', 'worker/protocol.ts', 'L0'],
  // The SDK's class, which is the public surface.
  'api/ryzanstein.ts': ['api', 'api/token-stream.ts', 'worker/protocol.ts', 'L0'],
  'api/token-stream.ts': ['api', 'L0'],
  // Other shapes of the same engine: written against the public surface alone.
  adapters: ['api/ryzanstein.ts', 'api/token-stream.ts', 'L0'],
  // The package in Node, where threads take the place of workers.
  node: ['api', 'api/ryzanstein.ts', 'L0'],
  // Programs for the command line.
  cli: ['node', 'adapters', 'L0'],
  // Managing stored models needs no worker and no engine.
  'index.ts': ['api', 'api/ryzanstein.ts', 'api/token-stream.ts', 'adapters', 'cache', 'L0'],
}

const L0 = [
  'errors.ts',
  'features.ts',
  'text-list.ts',
  'discard.ts',
  'storable.ts',
  'package-files.ts',
  'start-script.ts',
]
/** Folders of that layer. */
const L0_FOLDERS = ['types', 'net', 'options']

/** Files with a rule of their own. */
const OWN_AREA = [
  'api/token-stream.ts',
  'worker/main.ts',
  'worker/protocol.ts',
  'api/ryzanstein.ts',
  'index.ts',
]

/** Packages, and the areas that may import them. */
const PACKAGES: Readonly<Record<string, readonly string[]>> = {
  // What an adapter is for: types, of React its hooks.
  ai: ['adapters'],
  react: ['adapters'],
  // Plugins of bundlers run in Node.
  'node:fs': ['adapters', 'node'],
  ...Object.fromEntries(
    ['fs/promises', 'os', 'stream', 'url', 'path', 'v8', 'worker_threads'].map(name => [
      `node:${name}`,
      ['node'],
    ]),
  ),
  ...Object.fromEntries(
    ['crypto', 'http', 'net', 'util', 'readline/promises'].map(name => [`node:${name}`, ['cli']]),
  ),
  comlink: ['worker', 'worker/main.ts', 'api'],
  'wasm-feature-detect': ['L0', 'backend/wasm', 'worker/main.ts'],
  'idb-keyval': ['cache', 'api'],
  'hash-wasm': ['cache'],
  '@eslint-community/regexpp': ['engine'],
}

function areaOf(file: string): string {
  if (L0.includes(file) || L0_FOLDERS.includes(file.split('/')[0]!)) return 'L0'
  if (OWN_AREA.includes(file)) return file
  const [top, second] = file.split('/')
  if (top !== 'backend') return top!
  return second!.endsWith('.ts') ? 'backend' : `backend/${second}`
}

/** What a source text imports: static, re-exported, dynamic and `import('...')` types. */
function importsOf(text: string): string[] {
  const code = text.replace(/\/\*[\s\S]*?\*\//g, '').replace(/^\s*\/\/.*$/gm, '')
  const found = code.matchAll(
    /(?:^|[\s;}])(?:import|export)\s+(?:type\s+)?(?:[\w*{][^'";]*?\sfrom\s+)?['"]([^'"]+)['"]|import\(\s*['"]([^'"]+)['"]/g,
  )
  return Array.from(found, match => (match[1] ?? match[2])!)
}

/** What is wrong with one import, or nothing. */
function fault(file: string, specifier: string): string | undefined {
  const area = areaOf(file)
  const bare = specifier.split('?')[0]!
  if (!bare.startsWith('.')) {
    const allowed = PACKAGES[bare]?.includes(area)
    return allowed ? undefined : `${file} imports the package ${specifier}`
  }
  const target = normalize(join(dirname(file), bare))
  if (area === 'backend/webgpu' && /^..\/shaders\/.*\.wgsl$/.test(target)) return undefined
  if (target.startsWith('..')) return `${file} imports ${specifier}, outside src/`
  const to = areaOf(target)
  if (to === area || MAY_IMPORT[area]?.includes(to)) return undefined
  return `${file} (${area}) imports ${target} (${to})`
}

const files = readdirSync(src, { recursive: true, encoding: 'utf8' })
  .map(file => file.replaceAll('\\', '/'))
  .filter(file => file.endsWith('.ts'))

/** The files that a file of src/ imports, types too. */
function targetsOf(file: string): string[] {
  return importsOf(readFileSync(join(src, file), 'utf8'))
    .map(specifier => specifier.split('?')[0]!)
    .filter(specifier => specifier.startsWith('.'))
    .map(specifier => normalize(join(dirname(file), specifier)))
}

/** The first circle of imports, as a path from a file to itself; or nothing. */
function circle(targets: ReadonlyMap<string, readonly string[]>): string[] | undefined {
  const done = new Set<string>()
  const path: string[] = []
  const walk = (file: string): string[] | undefined => {
    const at = path.indexOf(file)
    if (at >= 0) return [...path.slice(at), file]
    if (done.has(file)) return undefined
    path.push(file)
    for (const target of targets.get(file) ?? []) {
      const found = walk(target)
      if (found) return found
    }
    path.pop()
    done.add(file)
    return undefined
  }
  for (const file of targets.keys()) {
    const found = walk(file)
    if (found) return found
  }
  return undefined
}

describe('layers', () => {
  it('knows the area of every file under src/', () => {
    expect(files.length).toBeGreaterThan(30)
    expect(files.filter(file => MAY_IMPORT[areaOf(file)] === undefined)).toEqual([])
  })

  it('go one way: no import under src/ goes up or sideways', () => {
    const faults = files.flatMap(file =>
      importsOf(readFileSync(join(src, file), 'utf8')).flatMap(
        specifier => fault(file, specifier) ?? [],
      ),
    )
    expect(faults).toEqual([])
  })

  it('have no circle of imports between files, types included', () => {
    const targets = new Map(files.map(file => [file, targetsOf(file)]))
    expect(circle(targets)).toBeUndefined()
    targets.set('errors.ts', ['index.ts'])
    expect(circle(targets)?.at(-1)).toBe(circle(targets)?.[0])
    expect(circle(targets)?.length).toBeGreaterThan(2)
  })

  it('have files one can read: 400 lines at most', () => {
    const lines = (file: string) => readFileSync(join(src, file), 'utf8').split('\n').length - 1
    expect(files.filter(file => lines(file) > 400)).toEqual([])
  })

  it('finds every relative import that TypeScript would resolve', () => {
    const missed = files.flatMap(file => {
      const text = readFileSync(join(src, file), 'utf8')
      const mentioned = text.match(/from '\.{1,2}\//g)?.length ?? 0
      const found = importsOf(text).filter(specifier => specifier.startsWith('.')).length
      return found < mentioned ? [`${file}: ${found} of ${mentioned}`] : []
    })
    expect(missed).toEqual([])
  })

  it.each([
    ['api/x.ts', '../engine/engine.ts'],
    ['api/x.ts', '../worker/engine-api.ts'],
    ['engine/x.ts', '../backend/wasm/pool.ts'],
    ['engine/x.ts', '../worker/protocol.ts'],
    ['model/x.ts', '../tokenizer/tokenizer.ts'],
    ['backend/wasm/x.ts', '../reference/math.ts'],
    ['backend/reference/x.ts', '../../model/model-config.ts'],
    ['format/x.ts', '../tokenizer/tokenizer.ts'],
    ['worker/engine-api.ts', '../backend/reference/reference-backend.ts'],
    ['errors.ts', './adapters/openai/openai.ts'],
    ['types/index.ts', '../adapters/openai/openai.ts'],
    ['api/x.ts', '../adapters/openai/openai.ts'],
    ['engine/x.ts', 'comlink'],
    ['engine/x.ts', '../../test/fakes.ts'],
  ])('refuses %s importing %s', (file, specifier) => {
    expect(fault(file, specifier)).toBeDefined()
  })
})

/** What evals/ may import: the public package, its own files, and in Node's parts what Node needs. */
const EVAL_PACKAGES: Readonly<Record<string, RegExp>> = {
  ryzanstein: /./,
  hyparquet: /^read\/parquet(-check)?\.ts$/,
  'node:': /^(node\/|[\w-]+\.ts$|set\/)/,
  tools: /^[\w-]+\.ts$/,
}

/** What is wrong with one import of a file of evals/, or nothing. */
function evalFault(file: string, specifier: string): string | undefined {
  const allowed = (name: keyof typeof EVAL_PACKAGES) => EVAL_PACKAGES[name]!.test(file)
  if (!specifier.startsWith('.')) {
    const name = specifier.startsWith('node:') ? 'node:' : specifier
    return EVAL_PACKAGES[name]?.test(file) ? undefined : `${file} imports the package ${specifier}`
  }
  const target = normalize(join('evals', dirname(file), specifier)).replaceAll('\\', '/')
  if (target.startsWith('tools/') && allowed('tools')) return undefined
  const inNode = target.startsWith('evals/node/') && !allowed('node:')
  if (target.startsWith('evals/') && !inNode) return undefined
  return `${file} imports ${specifier}`
}

describe('evals', () => {
  const root = join(import.meta.dirname, '..', 'evals')
  const own = readdirSync(root, { recursive: true, encoding: 'utf8' })
    .map(file => file.replaceAll('\\', '/'))
    .filter(file => file.endsWith('.ts'))

  it('know the public interface alone; only the commands know Node', () => {
    expect(own.length).toBeGreaterThan(25)
    const faults = own.flatMap(file =>
      importsOf(readFileSync(join(root, file), 'utf8')).flatMap(s => evalFault(file, s) ?? []),
    )
    expect(faults).toEqual([])
  })

  it.each([
    ['run/x.ts', '../../src/engine/engine.ts'],
    ['run/x.ts', '../../tools/node-sdk.ts'],
    ['run/x.ts', 'node:fs'],
    ['run/x.ts', '../node/files.ts'],
    ['tasks/x.ts', 'hyparquet'],
    ['run.ts', '../src/types/index.ts'],
  ])('refuse %s importing %s', (file, specifier) => {
    expect(evalFault(file, specifier)).toBeDefined()
  })
})
