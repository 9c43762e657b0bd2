// What the pages of the site have in common: partials, facts of published models, and how a first word is told.
import { readdirSync, readFileSync } from 'node:fs'
import { resolve } from 'node:path'
import { describe, expect, test } from 'vitest'
import { withPartials } from '../../demo/partials.ts'
import { publishedText } from '../../demo/src/published.ts'
import { firstWordText } from '../../demo/src/wording.ts'
import { models } from '../../src/adapters/models/models.ts'

const demo = resolve(import.meta.dirname, '../../demo')
const PAGES = ['.', 'chat', 'play', 'bench', 'evals'].map(folder => `${folder}/index.html`)

describe('partials', () => {
  test.each(PAGES)('%s includes what it names, with the policy and its own link marked', page => {
    const root = page.startsWith('./') ? './' : '../'
    const html = withPartials(readFileSync(resolve(demo, page), 'utf8'), root)
    expect(html).not.toMatch(/<!-- include|\{\{/)
    expect(html).toContain("default-src 'self'")
    expect(html.match(/aria-current="page"/g)).toHaveLength(1)
    const own = page.startsWith('./') ? './index.html' : `../${page}`
    expect(html).toContain(`href="${own}" aria-current="page"`)
    const ids = [...html.matchAll(/ id="([^"]+)"/g)].map(([, id]) => id)
    expect(ids).toEqual([...new Set(ids)])
  })

  test('each is used, and what is missing is told', () => {
    const all = PAGES.map(page => readFileSync(resolve(demo, page), 'utf8')).join('')
    for (const file of readdirSync(resolve(demo, 'partials'))) {
      expect(all).toContain(`<!-- include ${file.replace('.html', '')}`)
    }
    expect(() => withPartials('<!-- include nothing -->', './')).toThrow('nothing.html')
    expect(() => withPartials('<!-- include model -->', './')).toThrow('wants ours="..."')
  })
})

describe('a published model', () => {
  test.each(models.map(model => [model.name, model] as const))(
    '%s says what it takes, whether it fits, and that we did not try it',
    (_, model) => {
      const text = publishedText(model, 8)
      expect(text).toMatch(/^It (?:should run here|is a tight fit here|does not run)/)
      expect(text).toMatch(/: (?:about|at least) [\d.,]+ (?:MB|GB) of memory\./)
      expect(text).toMatch(/Not tried by us\.$/)
      expect(text).toContain(`licence ${model.licence}`)
    },
  )

  test('is measured by the device', () => {
    const small = models[0]!
    expect(publishedText(small, 8)).toMatch(/^It should run here: about 1,\d{3} MB/)
    expect(publishedText(small, 2)).toMatch(/^It is a tight fit here/)
    expect(publishedText(small, 1)).toMatch(/^It does not run on this device/)
    expect(publishedText(small, undefined)).toMatch(/^It may run here/)
    expect(publishedText({ ...small, shape: undefined, parameters: 20e9 }, 8)).toMatch(
      /^It does not run in a page: at least 5,170 MB/,
    )
  })
})

test('a first word is told by the last byte, or by when it was asked for', () => {
  expect(firstWordText({ beganMs: 200, lastByteMs: 7200 }, 900, 7612)).toBe(
    'The model came in 7.0 s. The first word stood 412 ms after its last byte, 7.6 s after the page was opened.',
  )
  expect(firstWordText({ beganMs: 200, lastByteMs: 300 }, 400, 700)).toBe(
    'The model came in 100 ms. The first word stood 300 ms after it was asked for, 700 ms after the page was opened.',
  )
})
