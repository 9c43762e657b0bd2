// Functions of the play page: what is typed becomes tools, and calls are answered without evaluating anything.
import { expect, test } from 'vitest'
import { toolSet } from '../../demo/play/tool-set.ts'

const call = (name: string, args: object) => ({
  id: 'call_1',
  type: 'function' as const,
  function: { name, arguments: JSON.stringify(args) },
})

test('a function answers with its returns, arguments filled in', () => {
  const returns = { place: 'in {city}', list: ['{city}', '{other}'], n: 1 }
  const set = toolSet(JSON.stringify([{ name: 'look', parameters: { type: 'object' }, returns }]))
  expect(set.tools).toEqual([
    {
      type: 'function',
      function: { name: 'look', description: undefined, parameters: { type: 'object' } },
    },
  ])
  expect(JSON.parse(set.run(call('look', { city: 'Oslo' })))).toEqual({
    place: 'in Oslo',
    list: ['Oslo', '{other}'],
    n: 1,
  })
})

test('dice are rolled', () => {
  const set = toolSet('[{"name": "roll_dice"}]')
  for (let i = 0; i < 20; i++) {
    const { rolled } = JSON.parse(set.run(call('roll_dice', { sides: 3 })))
    expect([1, 2, 3]).toContain(rolled)
  }
})

test('a call of a function that is not there says so', () => {
  const set = toolSet('[{"name": "get_time"}]')
  expect(set.run(call('constructor', {}))).toBe('{"error": "there is no function constructor"}')
})

test.each([
  ['{', 'no JSON'],
  ['{}', 'a list with at least one function'],
  ['[]', 'a list with at least one function'],
  ['[{"description": "x"}]', 'function 1 has no name'],
  ['[null]', 'function 1 has no name'],
  ['[{"name": "constructor"}]', 'needs "returns"'],
])('%s is refused', (text, told) => {
  expect(() => toolSet(text)).toThrow(told)
})
