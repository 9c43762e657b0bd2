import { existsSync, readFileSync } from 'node:fs'
import { dirname, resolve } from 'node:path'
import { describe, expect, test } from 'vitest'

const ROOT = resolve(import.meta.dirname, '..')
const PAGES = [
  'README.md',
  'docs/ARCHITECTURE.md',
  'CHANGELOG.md',
  'docs/ADDING.md',
  'docs/GLOSSARY.md',
]
const read = (path: string) => readFileSync(resolve(ROOT, path), 'utf8')

describe.each(PAGES)('%s', page => {
  const text = read(page)

  test('every link leads to a file of the repository', () => {
    const links = [...text.matchAll(/\]\((?!https?:)([^)#]+)/g)].map(m => m[1])
    const missing = links.filter(to => !existsSync(resolve(ROOT, dirname(page), to)))
    expect(missing).toEqual([])
  })

  test('every path it names exists', () => {
    const named = [
      ...text.matchAll(/`((?:src|kernels-cpp|shaders|demo|test|e2e|docs|scripts)\/[^`\s]*)`/g),
    ].map(m => m[1])
    expect(named.filter(path => !existsSync(resolve(ROOT, path)))).toEqual([])
  })
})

test('every symbol of the walk stands in the file it is said to be in', () => {
  const walk = read('README.md').split('## The walk of one token')[1].split('\n\n')[1]
  const pairs = [...walk.matchAll(/`(\w+)`[^`[]*\(\[[^\]]+\]\(([^)]+)\)/g)]
  expect(pairs.length).toBeGreaterThan(2)
  for (const [, symbol, file] of pairs) {
    expect(existsSync(resolve(ROOT, file)), file).toBe(true)
    expect(read(file), `${symbol} in ${file}`).toContain(symbol)
  }
})

test('every error code is documented by what happened and what to do', () => {
  const errors = read('src/errors.ts')
  const entries = [...errors.matchAll(/^ {2}([A-Z_]+):\s*'([^']+)'/gm)]
  expect(entries).toHaveLength(33)
  for (const [, code, text] of entries) expect(text.length, code).toBeGreaterThan(20)
})
