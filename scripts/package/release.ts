// Before a release: everything that `make check` sees, and what must be true of a tree that is published (docs/RELEASING.md).
// Publishes nothing. Run by `make release-check`.
import { execFileSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { releaseFaults } from './contents.ts'

const root = resolve(import.meta.dirname, '../..')
const read = (file: string): string => readFileSync(join(root, file), 'utf8')
const git = (...args: string[]): string =>
  execFileSync('git', args, { cwd: root, encoding: 'utf8' }).trimEnd()

const changed = git('status', '--porcelain').split('\n').filter(Boolean)
const faults = releaseFaults(
  {
    'package.json': read('package.json'),
    'package-lock.json': read('package-lock.json'),
    'CHANGELOG.md': read('CHANGELOG.md'),
    'docs/QUICKSTART.md': read('docs/QUICKSTART.md'),
  },
  changed.map(line => line.slice(3)),
)
const { name, version } = JSON.parse(read('package.json'))
if (git('tag', '--list', `v${version}`) !== '') faults.push(`the tag v${version} exists already`)
for (const fault of faults) console.error(fault)
if (faults.length > 0) {
  console.error(`${name} ${version} cannot be released yet`)
  process.exit(1)
}
console.log(
  `${name} ${version} at ${git('rev-parse', '--short', 'HEAD')} can be released: docs/RELEASING.md`,
)
