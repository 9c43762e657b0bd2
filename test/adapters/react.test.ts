// The engines behind the hooks: shared, kept over a remount, closed behind the last user; and the hooks on a server.
// In a browser: e2e/adapters.spec.ts.
import { createElement } from 'react'
import { renderToString } from 'react-dom/server'
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { engineOf, hold, stateOf } from '../../src/adapters/react/engines.ts'
import { useAnswer, useEngine } from '../../src/adapters/react/react.ts'
import type { Ryzanstein } from '../../src/api/ryzanstein.ts'

beforeEach(() => void vi.useFakeTimers())
afterEach(async () => {
  await vi.advanceTimersByTimeAsync(60_000)
  vi.useRealTimers()
})

let count = 0
/** An engine that counts, under a name of its own. */
function counted() {
  const close = vi.fn(async () => undefined)
  const engine = { close } as unknown as Ryzanstein
  const open = vi.fn(async () => engine)
  return { key: `model ${count++}`, engine, open, close }
}
const nothing = () => undefined

describe('engines of components', () => {
  it('are loaded once for all, and closed a second after the last has gone', async () => {
    const { key, engine, open, close } = counted()
    const heard = vi.fn()
    const first = hold(key, open, heard)
    const second = hold(key, open, nothing)
    expect(stateOf(key)).toEqual({ status: 'loading' })
    expect(await engineOf(key, open)).toBe(engine)
    expect(stateOf(key)).toEqual({ status: 'ready', engine })
    expect(heard).toHaveBeenCalledTimes(1)
    first()
    first()
    await vi.advanceTimersByTimeAsync(5000)
    expect(close).not.toHaveBeenCalled()
    second()
    await vi.advanceTimersByTimeAsync(900)
    expect(close).not.toHaveBeenCalled()
    await vi.advanceTimersByTimeAsync(200)
    expect(close).toHaveBeenCalledTimes(1)
    expect(open).toHaveBeenCalledTimes(1)
    expect(stateOf(key)).toEqual({ status: 'loading' })
  })

  it('outlive a remount', async () => {
    const { key, open, close } = counted()
    hold(key, open, nothing)()
    const again = hold(key, open, nothing)
    await vi.advanceTimersByTimeAsync(5000)
    expect(close).not.toHaveBeenCalled()
    expect(open).toHaveBeenCalledTimes(1)
    again()
  })

  it('that nobody took after all are closed', async () => {
    const { key, open, close } = counted()
    await engineOf(key, open)
    await vi.advanceTimersByTimeAsync(29_000)
    expect(close).not.toHaveBeenCalled()
    await vi.advanceTimersByTimeAsync(2000)
    expect(close).toHaveBeenCalled()
  })

  it('that failed say so, and the next component tries again', async () => {
    const key = `model ${count++}`
    const open = vi.fn(async () => {
      throw new Error('offline')
    })
    const leave = hold(key, open, nothing)
    await engineOf(key, open).catch(nothing)
    expect(stateOf(key)).toMatchObject({ status: 'failed', error: { message: 'offline' } })
    leave()
    await vi.advanceTimersByTimeAsync(1100)
    hold(key, open, nothing)()
    await vi.advanceTimersByTimeAsync(0)
    expect(open).toHaveBeenCalledTimes(2)
  })

  it('are cancelled while loading when everyone has gone', async () => {
    const key = `model ${count++}`
    let signal: AbortSignal | undefined
    const open = (options: { signal?: AbortSignal }) => {
      signal = options.signal
      return new Promise<Ryzanstein>(nothing)
    }
    hold(key, open, nothing)()
    await vi.advanceTimersByTimeAsync(1100)
    expect(signal?.aborted).toBe(true)
  })
})

describe('on a server', () => {
  it('an engine is loading, and nothing is loaded', () => {
    const { key, open } = counted()
    const Page = () => {
      const { status } = useEngine(key, open)
      const { text, running } = useAnswer()
      return createElement('p', null, `${status} ${text}${running}`)
    }
    expect(renderToString(createElement(Page))).toBe('<p>loading false</p>')
    expect(open).not.toHaveBeenCalled()
  })
})
