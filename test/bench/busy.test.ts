// The report of the busy benchmark: which figures are held against which, and that nothing stands where nothing was
// measured.
import { describe, expect, it } from 'vitest'
import { withOthers } from '../../bench/busy/keep.ts'
import {
  type BusyEntry,
  type BusyReport,
  busySection,
  ratioOf,
  verdictsOf,
} from '../../bench/report/busy-section.ts'
import { NOT_MEASURED } from '../../bench/report/markdown.ts'

function entry(facts: Partial<BusyEntry>, decode: number[], prefill = decode): BusyEntry {
  return {
    where: 'Chromium',
    version: 'this',
    model: 'm',
    busy: 0,
    threads: 2,
    adapts: true,
    decode_tok_s: decode,
    prefill_tok_s: prefill,
    ...facts,
  }
}

function report(entries: BusyEntry[], more: Partial<BusyReport> = {}): BusyReport {
  const head = { machine: 'M', commit: 'c', date: '2026-11-28', quick: false, cores: 2, others: 0 }
  return { head, entries, switching: [], native: [], problems: [], ...more }
}

describe('the busy benchmark', () => {
  it('holds rounds against each other, so that what slows both falls out', () => {
    const ours = entry({}, [90, 45, 9])
    expect(ratioOf(ours, entry({ threads: 1 }, [100, 50, 10]), 'decode_tok_s')).toBeCloseTo(0.9)
    expect(ratioOf(ours, entry({}, []), 'decode_tok_s')).toBeUndefined()
    expect(ratioOf(ours, undefined, 'decode_tok_s')).toBeUndefined()
  })

  it('takes the better number of threads by hand, for decode and prefill each', () => {
    const before = { version: 'before', adapts: false } as const
    const busy = report(
      [
        entry({ busy: 1 }, [34], [80]),
        entry({ busy: 1, threads: 1 }, [35], [40]),
        entry({ busy: 1, ...before }, [30], [100]),
        entry({ busy: 1, ...before, threads: 1 }, [34], [40]),
      ].map(e => ({ ...e })),
    )
    const [best, one] = verdictsOf(busy)
    expect(best).toMatchObject({ asked: 0.95, prefill: 0.8 })
    expect(best!.decode).toBeCloseTo(34 / 35)
    expect(one).toMatchObject({ asked: 0.9, prefill: 2 })
    expect(verdictsOf(busy)).toHaveLength(2)
  })

  it('judges what was asked of an idle machine, of many threads, of switching, and beside llama.cpp', () => {
    const idle = report(
      [
        entry({}, [66, 64, 66]),
        entry({ threads: 1 }, [35, 35, 35]),
        entry({ threads: 4 }, [60, 60, 60]),
        entry({ version: 'before', adapts: false }, [66, 66, 66]),
        entry({ where: 'Node' }, [50]),
        entry({ where: 'Node', adapts: false }, [50]),
        entry({ where: 'Node', adapts: false, threads: 1 }, [30]),
      ],
      {
        switching: [
          {
            model: 'm',
            seconds: 60,
            idle_tok_s: 50,
            busy_tok_s: 30,
            best_idle_tok_s: 50,
            best_busy_tok_s: 32,
            shares: [1, 0.95, 0.8],
            first_third: 0.97,
            last_third: 0.94,
          },
        ],
        native: [
          {
            engine: 'llama.cpp',
            model: 'm',
            busy: 1,
            threads: 2,
            ours_tok_s: [10, 8],
            theirs_tok_s: [2, 2],
          },
        ],
      },
    )
    expect(verdictsOf(idle).map(v => `${v.what} ${v.asked}: ${v.decode?.toFixed(2)}`)).toEqual([
      'm, Chromium, idle: of the version before 0.97: 1.00',
      'm, Chromium, idle: of the better of one and all threads by hand 0.95: 1.00',
      'm, Chromium, idle: of one thread 0.95: 1.89',
      'm, Chromium, idle: 4 threads, of 2 0.9: 0.91',
      'm, Node, idle: of the better of one and all threads by hand 0.95: 1.00',
      'm, Node, idle: of one thread 0.95: 1.67',
      'm, Node, a load that comes and goes every second: of the best fixed threads 0.9: 0.95',
      'm, 1 busy process: times llama.cpp on 2 threads 3: 4.50',
    ])
    const text = busySection(idle)
    expect(text).toContain('0.97 in the first third of the time, 0.94 in the last')
    expect(text).toContain('| before: 2 threads | 66 | 66 |')
    expect(text).toContain('| 2 threads, fixed | 50 | 50 |')
    expect(text).not.toContain('wrong')
  })

  it('says which parts were measured at another time', () => {
    const { head, ...rest } = report([entry({}, [1])])
    const kept = [{ part: 'native', commit: 'abc', date: '2026-11-28T10:43:29.641Z', others: 0 }]
    const text = busySection({ head: { ...head, kept }, ...rest })
    expect(text).toContain('Measured at another time: native: commit abc, 2026-11-28 10:43.')
  })

  it('says what is missing, and who wrote something else', () => {
    expect(busySection(undefined)).toContain(NOT_MEASURED)
    const text = busySection(
      report([entry({ wrong: true }, [1])], { problems: ['m in Node: it broke'] }),
    )
    expect(text).toContain('2 threads (wrong)')
    expect(text).toContain('- Incomplete: m in Node: it broke')
  })

  it('keeps what was measured before and not again, with its date', () => {
    const switched = {
      model: 'm',
      seconds: 60,
      idle_tok_s: 1,
      busy_tok_s: 1,
      best_idle_tok_s: 1,
      best_busy_tok_s: 1,
    }
    const old = report([entry({}, [1]), entry({ where: 'Node' }, [2]), entry({ busy: 1 }, [3])], {
      switching: [{ ...switched, shares: [1] }],
    })
    const now = report([entry({}, [9])])
    now.head.date = '2027-01-01'
    const all = withOthers(now, old)
    expect(all.entries.map(e => e.decode_tok_s[0])).toEqual([2, 3, 9])
    expect(all.head.date).toBe('2027-01-01')
    expect(all.head.kept?.map(k => [k.part, k.date])).toEqual([
      ['idle, what was not measured again', '2026-11-28'],
      ['busy', '2026-11-28'],
      ['switching', '2026-11-28'],
    ])
    // A third run: what is kept again keeps the date of its own.
    const third = withOthers(report([entry({ busy: 1 }, [5])]), all)
    const idle = third.head.kept?.filter(k => k.part.startsWith('idle'))
    expect(idle?.map(k => k.date)).toEqual(['2026-11-28', '2027-01-01'])
    expect(third.entries).toHaveLength(3)
  })
})
