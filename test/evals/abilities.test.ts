// Marks of calls and of JSON: what counts as right, and what the grammar is asked for.
import { describe, expect, it } from 'vitest'
import { askCall, askJson, isSame } from '../../evals/run/abilities.ts'
import type { EvalEngine } from '../../evals/types.ts'
import type { ChatOptions, GenerateResult } from '../../src/types/index.ts'

/** An engine that answers this, and keeps what it was asked. */
function answering(result: Partial<GenerateResult>) {
  const asked: ChatOptions[] = []
  const chat = (_: unknown, options: ChatOptions) => {
    asked.push(options)
    return { result: Promise.resolve({ text: '', ...result }) }
  }
  return { engine: { chat } as unknown as EvalEngine, asked }
}

const calling = (name: string, ...texts: string[]) => ({
  toolCalls: texts.map(text => ({
    id: '1',
    type: 'function' as const,
    function: { name, arguments: text },
  })),
})
const marksOf = (...marks: boolean[]) => ({
  wellFormed: marks[0],
  name: marks[1],
  arguments: marks[2],
  exact: marks[3],
})

describe('a call', () => {
  const task = { messages: [], expect: { name: 'light', arguments: { room: 'hall', on: true } } }
  it.each([
    ['as expected', calling('light', '{"on":true,"room":"hall"}'), [true, true, true, true]],
    ['another value', calling('light', '{"on":1,"room":"hall"}'), [true, true, false, false]],
    [
      'a value too many',
      calling('light', '{"on":true,"room":"hall","x":0}'),
      [true, true, false, false],
    ],
    ['another function', calling('lamp', '{"on":true,"room":"hall"}'), [true, false, false, false]],
    ['two calls', calling('light', '{"on":true,"room":"hall"}', '{}'), [true, true, true, false]],
    ['words', { text: 'on' }, [false, false, false, false]],
  ])('%s', async (_, result, marks) => {
    expect(await askCall(answering(result).engine, task, false)).toEqual(marksOf(...marks))
  })

  it('is required only where it is held', async () => {
    const { engine, asked } = answering({})
    await askCall(engine, task, false)
    await askCall(engine, task, true)
    expect(asked.map(options => options.toolChoice)).toEqual(['auto', 'required'])
    expect(asked.map(options => options.temperature)).toEqual([0, 0])
  })
})

describe('an object', () => {
  const task = { messages: [], expect: { city: 'Oslo', note: null } }
  it.each([
    ['as expected', '{"note":null,"city":"Oslo"}', [true, true, true, true]],
    ['another value', '{"note":"","city":"Oslo"}', [true, true, false, false]],
    ['a key missing', '{"city":"Oslo"}', [true, false, false, false]],
    ['cut', '{"city":"Os', [false, false, false, false]],
    ['a list', '[]', [false, false, false, false]],
  ])('%s', async (_, text, marks) => {
    expect(await askJson(answering({ text }).engine, task, false)).toEqual(marksOf(...marks))
  })

  it('is held to the keys alone: their values are the model’s', async () => {
    const { engine, asked } = answering({ text: '{}' })
    await askJson(engine, task, false)
    await askJson(engine, task, true)
    expect(asked[0]!.responseFormat).toBeUndefined()
    const text = JSON.stringify(asked[1]!.responseFormat)
    expect(text).toContain('"required":["city","note"]')
    expect(text).not.toContain('Oslo')
  })
})

it('equal JSON is equal whatever the order of members', () => {
  expect(isSame({ a: [1, { b: 2, c: 3 }] }, { a: [1, { c: 3, b: 2 }] })).toBe(true)
  expect(isSame([1, 2], [2, 1])).toBe(false)
  expect(isSame({ 0: 1 }, [1])).toBe(false)
  expect(isSame(null, {})).toBe(false)
  expect(isSame({ a: undefined }, { b: undefined })).toBe(false)
})
