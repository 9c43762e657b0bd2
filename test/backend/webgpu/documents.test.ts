// shaders/README.md against the shaders: every file has its row, its bindings are those of the source and of the
// pipelines, and no other file is told of.
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { BINDINGS, type ShaderName } from '../../../src/backend/webgpu/shaders.ts'

const folder = join(import.meta.dirname, '../../../shaders')
const readme = readFileSync(join(folder, 'README.md'), 'utf8')
const sources = readdirSync(folder)
  .filter(name => name.endsWith('.wgsl'))
  .map(name => name.slice(0, -'.wgsl'.length))

/** Rows of the table under a heading, as cells without their marks. */
function tableUnder(heading: string): string[][] {
  const section = readme.split(`## ${heading}\n`)[1]?.split('\n## ')[0] ?? ''
  const lines = section.split('\n').filter(line => line.startsWith('|'))
  return lines.slice(2).map(line =>
    line
      .split('|')
      .slice(1, -1)
      .map(cell => cell.trim()),
  )
}

/** Storage bindings of a shader in order: 'x r', 'out w'. */
function bindingsOf(name: string): string[] {
  const text = readFileSync(join(folder, `${name}.wgsl`), 'utf8')
  const found = text.matchAll(/@group\(0\) @binding\((\d+)\) var<(uniform|storage, (\w+))> (\w+):/g)
  return Array.from(found, ([, index, space, access, variable], i) => {
    expect([name, index]).toEqual([name, String(i)])
    if (i === 0) {
      expect([variable, space]).toEqual(['p', 'uniform'])
      return ''
    }
    return `${variable} ${access === 'read_write' ? 'w' : 'r'}`
  }).slice(1)
}

describe('shaders/README.md', () => {
  it('has every shader, once, in both tables', () => {
    for (const heading of ['Bindings', 'What each reads and writes']) {
      const names = tableUnder(heading).map(([name]) => name!.replaceAll('`', ''))
      expect([heading, names.toSorted()]).toEqual([heading, sources.toSorted()])
    }
    expect(Object.keys(BINDINGS).toSorted()).toEqual(sources.toSorted())
  })

  it('has the bindings of the sources, which are those of the pipelines', () => {
    for (const [cell, ...cells] of tableUnder('Bindings')) {
      const name = cell!.replaceAll('`', '') as ShaderName
      const told = cells.map(text => text.replaceAll('`', '')).filter(text => text !== '')
      const real = bindingsOf(name)
      expect([name, told]).toEqual([name, real])
      expect([name, real.map(binding => binding.at(-1)).join('')]).toEqual([name, BINDINGS[name]])
      // A default device has 8 storage buffers.
      expect(real.length).toBeLessThanOrEqual(8)
    }
  })

  it('tells the arithmetic intensity of each, and of its head what it reads', () => {
    for (const [name, , , , operations] of tableUnder('What each reads and writes')) {
      expect([name, operations]).toEqual([name, expect.stringMatching(/\d|none/)])
    }
    for (const name of sources) {
      const text = readFileSync(join(folder, `${name}.wgsl`), 'utf8')
      // One entry point a file, named like it, and a head that says what it is.
      expect(text.startsWith(`// ${name}: `)).toBe(true)
      expect(text.match(/@compute/g)).toHaveLength(1)
      expect(text).toMatch(new RegExp(`@compute @workgroup_size\\([^)]*\\)\\nfn ${name}\\(`))
    }
  })
})
