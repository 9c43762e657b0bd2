// A group of links in one process: locks and hub are stand-ins, the engines are the real worker code over
// MessageChannels. Who leads, who follows, and what a lost engine does to what was asked.
import { afterEach, describe, expect, it, vi } from 'vitest'
import type { Heartbeat } from '../../../src/api/link/connection.ts'
import { Election } from '../../../src/api/link/elect.ts'
import { openConnection } from '../../../src/api/link/open-connection.ts'
import { RevivingLink } from '../../../src/api/link/reviving-link.ts'
import { load, Ryzanstein } from '../../../src/api/ryzanstein.ts'
import { RyzError } from '../../../src/errors.ts'
import type { LoadProgress } from '../../../src/types/index.ts'
import { type FakeOptions, spelling, until } from '../../engine/fakes.ts'
import { stubPackageUrls } from '../../support/package-urls.ts'
import { FakeWorker } from '../fake-worker.ts'

const beat: Heartbeat = { intervalMs: 20, silenceMs: 200, loadSilenceMs: 2000 }
const slow: FakeOptions = { onStep: () => new Promise(resolve => setTimeout(resolve, 2)) }

/** Exclusive locks in the order they were asked for. */
class Locks {
  readonly #tails = new Map<string, Promise<unknown>>()

  readonly request = (async (name: string, ...rest: unknown[]): Promise<unknown> => {
    const run = rest.at(-1) as () => Promise<unknown>
    const { signal } = (rest.length > 1 ? rest[0] : {}) as { signal?: AbortSignal }
    const before = this.#tails.get(name)
    const mine = (async () => {
      await before?.catch(() => undefined)
      if (signal?.aborted) throw new DOMException('aborted', 'AbortError')
      return run()
    })()
    this.#tails.set(name, mine)
    return mine
  }) as LockManager['request']
}

const cleanups: (() => unknown)[] = []
afterEach(async () => {
  vi.unstubAllGlobals()
  for (const clean of cleanups.splice(0).reverse()) await clean()
})

/** The hub's own code, connected to as to a SharedWorker. */
async function hub(): Promise<() => MessagePort> {
  vi.resetModules()
  let connect: (event: Event) => void = () => undefined
  vi.stubGlobal('addEventListener', (_: string, listener: typeof connect) => {
    connect = listener
  })
  await import('../../../src/api/link/hub.ts')
  return () => {
    const { port1, port2 } = new MessageChannel()
    cleanups.push(() => port1.close())
    connect(Object.assign(new Event('connect'), { ports: [port2] }))
    return port1
  }
}

interface Tab {
  link: RevivingLink
  engine: Ryzanstein
  workers: FakeWorker[]
  seen: LoadProgress[]
  /** What each load of this tab was told to do without. */
  avoided: string[][]
}

async function group(fake: FakeOptions[] = [slow]) {
  const join = await hub()
  const locks = new Locks()
  let made = 0
  const open = async (): Promise<Tab> => {
    const workers: FakeWorker[] = []
    const seen: LoadProgress[] = []
    const avoided: string[][] = []
    const election = new Election({
      group: 'tales',
      locks,
      hub: join(),
      beat,
      onProgress: p => seen.push(p),
      open: (onProgress, avoid) => {
        avoided.push(avoid.map(a => a.id))
        const worker = new FakeWorker(fake[Math.min(made++, fake.length - 1)])
        workers.push(worker)
        return openConnection(worker, 'x', { onProgress }, beat)
      },
    })
    cleanups.push(() => election.close())
    const model = await election.ready()
    const link = new RevivingLink(election)
    return { link, engine: new Ryzanstein(link, model), workers, seen, avoided }
  }
  return { open }
}

const greedy = { temperature: 0, maxTokens: 12, ignoreEos: true } as const
const codeOf = (promise: Promise<unknown>) =>
  promise.then(
    () => 'no error',
    error => error.code ?? String(error),
  )

