// The API reference, docs/api/: one Markdown page a subpath of the package, by typedoc from the declarations that users
// get (dist/types/, so `npm run build` first). `--check` compares with what is committed and changes nothing.
// typedoc needs an older TypeScript than the package is built with, so both are installed in this folder.
import { cpSync, existsSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { Application, ReflectionKind } from 'typedoc'

const root = resolve(import.meta.dirname, '../..')
const committed = join(root, 'docs/api')
const fresh = join(root, 'build/api-docs')

/** Subpath by declaration file: dist/types/node/load.d.ts is 'ryzanstein/node'. */
const modules = new Map()
const { exports } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'))
for (const [subpath, target] of Object.entries(exports)) {
  if (target.types) modules.set(resolve(root, target.types), `ryzanstein${subpath.slice(1)}`)
}

/** What a user passes and never names: the part of an engine that an adapter asks for, what Vite calls. */
const UNNAMED = ['ChatEngine', 'EmbedEngine', 'Engine', 'ViteConfig', 'Emitting', 'Create']

const app = await Application.bootstrapWithPlugins({
  plugin: ['typedoc-plugin-markdown'],
  tsconfig: join(import.meta.dirname, 'tsconfig.json'),
  entryPoints: [...modules.keys()],
  name: 'API reference',
  out: fresh,
  router: 'module',
  readme: 'none',
  disableSources: true,
  excludePrivate: true,
  excludeInternal: true,
  skipErrorChecking: true,
  sort: ['source-order'],
  hideBreadcrumbs: true,
  hidePageHeader: true,
  useCodeBlocks: true,
  parametersFormat: 'table',
  interfacePropertiesFormat: 'table',
  typeDeclarationFormat: 'table',
  logLevel: 'Warn',
  // A name that a reader meets has a page and a sentence.
  validation: { notExported: true, notDocumented: true, invalidLink: true },
  requiredToBeDocumented: ['Class', 'Interface', 'TypeAlias', 'Variable', 'Function'],
  intentionallyNotExported: UNNAMED,
})
const project = await app.convert()
if (project === undefined) throw new Error('typedoc could not read dist/types')
for (const module of project.getReflectionsByKind(ReflectionKind.Module)) {
  const file = project.getSymbolIdFromReflection(module)?.fileName ?? ''
  const name = modules.get(resolve(root, file))
  if (name === undefined) throw new Error(`${file} is no subpath of package.json`)
  module.name = name
}
app.validate(project)
rmSync(fresh, { recursive: true, force: true })
await app.generateOutputs(project)
if (app.logger.warningCount + app.logger.errorCount > 0) process.exit(1)

const pages = folder =>
  Object.fromEntries(
    readdirSync(folder, { recursive: true, encoding: 'utf8' })
      .filter(name => name.endsWith('.md'))
      .map(name => [name, readFileSync(join(folder, name), 'utf8')]),
  )
const made = pages(fresh)
if (process.argv.includes('--check')) {
  const kept = existsSync(committed) ? pages(committed) : {}
  const stale = Object.keys({ ...made, ...kept }).filter(name => made[name] !== kept[name])
  if (stale.length > 0)
    throw new Error(`docs/api is stale: ${stale.join(', ')}; run \`make api-docs\``)
  console.log(`docs/api is what the declarations say: ${Object.keys(made).length} pages`)
} else {
  rmSync(committed, { recursive: true, force: true })
  cpSync(fresh, committed, { recursive: true })
  console.log(`docs/api: ${Object.keys(made).length} pages`)
}
