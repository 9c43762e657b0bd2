// RyzErrors over a real MessageChannel and Comlink: code, detail and class survive, in a call and
// inside the plain form that ports carry.
import { expose, wrap } from 'comlink'
import { afterAll, describe, expect, it } from 'vitest'
import { ERROR_CODES, type ErrorCode, RyzError } from '../../src/errors.ts'
import { fromWireError, installErrorWire, toWireError } from '../../src/worker/error-wire.ts'

installErrorWire()
installErrorWire()

const api = {
  fail(code: ErrorCode) {
    throw new RyzError(
      code,
      `${code} happened`,
      { code, n: 3, list: [1, 'two'] },
      {
        cause: new TypeError('deep down'),
      },
    )
  },
  async failLater(code: ErrorCode) {
    throw new RyzError(code, 'later')
  },
  plain() {
    throw new TypeError('a plain one')
  },
  value() {
    throw 'a value'
  },
  lookalike() {
    throw { ryz: true, code: '__proto__', message: 'not ours' }
  },
}

const { port1, port2 } = new MessageChannel()
expose(api, port1)
const remote = wrap<typeof api>(port2)
afterAll(() => {
  port1.close()
  port2.close()
})

const caught = (promise: Promise<unknown>) => promise.then(() => undefined).catch(error => error)

describe('error wire', () => {
  it.each(Object.keys(ERROR_CODES) as ErrorCode[])('keeps %s', async code => {
    const error = await caught(remote.fail(code))
    expect(error).toBeInstanceOf(RyzError)
    expect(error).toMatchObject({
      code,
      message: `${code} happened`,
      detail: { code, n: 3, list: [1, 'two'] },
      cause: { message: 'deep down' },
    })
    expect(error.stack).toContain('error-wire.test')
  })

  it('keeps what an async method throws', async () => {
    expect(await caught(remote.failLater('NETWORK'))).toMatchObject({ code: 'NETWORK' })
  })

  it('leaves other errors and values to Comlink', async () => {
    const error = await caught(remote.plain())
    expect(error).not.toBeInstanceOf(RyzError)
    expect(error).toMatchObject({ name: 'TypeError', message: 'a plain one' })
    expect(await caught(remote.value())).toBe('a value')
    expect(await caught(remote.lookalike())).not.toBeInstanceOf(RyzError)
  })

  it('makes a form that can be cloned, and an error of it again', () => {
    const error = new RyzError('STORAGE_FULL', 'full', { bytes: 5 })
    const again = fromWireError(structuredClone(toWireError(error)))
    expect(again).toBeInstanceOf(RyzError)
    expect(again).toMatchObject({ code: 'STORAGE_FULL', message: 'full', detail: { bytes: 5 } })
    expect(again.stack).toBe(error.stack)
    expect(again.cause).toBeUndefined()
  })
})
