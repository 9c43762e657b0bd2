// The package as npm would publish it, looked at from outside: publint and attw judge its fields and exports,
// a user's file and the code of the documents are compiled against its declarations with every check on and
// nothing else installed. Run by `make check` after the build.
import { execFileSync } from 'node:child_process'
import { mkdirSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { PACKAGE_FILES } from '../../src/package-files.ts'
import { contentFaults, promisedFiles, versionFaults } from './contents.ts'

const root = resolve(import.meta.dirname, '../..')
const work = join(root, 'build/consumer')
const bin = (name: string): string => join(root, 'node_modules/.bin', name)
const run = (command: string, args: readonly string[], cwd = root): void => {
  execFileSync(command, args, { cwd, stdio: ['ignore', 'inherit', 'inherit'] })
}

const USER = `import { type GenerateOptions, load, RyzError, type Ryzanstein, willItRun } from 'ryzanstein'
import { engineFetch } from 'ryzanstein/openai'
import { answerFromTabs, provide, register } from 'ryzanstein/service-worker'
import { ryzanstein } from 'ryzanstein/vite'

const options: GenerateOptions = { maxTokens: 4 }
const engine: Ryzanstein = await load('/model.gguf', { baseUrl: '/ryzanstein/' })
for await (const { text } of engine.generate('Once', options)) console.log(text.length)
try {
  console.log((await willItRun(new URL('https://example.test/model.gguf'))).fits)
} catch (error) {
  if (error instanceof RyzError) console.log(error.code satisfies string)
}
console.log(ryzanstein().name)
console.log((await engineFetch(engine)('http://local/v1/models')).status)
const registered = await register('/api-service-worker.js', { type: 'module' })
if (!registered.controlled) console.log(registered.reason.length)
const stop: () => void = await provide(engineFetch(engine))
await provide({ open: async () => engineFetch(await load('/model.gguf', { share: true })) })
stop()
export const inAWorker = () => answerFromTabs({ path: '/v1/' })
// @ts-expect-error an unknown option is a fault
await load('/model.gguf', { thread: 2 })
`

/** As much of React as the documents use. */
const REACT = `declare module 'react' {
  export function useEffect(run: () => void | (() => void), dependencies: readonly unknown[]): void
  export function useState<T>(first: T): [T, (next: T | ((before: T) => T)) => void]
}
`

/** What a piece of the documents takes from its reader's page. */
const PAGE = `declare const engine: import('ryzanstein').Ryzanstein
declare function show(value: unknown): void
declare function save(value: unknown): void
`

/** The code of documents, each piece a file. */
function documented(...names: string[]): Record<string, string> {
  const files: Record<string, string> = {}
  for (const name of names) {
    const pieces = readFileSync(join(root, name), 'utf8').matchAll(/```(?:js|tsx?)\n([\s\S]*?)```/g)
    let count = 0
    for (const [, code] of pieces) {
      files[`${name.replaceAll(/\W/g, '-')}-${++count}.ts`] = code!
    }
  }
  return files
}

rmSync(work, { recursive: true, force: true })
mkdirSync(join(work, 'node_modules/ryzanstein'), { recursive: true })
run('npm', ['pack', '--silent', '--ignore-scripts', '--pack-destination', work])
const tarball = join(work, readdirSync(work).find(file => file.endsWith('.tgz'))!)
const packed = execFileSync('tar', ['-tzf', tarball], { encoding: 'utf8' }).trim().split('\n')
const manifest = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'))
const faults = [
  ...contentFaults(
    packed.map(path => path.replace(/^package\//, '')),
    statSync(tarball).size,
    [...promisedFiles(manifest), ...PACKAGE_FILES.map(file => `dist/${file}`)],
  ),
  ...versionFaults({
    'package.json': JSON.stringify(manifest),
    'package-lock.json': readFileSync(join(root, 'package-lock.json'), 'utf8'),
    'CHANGELOG.md': readFileSync(join(root, 'CHANGELOG.md'), 'utf8'),
    'docs/QUICKSTART.md': readFileSync(join(root, 'docs/QUICKSTART.md'), 'utf8'),
  }),
]
if (faults.length > 0) throw new Error(faults.join('\n'))
run('tar', ['-xzf', tarball, '-C', join(work, 'node_modules/ryzanstein'), '--strip-components=1'])
run(bin('publint'), ['run', tarball, '--strict'])
// The service workers are files to copy, and dist/* are files to fetch: neither has types.
const untyped = [
  ...['--exclude-entrypoints', './coi-service-worker.js', './api-service-worker.js', './dist/*'],
]
run(bin('attw'), [tarball, '--quiet', '--profile', 'esm-only', ...untyped])

writeFileSync(join(work, 'package.json'), '{ "type": "module" }')
const documents = documented('README.md', 'docs/QUICKSTART.md', 'docs/INTEGRATION_GUIDE.md')
const sources = { 'user.ts': USER, 'react.d.ts': REACT, 'page.d.ts': PAGE, ...documents }
/** Against the packages that the adapters are for, whose own declarations are theirs to check. */
const adapters = documented('docs/ADAPTERS.md')
for (const [file, code] of Object.entries({ ...sources, ...adapters })) {
  writeFileSync(join(work, file), code)
}
for (const [module, moduleResolution, checked] of [
  ['nodenext', 'nodenext', sources],
  ['esnext', 'bundler', sources],
  ['esnext', 'bundler', adapters],
] as const) {
  const compilerOptions = {
    ...{
      noEmit: true,
      strict: true,
      skipLibCheck: checked === adapters,
      exactOptionalPropertyTypes: true,
    },
    ...{ target: 'es2022', lib: ['es2022', 'dom', 'dom.asynciterable'], types: [] },
    ...{ module, moduleResolution },
  }
  const files = Object.keys(checked)
  writeFileSync(join(work, 'tsconfig.json'), JSON.stringify({ compilerOptions, files }))
  run(bin('tsc'), ['-p', 'tsconfig.json'], work)
}
console.log('the package is sound: publint, attw, and a user without our devDependencies')
