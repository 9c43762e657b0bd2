// One line on what an option costs, from its figures. Used by the accuracy table.
import type { Delta } from './paired.ts'

/** @param perplexity  how much larger it is than without the option, as a factor minus 1 */
export function verdictOf(perplexity: Delta, accuracy: Delta): string {
  const percent = (x: number) => `${(100 * Math.abs(x)).toFixed(2)} %`
  const { value, low, high } = perplexity
  const tasks = accuracy.low > 0 || accuracy.high < 0 ? '' : '; the tasks show no difference'
  if (low <= 0 && high >= 0) {
    const most = Math.max(Math.abs(low), Math.abs(high))
    return `no measurable loss: perplexity changes by less than ${percent(most)}${tasks}`
  }
  if (value < 0) return `perplexity is ${percent(value)} smaller${tasks}`
  const size =
    high < 0.005 ? 'negligible' : high < 0.02 ? 'small' : high < 0.1 ? 'noticeable' : 'large'
  return `${size}: perplexity ${percent(value)} larger${tasks}`
}