describe('tabs with one engine', () => {
  it('the first leads and the second follows, with an engine between them', async () => {
    const { open } = await group()
    const first = await open()
    const second = await open()
    expect((await first.engine.stats()).tab).toBe('leader')
    expect((await second.engine.stats()).tab).toBe('follower')
    expect([first.workers.length, second.workers.length]).toEqual([1, 0])
    const [a, b] = await Promise.all([
      first.engine.generate('once', greedy).text(),
      second.engine.generate('once', greedy).text(),
    ])
    expect(a).toBe(b)
    expect((await first.engine.stats()).queue.served).toBe(2)
  })

  it('a follower goes on in its own engine when the leader closes', async () => {
    const { open } = await group()
    const first = await open()
    const second = await open()
    const whole = await first.engine.generate('once', greedy).text()
    const stream = second.engine.generate('once', greedy)
    const pieces: string[] = []
    for await (const { text } of stream) {
      pieces.push(text)
      if (pieces.length === 4) await first.engine.close()
    }
    expect(pieces.join('')).toBe(whole)
    expect(second.workers).toHaveLength(1)
    expect((await second.engine.stats()).tab).toBe('leader')
    expect(await codeOf(first.engine.stats())).toBe('CLOSED')
  })

  it('a worker that dies takes nothing along, in either tab', async () => {
    const { open } = await group()
    const first = await open()
    const second = await open()
    const whole = await second.engine.generate('once', greedy).text()
    const streams = [first, second].map(tab => tab.engine.generate('once', greedy))
    await new Promise(resolve => setTimeout(resolve, 6))
    first.workers[0]!.die()
    expect(await Promise.all(streams.map(s => s.text()))).toEqual([whole, whole])
    const roles = [(await first.engine.stats()).tab, (await second.engine.stats()).tab]
    expect(roles.sort()).toEqual(['follower', 'leader'])
    const { restarts } = (await first.engine.stats()).faults
    expect(restarts).toMatchObject([
      { code: 'WORKER_DIED', message: expect.stringContaining('boom') },
    ])
  })

  it('an engine that writes another text goes on behind the tokens that were delivered', async () => {
    // 'once' and its bos are five tokens.
    const writes = (text: string): FakeOptions => ({ ...slow, logits: spelling(text, 5) })
    const { open } = await group([writes('abcdefghijklmnop'), writes('ABCDEFGHIJKLMNOP')])
    const first = await open()
    const second = await open()
    const stream = second.engine.generate('once', greedy)
    let [pieces, text] = [0, '']
    for await (const piece of stream) {
      text += piece.text
      if (++pieces === 4) await first.engine.close()
    }
    // None lost, none twice: what was delivered stands, and the next engine writes the rest.
    expect(text).toMatch(/^[a-z]{4,}[A-Z]+$/)
    expect(text.toLowerCase()).toBe('abcdefghijkl')
    const { text: whole, tokens } = await stream.result
    expect(whole).toBe(text)
    expect(tokens).toHaveLength(12)
  })

  it('all requests of all followers go on so, each behind what it has', async () => {
    const writes = (text: string): FakeOptions => ({ ...slow, logits: spelling(text, 5) })
    const { open } = await group([writes('abcdefghijklmnop'), writes('ABCDEFGHIJKLMNOP')])
    const first = await open()
    const others = [await open(), await open()]
    const had: string[] = []
    const texts = others.flatMap((tab, t) =>
      [0, 1].map(async r => {
        const at = 2 * t + r
        had[at] = ''
        let text = ''
        for await (const piece of tab.engine.generate('once', greedy)) {
          text += piece.text
          if (piece.text === piece.text.toLowerCase()) had[at] += piece.text
        }
        return text
      }),
    )
    await vi.waitFor(() => expect(had.every(text => text.length > 2)).toBe(true))
    await first.engine.close()
    for (const [i, text] of (await Promise.all(texts)).entries()) {
      expect(text).toBe(had[i]! + 'ABCDEFGHIJKL'.slice(had[i]!.length))
    }
    const roles = await Promise.all(others.map(async tab => (await tab.engine.stats()).tab))
    expect(roles.sort()).toEqual(['follower', 'leader'])
  })

  it('outlives any number of leaders, as long as it gets on', async () => {
    const { open } = await group()
    const tabs = [await open(), await open(), await open(), await open(), await open()]
    const whole = await tabs[0]!.engine.generate('once', { ...greedy, maxTokens: 60 }).text()
    const stream = tabs[4]!.engine.generate('once', { ...greedy, maxTokens: 60 })
    let text = ''
    let closed = 0
    for await (const piece of stream) {
      text += piece.text
      // Whoever leads, in whatever order they got the lock.
      if (closed < 4 && text.length > 8 * (closed + 1)) {
        const roles = await Promise.all(
          tabs.slice(0, 4).map(tab =>
            tab.engine.stats().then(
              stats => stats.tab,
              () => 'gone',
            ),
          ),
        )
        const leader = roles.indexOf('leader')
        if (leader < 0) closed = 4
        else await tabs[leader]!.engine.close()
        closed++
      }
    }
    expect(closed).toBeGreaterThanOrEqual(4)
    expect(text).toBe(whole)
  })

  it('what the next engine has no room for ends with that, and the others go on', async () => {
    const { open } = await group([slow, { ...slow, contextLength: 16 }])
    const first = await open()
    const second = await open()
    const long = second.engine.generate('once', { ...greedy, maxTokens: 200 })
    const short = second.engine.generate('once', { ...greedy, maxTokens: 5 })
    let pieces = 0
    const failed = codeOf(
      (async () => {
        for await (const _ of long) if (++pieces === 30) await first.engine.close()
      })(),
    )
    expect(await failed).toBe('CONTEXT_FULL')
    expect((await short.result).tokens).toHaveLength(5)
    expect((await second.engine.stats()).tab).toBe('leader')
  })

  it('a request that kills every engine is given up after three', async () => {
    const { open } = await group([
      {
        ...slow,
        // Loading measures one token.
        onStep: (_, step) => {
          if (step > 1) throw new Error('trap')
        },
      },
    ])
    const first = await open()
    expect(await codeOf(first.engine.generate('once', greedy).text())).toBe('KERNEL_TRAP')
    expect(first.workers.length).toBeLessThanOrEqual(3)
  })

  it('kernels that trapped are left out by whoever leads next, and by tabs that come later', async () => {
    const trapsOnce: FakeOptions = {
      ...slow,
      onStep: (_, step) => {
        if (step > 3) throw new RyzError('KERNEL_TRAP', 'unreachable')
      },
    }
    const { open } = await group([trapsOnce, slow])
    const first = await open()
    const second = await open()
    expect(await second.engine.generate('once', greedy).text()).not.toBe('')
    const loads = () => [...first.avoided, ...second.avoided]
    const { path } = await first.link.call(remote => remote.ping())
    expect(loads()).toContainEqual([])
    expect(loads()).toContainEqual([path.id])
    const third = await open()
    for (const tab of [first, second]) await tab.engine.close()
    expect(await third.engine.generate('once', greedy).text()).not.toBe('')
    expect(third.avoided).toEqual([[path.id]])
  })

  it('what a follower asked for ends when it closes', async () => {
    const { open } = await group()
    const first = await open()
    const second = await open()
    const code = codeOf(second.engine.generate('once', { ...greedy, maxTokens: 400 }).text())
    await until(() => first.workers[0]!.network!.kv.usedBlocks > 0, 'the request runs')
    await second.engine.close()
    expect(await code).toBe('CLOSED')
    await until(() => first.workers[0]!.network!.kv.usedBlocks === 0, 'its memory is back')
    expect((await first.engine.stats()).queue.cancelled).toBe(1)
    expect(await first.engine.generate('once', greedy).text()).not.toBe('')
  })
})

