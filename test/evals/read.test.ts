// Readers of data files: each published layout, and what is said about files that are wrong.
import { parquetWriteBuffer } from 'hyparquet-writer'
import { describe, expect, it, vi } from 'vitest'
import { HarnessError } from '../../evals/harness-error.ts'
import { parseCsv } from '../../evals/read/csv.ts'
import { fetchFile } from '../../evals/read/fetch-file.ts'
import { parseJsonl } from '../../evals/read/jsonl.ts'
import { type DataFile, readRows } from '../../evals/read/rows.ts'
import { taskNamed } from '../../evals/tasks/table.ts'
import { pagesOf } from '../../evals/tasks/wikitext.ts'

const file = (name: string, content: BlobPart): DataFile => ({ name, blob: new Blob([content]) })
const rows = async (task: string, ...files: DataFile[]) =>
  (await readRows(taskNamed(task), files)).map(({ row }) => row)

describe('CSV', () => {
  it('keeps commas, quotes and line ends inside quotes', () => {
    expect(parseCsv('a,"b, ""c""\nd",e\r\n"",x,\n\nlast')).toEqual([
      ['a', 'b, "c"\nd', 'e'],
      ['', 'x', ''],
      ['last'],
    ])
    expect(parseCsv('\ufeffa,b')).toEqual([['a', 'b']])
    expect(parseCsv('5" pipe,b')).toEqual([['5" pipe', 'b']])
    expect(() => parseCsv('a\nb,"c')).toThrow('line 2 is never closed')
  })

  it('has no header in MMLU and one elsewhere', async () => {
    expect(await rows('mmlu', file('x_test.csv', 'q,1,2,3,4,A\n'))).toEqual([
      { cells: ['q', '1', '2', '3', '4', 'A'] },
    ])
    expect(await rows('piqa', file('x.csv', 'goal,sol1,sol2,label\ng,a,b,0\n'))).toEqual([
      { goal: 'g', sol1: 'a', sol2: 'b', label: '0' },
    ])
    await expect(rows('piqa', file('x.csv', 'goal,sol1\ng\n'))).rejects.toThrow('line 2 of x.csv')
  })
})

describe('JSON', () => {
  it('one object a line, or a list', () => {
    expect(parseJsonl('{"a":1}\r\n\n{"a":2}', 'x')).toEqual([{ a: 1 }, { a: 2 }])
    expect(parseJsonl('\ufeff [{"a":1}]', 'x')).toEqual([{ a: 1 }])
    expect(() => parseJsonl('{"a":1}\n{"a"', 'x.jsonl')).toThrow('line 2 of x.jsonl is no JSON')
    expect(() => parseJsonl('3', 'x')).toThrow('must be a JSON object')
  })

  it('labels of a file of their own go to the rows before them', async () => {
    const data = file('valid.jsonl', '{"goal":"g"}\n{"goal":"h"}\n')
    expect(await rows('piqa', file('valid-labels.lst', '1\n0\n'), data)).toEqual([
      { goal: 'g', label: '1' },
      { goal: 'h', label: '0' },
    ])
    await expect(rows('piqa', data, file('l.lst', '1\n'))).rejects.toThrow('1 labels do not fit 2')
  })
})

describe('Parquet', () => {
  it('is known by its mark, and its 64-bit numbers are numbers', async () => {
    const buffer = parquetWriteBuffer({
      columnData: [
        { name: 'goal', data: ['g', 'ü'], type: 'STRING' },
        { name: 'label', data: [1n, 0n], type: 'INT64' },
        { name: 'more', data: [{ text: ['a', 'b'] }, { text: [] }], type: 'JSON' },
      ],
    })
    expect(await rows('piqa', file('0000.whatever', buffer))).toEqual([
      { goal: 'g', label: 1, more: { text: ['a', 'b'] } },
      { goal: 'ü', label: 0, more: { text: [] } },
    ])
  })

  it('that is damaged is an error with the name of the file', async () => {
    await expect(rows('piqa', file('bad.parquet', 'PAR1 but no more'))).rejects.toThrow(
      'bad.parquet',
    )
  })
})

