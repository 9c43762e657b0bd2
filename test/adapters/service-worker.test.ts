// The service worker's subpath where there is none: what it refuses, and why. How it works is e2e/service-worker.spec.ts's.
import { afterEach, describe, expect, it, vi } from 'vitest'
import {
  answerFromTabs,
  provide,
  register,
} from '../../src/adapters/service-worker/service-worker.ts'

afterEach(() => vi.unstubAllGlobals())

describe('without a service worker around it', () => {
  it('answerFromTabs() says where it belongs, and checks its path', () => {
    expect(() => answerFromTabs()).toThrow(expect.objectContaining({ code: 'NO_WORKER' }))
    const bad = expect.objectContaining({
      code: 'BAD_OPTION',
      detail: { option: 'path', value: '"v1"' },
    })
    expect(() => answerFromTabs({ path: 'v1' })).toThrow(bad)
    expect(() => answerFromTabs({ paths: '/v1/' } as never)).toThrow(/paths/)
  })

  it('provide() needs a source, and locks', async () => {
    for (const source of [undefined, null, {}, 'x', { open: 1 }]) {
      await expect(provide(source as never)).rejects.toMatchObject({ code: 'BAD_OPTION' })
    }
    vi.stubGlobal('navigator', {})
    const source = async () => new Response()
    await expect(provide(source)).rejects.toMatchObject({ code: 'NO_WORKER' })
  })

  it('register() gives its reason and never rejects', async () => {
    expect(await register('/x.js')).toEqual({ controlled: false, reason: 'there is no page here' })
    vi.stubGlobal('document', { baseURI: 'http://a.test/' })
    expect(await register('/x.js')).toMatchObject({ reason: 'the page came over plain http' })
    vi.stubGlobal('isSecureContext', true)
    vi.stubGlobal('navigator', {})
    expect(await register('/x.js')).toMatchObject({ reason: expect.stringContaining('offers no') })
    const refused = { register: () => Promise.reject(new TypeError('bad script')) }
    vi.stubGlobal('navigator', { serviceWorker: refused })
    expect(await register('/x.js')).toMatchObject({ reason: expect.stringContaining('bad script') })
    expect(await register('http://')).toMatchObject({ controlled: false })
  })
})
