// The package as npm would publish it, looked at from outside: publint and attw judge its fields and exports,
// and a user's file is compiled against its declarations with every check on and nothing else installed. Run
// by `make check` after the build.
import { execFileSync } from 'node:child_process'
import { mkdirSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { join, resolve } from 'node:path'

const root = resolve(import.meta.dirname, '../..')
const work = join(root, 'build/consumer')
const bin = (name: string): string => join(root, 'node_modules/.bin', name)
const run = (command: string, args: readonly string[], cwd = root): void => {
  execFileSync(command, args, { cwd, stdio: ['ignore', 'inherit', 'inherit'] })
}

const USER = `import { type GenerateOptions, load, RyzError, type Ryzanstein, willItRun } from 'ryzanstein'
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
// @ts-expect-error an unknown option is a fault
await load('/model.gguf', { thread: 2 })
`

rmSync(work, { recursive: true, force: true })
mkdirSync(join(work, 'node_modules/ryzanstein'), { recursive: true })
run('npm', ['pack', '--silent', '--ignore-scripts', '--pack-destination', work])
const tarball = join(work, readdirSync(work).find(file => file.endsWith('.tgz'))!)
run('tar', ['-xzf', tarball, '-C', join(work, 'node_modules/ryzanstein'), '--strip-components=1'])
run(bin('publint'), ['run', tarball, '--strict'])
// A service worker is a file to copy, and dist/* are files to fetch: neither has types.
const untyped = ['--exclude-entrypoints', './coi-service-worker.js', './dist/*']
run(bin('attw'), [tarball, '--quiet', '--profile', 'esm-only', ...untyped])

writeFileSync(join(work, 'package.json'), '{ "type": "module" }')
writeFileSync(join(work, 'user.ts'), USER)
for (const [module, moduleResolution] of [
  ['nodenext', 'nodenext'],
  ['esnext', 'bundler'],
] as const) {
  const compilerOptions = {
    ...{ noEmit: true, strict: true, skipLibCheck: false, exactOptionalPropertyTypes: true },
    ...{ target: 'es2022', lib: ['es2022', 'dom', 'dom.asynciterable'], types: [] },
    ...{ module, moduleResolution },
  }
  const files = ['user.ts']
  writeFileSync(join(work, 'tsconfig.json'), JSON.stringify({ compilerOptions, files }))
  run(bin('tsc'), ['-p', 'tsconfig.json'], work)
}
console.log('the package is sound: publint, attw, and a user without our devDependencies')
