// The documents against what they speak of: links, tables, names.
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { expect, test } from 'vitest'
import { ERROR_CODES } from '../src/errors.ts'
import { PACKAGE_FILES } from '../src/package-files.ts'

const root = join(import.meta.dirname, '..')
const read = (file: string): string => readFileSync(join(root, file), 'utf8')
const documents = [
  'README.md',
  ...readdirSync(join(root, 'docs')).flatMap(file =>
    file.endsWith('.md') ? [`docs/${file}`] : [],
  ),
]

/** As GitHub makes them of headings. */
function anchorsOf(text: string): string[] {
  return Array.from(text.matchAll(/^#+ (.*)$/gm), ([, heading]) =>
    heading!
      .toLowerCase()
      .replaceAll(/[^\w -]/g, '')
      .replaceAll(' ', '-'),
  )
}

test.each(documents)('the links of %s lead somewhere', document => {
  const links = read(document).matchAll(/\]\(([^)\s]+)\)/g)
  const broken = Array.from(links, ([, link]) => link!).filter(link => {
    if (/^https?:/.test(link)) return false
    const [path, anchor] = link.split('#')
    const file = path === '' ? document : join(dirname(document), path!)
    if (!existsSync(join(root, file))) return true
    return anchor !== undefined && !anchorsOf(read(file)).includes(anchor)
  })
  expect(broken).toEqual([])
})

const guide = read('docs/INTEGRATION_GUIDE.md')

test('the guide has every error code once', () => {
  const table = guide.slice(guide.indexOf('<!-- errors -->')).split('\n\n')[0]!
  const rows = table.split('\n').map(line => line.split('|')[1] ?? '')
  const codes = rows.flatMap(cell => Array.from(cell.matchAll(/`([A-Z_0-9]+)`/g), m => m[1]!))
  expect(codes.toSorted()).toEqual(Object.keys(ERROR_CODES).toSorted())
})

test('the guide names every file that is fetched', () => {
  const scripts = PACKAGE_FILES.filter(file => file.endsWith('.js'))
  for (const file of scripts) expect(guide).toContain(`\`${file}\``)
  expect(guide).toContain('`ryz-*.wasm`')
})
