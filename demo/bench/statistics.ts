// Median and spread of a few repetitions. Used by the bench page and by the report.

/** The middle value; the mean of the two middle ones when their number is even. NaN of nothing. */
export function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b)
  const middle = sorted.length >> 1
  return sorted.length % 2 === 1 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2
}

/** Smallest and largest. */
export type Spread = readonly [low: number, high: number]

export function spread(values: readonly number[]): Spread {
  return [Math.min(...values), Math.max(...values)]
}

/** (high - low) / median: 0.04 reads as "within 4 %". */
export function relativeSpread(values: readonly number[]): number {
  const [low, high] = spread(values)
  return (high - low) / median(values)
}

/** Three significant digits, as plain numbers: what a benchmark on a noisy machine can claim. */
export function rounded(value: number, digits = 4): number {
  return Number(value.toPrecision(digits))
}