describe('where tabs cannot share, each has its own engine and says why', () => {
  const locks = new Locks()
  class Hub {
    readonly port = new MessageChannel().port1
    onerror: (() => void) | undefined
    constructor() {
      cleanups.push(() => this.port.close())
    }
  }
  class Refused {
    constructor() {
      throw new DOMException('the frame is sandboxed', 'SecurityError')
    }
  }
  class Missing extends Hub {
    constructor() {
      super()
      setTimeout(() => this.onerror?.())
    }
  }
  const never = { request: () => Promise.reject(new DOMException('opaque', 'SecurityError')) }
  // The group's lock is another tab's, whose hub is not to be reached.
  const taken = { request: () => new Promise(() => undefined) }
  it.each<[string, unknown, unknown, string]>([
    ['no SharedWorker', undefined, locks, 'this browser has no SharedWorker'],
    ['no locks', Hub, undefined, 'there are no Web Locks here'],
    ['a SharedWorker that is refused', Refused, locks, 'sandboxed'],
    ['a hub that does not come', Missing, taken, 'shared-hub.js could not start'],
    ['locks that are refused', Hub, never, 'the browser grants no Web Lock here: opaque'],
  ])('%s', async (_, SharedWorker, locks, reason) => {
    const warn = vi.spyOn(console, 'warn').mockImplementation(() => undefined)
    vi.stubGlobal('Worker', function Stub() {
      return new FakeWorker()
    })
    vi.stubGlobal('SharedWorker', SharedWorker)
    vi.stubGlobal('navigator', { locks })
    stubPackageUrls()
    const engine = await load('https://x.test/m.gguf', { share: true })
    cleanups.push(() => engine.close())
    const { fallbacks, tab } = await engine.stats()
    expect(tab).toBeUndefined()
    expect(fallbacks).toEqual([
      {
        from: 'one engine for all tabs',
        to: 'an engine of this tab',
        reason: expect.stringContaining(reason),
      },
    ])
    expect(await engine.generate('x', { maxTokens: 2 }).text()).toHaveLength(2)
    expect(warn).toHaveBeenCalledTimes(1)
    warn.mockRestore()
  })
})
