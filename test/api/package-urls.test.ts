// Where the files of the package are said to be.
import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { packageUrls } from '../../src/api/package-urls.ts'
import { PACKAGE_FILES } from '../../src/package-files.ts'
import { PACKAGE_BASE, stubPackageUrls } from '../support/package-urls.ts'

beforeEach(() => stubPackageUrls())
afterEach(() => vi.unstubAllGlobals())

test('every file is beside index.js', () => {
  const urls = packageUrls()
  expect(Object.keys(urls)).toEqual([...PACKAGE_FILES])
  for (const [file, url] of Object.entries(urls)) expect(url).toBe(PACKAGE_BASE + file)
})

test.each([
  ['/lib', 'https://package.test/lib/worker.js'],
  ['lib/', 'https://package.test/lib/worker.js'],
  ['https://cdn.test/ryzanstein@1/dist?token=1', 'https://cdn.test/ryzanstein@1/dist/worker.js'],
  [new URL('https://cdn.test'), 'https://cdn.test/worker.js'],
])('baseUrl %s is a folder', (baseUrl, worker) => {
  expect(packageUrls(baseUrl)['worker.js']).toBe(worker)
})

test.each(['http://', 'a: ', 'mailto:x'])('baseUrl %s is no folder', baseUrl => {
  const wrong = { code: 'BAD_OPTION', message: expect.stringContaining(JSON.stringify(baseUrl)) }
  expect(() => packageUrls(baseUrl)).toThrow(expect.objectContaining(wrong))
})

test('a bundle without import.meta.url says that it needs baseUrl', () => {
  vi.stubGlobal('__RYZ_URL_worker_js__', undefined)
  expect(() => packageUrls()).toThrow(
    expect.objectContaining({
      code: 'BAD_OPTION',
      message: expect.stringContaining('import.meta.url'),
    }),
  )
  expect(packageUrls('/lib/')['worker.js']).toBe('https://package.test/lib/worker.js')
})

test('index.js that Vite has bundled ahead finds the files in the package', () => {
  const deps = 'http://localhost:5173/@fs/home/me/node_modules/.vite/deps_temp_1/worker.js?v=1'
  vi.stubGlobal('__RYZ_URL_worker_js__', new URL(deps))
  expect(packageUrls()['worker.js']).toBe(
    'http://localhost:5173/@fs/home/me/node_modules/ryzanstein/dist/worker.js?v=1',
  )
})
