// The licences of what is bundled into dist/: its users install nothing else, so they must come with it. Which
// packages these are is read from the source maps, and their licences from the packages; a bundled package
// without a licence file stops the build.
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'

/** Packages whose code is in dist/. */
export function bundledPackages(dist: string): string[] {
  const names = new Set<string>()
  for (const file of readdirSync(dist)) {
    if (!file.endsWith('.js.map')) continue
    const { sources } = JSON.parse(readFileSync(join(dist, file), 'utf8')) as { sources: string[] }
    for (const source of sources) {
      const name = /.*node_modules\/((?:@[^/]+\/)?[^/]+)\//.exec(source)?.[1]
      if (name !== undefined) names.add(name)
    }
  }
  return [...names].sort()
}

export function thirdPartyNotices(root: string): string {
  const parts = bundledPackages(join(root, 'dist')).map(name => {
    const folder = join(root, 'node_modules', name)
    const { version, license } = JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8'))
    const file = readdirSync(folder).find(entry => /^licen[cs]e/i.test(entry))
    if (file === undefined) throw new Error(`${name} has no licence file`)
    return `${name} ${version} (${license})\n\n${readFileSync(join(folder, file), 'utf8').trim()}\n`
  })
  return `Ryzanstein contains code of these packages:\n\n${parts.join(`\n${'-'.repeat(80)}\n\n`)}`
}
