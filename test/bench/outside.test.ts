// What looks at the browser from outside: the processes of /proc, and the server's walls.
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { describe, expect, test } from 'vitest'
import { familyOf, parseProcess, renderers } from '../../bench/lib/processes.ts'
import { fileFor, serveSite } from '../../bench/lib/site.ts'

const HERE = dirname(fileURLToPath(import.meta.url))
const FILE = 'outside.test.ts'

describe('processes', () => {
  const status = (parent: number, kb: number) => `Name:\tx\nPPid:\t${parent}\nVmHWM:\t  ${kb} kB\n`
  const stat = '12 (a b) c) S 1 2 3 4 5 6 7 8 9 10 150 50 0 0'

  test('are read from the texts of /proc, names with parentheses too', () => {
    const p = parseProcess(12, 'chromium\0--type=renderer\0', status(3, 1000), stat)
    expect(p).toEqual({
      pid: 12,
      parent: 3,
      command: 'chromium --type=renderer ',
      peakRssMb: 1.024,
      cpuSeconds: 2,
    })
  })

  test('belong to a browser by its profile or by descent', () => {
    const make = (pid: number, parent: number, command: string) =>
      parseProcess(pid, command, status(parent, 1), stat)
    const all = [
      make(1, 0, 'init'),
      make(5, 1, 'chromium --user-data-dir=/tmp/mine'),
      make(6, 5, 'zygote'),
      make(7, 6, 'chromium --type=renderer'),
      make(8, 1, 'chromium --type=renderer'),
    ]
    const mine = familyOf(all, '/tmp/mine')
    expect(mine.map(p => p.pid)).toEqual([5, 6, 7])
    expect(renderers(mine).map(p => p.pid)).toEqual([7])
  })
})

describe('the site of a benchmark', () => {
  test('serves what is mounted and nothing above it', () => {
    const mounts = { '/': HERE, '/one': join(HERE, FILE) }
    expect(fileFor(mounts, `/${FILE}`)).toBe(join(HERE, FILE))
    expect(fileFor(mounts, '/one')).toBe(join(HERE, FILE))
    expect(fileFor(mounts, '/../synth/encode.test.ts')).toBeUndefined()
    expect(fileFor(mounts, '/nothing')).toBeUndefined()
  })

  test('isolates its pages, answers ranges and hands posts over', async () => {
    const posted: unknown[] = []
    const site = await serveSite({
      mounts: { '/': HERE },
      pages: { '/hello.html': '<p>hello' },
      posts: {
        '/seen': body => {
          posted.push(body)
          return { ok: true }
        },
      },
    })
    try {
      const part = await fetch(`${site.origin}/${FILE}`, { headers: { Range: 'bytes=3-7' } })
      expect(part.status).toBe(206)
      expect(await part.text()).toBe('What ')
      expect(part.headers.get('Cross-Origin-Embedder-Policy')).toBe('require-corp')
      expect(await (await fetch(`${site.origin}/hello.html`)).text()).toBe('<p>hello')
      const answer = await fetch(`${site.origin}/seen`, { method: 'POST', body: '{"a":1}' })
      expect(await answer.json()).toEqual({ ok: true })
      expect(posted).toEqual([{ a: 1 }])
      expect((await fetch(`${site.origin}/gone`)).status).toBe(404)
    } finally {
      await site.close()
    }
  })
})
