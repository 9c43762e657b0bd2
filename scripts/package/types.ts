// The declarations of the package, in dist/types/: those that its entries reach, and no more. They may import
// nothing but each other, as users install no other package, and from adapters/ what the adapter is for: whatever
// else does stops the build.
import { execFileSync } from 'node:child_process'
import { readdirSync, readFileSync, rmSync } from 'node:fs'
import { dirname, join, normalize } from 'node:path'

/**
 * @param entries  files in src/, without their ending, e.g. 'index'
 * @param peers    packages that declarations of adapters may import
 */
export function emitTypes(
  root: string,
  entries: readonly string[],
  peers: readonly string[],
): void {
  const types = join(root, 'dist/types')
  execFileSync(join(root, 'node_modules/.bin/tsc'), ['-p', join(root, 'tsconfig.build.json')], {
    stdio: 'inherit',
  })
  const reached = new Set<string>()
  const left = entries.map(entry => join(types, `${entry}.d.ts`))
  for (let file = left.pop(); file !== undefined; file = left.pop()) {
    if (reached.has(file)) continue
    reached.add(file)
    left.push(...importsOf(file, peers))
  }
  for (const name of readdirSync(types, { recursive: true, encoding: 'utf8' })) {
    const file = join(types, name)
    if (name.endsWith('.d.ts') && !reached.has(file)) rmSync(file)
  }
}

function importsOf(file: string, peers: readonly string[]): string[] {
  const code = readFileSync(file, 'utf8').replaceAll(/\/\*[\s\S]*?\*\//g, '')
  const imports = code.matchAll(/(?:from|import\()\s*['"]([^'"]+)['"]/g)
  return Array.from(imports, ([, specifier]) => specifier!)
    .filter(specifier => !(file.includes('/adapters/') && peers.includes(specifier)))
    .map(specifier => {
      if (!specifier.startsWith('.')) {
        throw new Error(`${file} needs the types of ${specifier}, which users do not install`)
      }
      return normalize(join(dirname(file), specifier.replace(/\.ts$/, '.d.ts')))
    })
}
