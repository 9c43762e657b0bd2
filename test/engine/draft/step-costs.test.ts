// What steps cost, from what was seen of them.
import { expect, it } from 'vitest'
import { StepCosts } from '../../../src/engine/draft/step-costs.ts'

const learned = (...samples: (readonly [rows: number, ms: number])[]): StepCosts => {
  const costs = new StepCosts()
  for (const [rows, ms] of samples) costs.learn(rows, ms)
  return costs
}
const thrice = (rows: number, ms: number) => Array.from({ length: 3 }, () => [rows, ms] as const)

it('knows nothing at first, and after one step guesses the others from it', () => {
  expect(new StepCosts().ms(1)).toBe(0)
  const costs = learned([1, 10])
  expect(costs.ms(1)).toBe(10)
  expect(costs.ms(4)).toBeCloseTo(23)
  expect(costs.ms(6)).toBeCloseTo(27.5)
  expect(costs.ms(8)).toBeCloseTo(32)
  expect(costs.ms(40)).toBeCloseTo(111)
  // What has to be certain is a quarter more.
  expect(costs.most(8)).toBeCloseTo(40)
  expect(learned([2, 14]).ms(1)).toBeCloseTo(10)
})

it('tells what was measured, and between it what lies between', () => {
  const costs = learned([1, 10], ...thrice(5, 20), ...thrice(9, 60))
  expect(costs.ms(5)).toBe(20)
  expect(costs.ms(7)).toBe(40)
  expect(costs.ms(3)).toBe(15)
  // Beyond, at most 0.8 of what a row costs up to there, 50 ms for 8; with hope a power of the rows.
  expect(costs.most(17)).toBe(60 + 1.25 * 50)
  expect(costs.ms(17)).toBeCloseTo(60 * (17 / 9) ** 0.3)
  expect(costs.known).toEqual([
    { rows: 1, ms: 10 },
    { rows: 5, ms: 20 },
    { rows: 9, ms: 60 },
  ])
  expect(costs.largest).toBe(9)
})

it('believes a number of rows after three steps, and no single hiccup', () => {
  expect(learned([1, 10], [4, 500]).ms(4)).toBeCloseTo(23)
  expect(learned([1, 10], [4, 500], [4, 20], [4, 22]).ms(4)).toBeCloseTo(22)
})

it('takes one step that was too long for a warning where a step must not be', () => {
  const costs = learned([1, 40], ...thrice(12, 190), [16, 340])
  expect(costs.most(16)).toBe(340)
  expect(costs.ms(16)).toBeLessThan(240)
  costs.learn(16, 210)
  expect(costs.most(16)).toBeCloseTo(233.6, 1)
})

it('follows a change within nine steps', () => {
  const costs = learned(...thrice(1, 10), ...thrice(1, 10), ...thrice(1, 10))
  for (let i = 0; i < 9; i++) costs.learn(1, 30)
  expect(costs.ms(1)).toBe(30)
})

it('forgets what was not seen for long, so that it may be tried again', () => {
  const costs = learned([1, 10], ...thrice(4, 500))
  for (let i = 0; i < 2000; i++) costs.learn(1, 10)
  expect(costs.ms(4)).toBeCloseTo(23)
  costs.forget()
  expect(costs.ms(1)).toBe(0)
})
