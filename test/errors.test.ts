import { readdirSync, readFileSync } from 'node:fs'
import { resolve } from 'node:path'
import { describe, expect, test } from 'vitest'
import { asRyzError, ERROR_CODES, type ErrorCode, RyzError, throwIfAborted } from '../src/errors.ts'

function sources(folder: string, ending: string): string {
  const root = resolve(import.meta.dirname, '..', folder)
  const files = readdirSync(root, { recursive: true, encoding: 'utf8' })
  const wanted = files.filter(
    f => f.endsWith(ending) && f !== 'errors.test.ts' && f !== 'errors.ts',
  )
  return wanted.map(f => readFileSync(resolve(root, f), 'utf8')).join('\n')
}

describe('the table of codes', () => {
  const thrown = sources('src', '.ts')
  const tested = sources('test', '.test.ts') + sources('e2e', '.spec.ts')
  const codes = Object.keys(ERROR_CODES) as ErrorCode[]

  test.each(codes)('%s is thrown and a test expects it', code => {
    expect(thrown.includes(`'${code}'`), 'thrown in src').toBe(true)
    expect(new RegExp(`\\b${code}\\b`).test(tested), 'expected by a test').toBe(true)
  })
})

test('asRyzError keeps a RyzError and wraps anything else with its cause', () => {
  const own = new RyzError('NETWORK', 'gone')
  expect(asRyzError(own, 'BAD_OPTION', 'x')).toBe(own)
  const cause = new TypeError('boom')
  const wrapped = asRyzError(cause, 'NETWORK', 'fetching')
  expect(wrapped).toMatchObject({ code: 'NETWORK', message: 'fetching: boom', cause })
})

test('throwIfAborted throws ABORTED only when the signal has fired', () => {
  const controller = new AbortController()
  throwIfAborted(controller.signal, 'loading')
  throwIfAborted(undefined, 'loading')
  controller.abort()
  expect(() => throwIfAborted(controller.signal, 'loading')).toThrow(
    expect.objectContaining({ code: 'ABORTED', message: 'loading was cancelled' }),
  )
})

test('an error of another copy of the package is a RyzError, and nothing else is', () => {
  class OtherCopy extends Error {
    override readonly name = 'RyzError'
    readonly code = 'GPU_OOM'
  }
  const other: unknown = new OtherCopy('full')
  expect(other instanceof RyzError).toBe(true)
  expect(asRyzError(other, 'INTERNAL', 'x')).toBe(other)
  expect(new RyzError('NETWORK', 'gone') instanceof RyzError).toBe(true)
  const named = Object.assign(new Error('x'), { name: 'RyzError', code: 7 })
  for (const wrong of [named, new Error('x'), { name: 'RyzError', code: 'NETWORK' }, null, 'x']) {
    expect((wrong as unknown) instanceof RyzError).toBe(false)
  }
})