describe('files that are something else', () => {
  it('by Parquet’s name: a web page, a pointer, nothing', async () => {
    for (const text of ['<!doctype html>', 'version https://git-lfs.github.com/spec/v1\n', '']) {
      await expect(rows('piqa', file('a.parquet', text))).rejects.toThrow(
        'a.parquet is not Parquet: it does not begin with PAR1',
      )
    }
  })

  it('Parquet with a damaged page header or table of contents, or cut, ends with rows or its name', async () => {
    const goal = Array.from({ length: 50 }, (_, i) => `goal ${i % 7}`)
    const whole = new Uint8Array(
      parquetWriteBuffer({ columnData: [{ name: 'goal', data: goal, type: 'STRING' }] }),
    )
    const footer = whole.length - 8 - new DataView(whole.buffer).getUint32(whole.length - 8, true)
    // The first page's header has 14 bytes. What is in a page is not checked: hyparquet's.
    const places = [...Array.from({ length: 14 }, (_, i) => 4 + i)]
    for (let at = footer; at < whole.length; at++) places.push(at)
    let refused = 0
    const broken = places.flatMap(at =>
      [0, 3, 6].map(bit => {
        const bytes = whole.slice()
        bytes[at]! ^= 1 << bit
        return bytes
      }),
    )
    for (let end = 4; end < whole.length; end += 7) broken.push(whole.slice(0, end))
    for (const bytes of broken) {
      try {
        await rows('piqa', file('x.parquet', bytes))
      } catch (error) {
        refused++
        expect(error).toBeInstanceOf(HarnessError)
        expect((error as Error).message).toContain('x.parquet')
      }
    }
    expect(refused).toBeGreaterThan(broken.length / 2)
  })

  it('empty files, a header alone, other columns', async () => {
    for (const name of ['x.jsonl', 'x.json', 'x.csv']) {
      await expect(rows('piqa', file(name, ''))).rejects.toThrow(`${name} holds no rows`)
    }
    await expect(rows('piqa', file('x.csv', 'goal,sol1,sol2,label\n'))).rejects.toThrow('no rows')
    await expect(
      rows('wikitext', file('x.jsonl', '{"text":" a \\n"}\n{"txt":"b"}')),
    ).rejects.toThrow('line 2 of x.jsonl has neither a page nor a text')
    await expect(rows('wikitext', file('wiki.raw', ' \n'))).rejects.toThrow(
      'wiki.raw holds no rows',
    )
  })
})

describe('files by URL', () => {
  const open = async (
    respond: () => Response | Promise<Response>,
    url = 'https://x.test/a.jsonl',
  ) => {
    const kept = new Map<string, Blob>()
    const store = {
      get: async (key: string) => kept.get(key),
      set: async (key: string, blob: Blob) => void kept.set(key, blob),
    }
    vi.stubGlobal('fetch', async () => respond())
    try {
      return { ...(await fetchFile(url, store)), kept }
    } catch (error) {
      expect(kept.size).toBe(0)
      throw error
    } finally {
      vi.unstubAllGlobals()
    }
  }

  it('are kept; their name is the path, as it stands where its escapes are none', async () => {
    expect(await open(() => new Response('{}'))).toMatchObject({ name: 'a.jsonl', cached: false })
    expect((await open(() => new Response('{}'), 'https://x.test/a%20b/100%.csv')).name).toBe(
      'a%20b/100%.csv',
    )
    expect((await open(() => new Response('{}'), 'https://x.test/a%20b.csv')).name).toBe('a b.csv')
  })

  it('are not kept when the server says no, breaks off, or gives a page about the file', async () => {
    await expect(open(() => new Response('', { status: 404 }))).rejects.toThrow('answered 404')
    await expect(open(() => Promise.reject(new TypeError('Failed to fetch')))).rejects.toThrow(
      'cannot be fetched',
    )
    const broken = new ReadableStream({
      start: controller => controller.error(new TypeError('network error')),
    })
    await expect(open(() => new Response(broken))).rejects.toThrow('broke off')
    const page = () =>
      new Response('<html>', { headers: { 'content-type': 'text/html; charset=utf-8' } })
    await expect(open(page)).rejects.toThrow('is a web page about the file')
  })
})

describe('pages', () => {
  const raw = ' \n = A title = \n \n text one . \n = = Part = = \n more \n = B = \n two \n'

  it('begin at a title, not at the headings below it', () => {
    expect(pagesOf(raw)).toEqual([
      ' \n = A title = \n \n text one . \n = = Part = = \n more '.slice(2),
      ' = B = \n two \n',
    ])
  })

  it('come out the same as raw text, as rows of lines, and as pages', async () => {
    const pages = pagesOf(raw).map(page => ({ page }))
    const lines = raw.split('\n').slice(0, -1)
    expect(await rows('wikitext', file('wiki.test.raw', raw))).toEqual(pages)
    for (const end of ['', '\n']) {
      const text = lines.map(line => JSON.stringify({ text: line + end })).join('\n')
      expect(await rows('wikitext', file('x.jsonl', text))).toEqual(pages)
    }
    const own = pages.map(page => JSON.stringify(page)).join('\n')
    expect(await rows('wikitext', file('x.jsonl', own))).toEqual(pages)
  })
})

it('files are read in the order of their names, and one that says nothing is refused', async () => {
  const jsonl = (n: number) => `{"text":"${n}"}\n`
  const read = await rows('lambada_openai', file('b.jsonl', jsonl(2)), file('a.jsonl', jsonl(1)))
  expect(read).toEqual([{ text: '1' }, { text: '2' }])
  await expect(rows('piqa', file('x.bin', 'abc'))).rejects.toThrow('x.bin')
  await expect(rows('piqa', file('x.jsonl', '\n'))).rejects.toThrow('holds no rows')
})
