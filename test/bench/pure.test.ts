// The pure parts of the bench page: statistics, links, plans, timelines, plots.
import { describe, expect, test } from 'vitest'
import { browserName } from '../../demo/bench/machine.ts'
import { planCells, standardValues } from '../../demo/bench/plan.ts'
import { ceiling, type Plot, plotSvg } from '../../demo/bench/plot.ts'
import {
  type BenchSettings,
  DEFAULTS,
  queryOf,
  SWEEPS,
  settingsFrom,
} from '../../demo/bench/settings.ts'
import { median, relativeSpread, rounded, spread } from '../../demo/bench/statistics.ts'
import { decodeRate, firstTokenMs } from '../../demo/bench/timeline.ts'

describe('statistics', () => {
  test('the median is the middle, or the mean of the two middle ones', () => {
    expect(median([9, 1, 5])).toBe(5)
    expect(median([4, 1, 2, 8])).toBe(3)
    expect(median([])).toBeNaN()
  })

  test('the spread is smallest and largest, and relative to the median', () => {
    expect(spread([3, 1, 2])).toEqual([1, 3])
    expect(relativeSpread([90, 100, 110])).toBeCloseTo(0.2)
    expect(rounded(12345.678)).toBe(12350)
  })
})

describe('the link of a run', () => {
  test('gives back every setting', () => {
    const settings: BenchSettings = {
      model: '/models/x.gguf?a=b&c',
      shape: 'bitnet-large',
      sweep: 'context',
      values: ['128', '2048'],
      backend: 'wasm',
      variant: 'simd128',
      threads: 2,
      kv: 'int8',
      head: 'int4',
      batch: 4,
      prompt: 512,
      generate: 32,
      repeat: 3,
      strict: true,
      software: true,
      budget: 1100,
    }
    expect(settingsFrom(new URLSearchParams(queryOf(settings).toString()))).toEqual(settings)
  })

  test('leaves defaults out', () => {
    expect(queryOf(DEFAULTS).toString()).toBe('')
    expect(settingsFrom(new URLSearchParams())).toEqual(DEFAULTS)
  })

  test('takes the default for what it cannot use', () => {
    const query = new URLSearchParams('sweep=nonsense&threads=-1&repeat=1e9x&prompt=0.5')
    expect(settingsFrom(query)).toEqual(DEFAULTS)
  })
})

describe('the plan of a sweep', () => {
  test('threads double up to the number of cores', () => {
    expect(standardValues('threads', 1)).toEqual(['1'])
    expect(standardValues('threads', 2)).toEqual(['1', '2'])
    expect(standardValues('threads', 6)).toEqual(['1', '2', '4', '6'])
  })

  test.each(SWEEPS)('%s has cells whose engines hold what is asked of them', sweep => {
    for (const cell of planCells({ ...DEFAULTS, sweep }, 4)) {
      const extra = cell.measure === 'breakdown' ? 1 : 0
      expect(cell.load.contextLength).toBeGreaterThanOrEqual(cell.prompt + cell.generate + extra)
      expect(cell.load.maxSequences).toBe(Math.min(cell.batch, sweep === 'requests' ? 4 : 8))
      expect(cell.load.threads).not.toBe(0)
    }
  })

  test('a depth of context is prompt and new tokens together', () => {
    const cells = planCells({ ...DEFAULTS, sweep: 'context', values: ['64', '2048'] }, 2)
    expect(cells.map(c => [c.prompt, c.generate])).toEqual([
      [32, 32],
      [1984, 64],
    ])
  })

  test('a variant may carry its number of threads', () => {
    const settings = { ...DEFAULTS, sweep: 'variant', values: ['relaxed', 'simd128@1'] } as const
    const loads = planCells(settings, 2).map(c => [c.load.variant, c.load.threads])
    expect(loads).toEqual([
      ['relaxed', undefined],
      ['simd128', 1],
    ])
  })

  test('a value that is no number is named', () => {
    expect(() => planCells({ ...DEFAULTS, values: ['two'] }, 2)).toThrow('"two"')
  })
})

describe('the timeline of a request', () => {
  const line = (...arrivals: number[]) => ({ start: 0, firstAt: arrivals[0], arrivals })

  test('one stream counts the gaps between its tokens', () => {
    expect(firstTokenMs(line(100, 110, 120, 130))).toBe(100)
    expect(decodeRate([line(100, 110, 120, 130)])).toBe(100)
  })

  test('tokens that a busy page hears of in one go took as long as they took', () => {
    expect(decodeRate([{ start: 0, firstAt: 100, arrivals: [129, 129, 129, 130] }])).toBe(100)
  })

  test('several streams count only while all of them decode', () => {
    expect(decodeRate([line(10, 20, 30, 40, 50), line(30, 40, 50, 60, 70)])).toBe(200)
  })

  test('streams that never decode at the same time have no rate', () => {
    expect(decodeRate([line(5)])).toBeNaN()
  })
})

describe('a plot', () => {
  const plot: Plot = {
    title: 'a < b & "c"',
    xLabel: 'x',
    yLabel: 'y',
    kind: 'line',
    series: [
      { name: 'one', points: [{ x: '1', y: 50, low: 40, high: 60 }] },
      { name: 'two', points: [{ x: '2', y: 25 }] },
    ],
  }

  test('escapes what it prints and has no inline style in the page', () => {
    const svg = plotSvg(plot)
    expect(svg).toContain('a &lt; b &amp; &quot;c&quot;')
    expect(svg).not.toContain('style')
    expect(svg).not.toContain('NaN')
  })

  test('brings its own colours as a file', () => {
    expect(plotSvg(plot, true)).toMatch(/^<svg xmlns=".*<style>/s)
  })

  test('has room above the largest value', () => {
    expect(ceiling(60)).toBe(80)
    expect(ceiling(99)).toBe(120)
    expect(ceiling(0)).toBe(1)
    expect(ceiling(0.034)).toBeCloseTo(0.04)
  })
})

test('browsers are called by their names', () => {
  const chrome =
    'Mozilla/5.0 (X11) AppleWebKit/537.36 (KHTML) HeadlessChrome/156.0.1.2 Safari/537.36'
  expect(browserName(chrome)).toBe('Chrome 156.0.1.2 (headless)')
  expect(browserName('Mozilla/5.0 (X11; rv:153.0) Gecko/20100101 Firefox/153.0')).toBe(
    'Firefox 153.0',
  )
})
