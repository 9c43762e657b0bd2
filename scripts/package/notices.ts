// The licences of what is bundled into dist/: its users install nothing else, so they must come with it. Read
// from the packages themselves; a bundled package without a licence file stops the build.
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'

/** Packages that dist/ holds, named in package.json's `bundled`. */
export function thirdPartyNotices(root: string): string {
  const { bundled } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as {
    bundled: string[]
  }
  const parts = bundled.map(name => {
    const folder = join(root, 'node_modules', name)
    const { version, license } = JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8'))
    const file = readdirSync(folder).find(entry => /^licen[cs]e/i.test(entry))
    if (file === undefined) throw new Error(`${name} has no licence file`)
    return `${name} ${version} (${license})\n\n${readFileSync(join(folder, file), 'utf8').trim()}\n`
  })
  return `Ryzanstein contains code of these packages:\n\n${parts.join(`\n${'-'.repeat(80)}\n\n`)}`
}
