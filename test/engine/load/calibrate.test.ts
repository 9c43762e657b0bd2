// The choice of the kernel build from measured rates: what is measured, what is skipped, what is remembered, and
// that neither noise nor a busy machine chooses.
import { describe, expect, it } from 'vitest'
import {
  type BackendFactory,
  EXACT,
  kernelPath,
  pathFields,
  REFERENCE_PATH,
} from '../../../src/backend/factory.ts'
import type { Remembered } from '../../../src/cache/remembered.ts'
import {
  type CalibratorParts,
  calibrator,
  expectedSpeed,
} from '../../../src/engine/load/calibrate.ts'
import type { ModelWork } from '../../../src/engine/load/plan.ts'
import type { KernelRates, KernelVariant } from '../../../src/types/index.ts'

/** 1bitLLM/bitnet_b1_58-large. */
const work: ModelWork = {
  cols: 1536,
  ternaryBytes: 170e6,
  ternaryWeights: 680e6,
  floatBytes: 0,
  headBytes: 49e6,
  headLayout: 'i8',
  layers: 24,
  attendMacs: 2 * 24 * 1536,
  key: 'large',
}
const small: ModelWork = { ...work, ternaryBytes: 2e6, headBytes: 1e6, key: 'small' }

function rung(variant: KernelVariant | 'typescript', threads: number, unavailable?: string) {
  const factory: BackendFactory = {
    path: variant === 'typescript' ? REFERENCE_PATH : kernelPath(variant, threads),
    traits: EXACT,
    ...(unavailable && { unavailable }),
    scratchBytes: () => 0,
    create: () => Promise.reject(new Error('not here')),
  }
  return factory
}

const ladder = [
  rung('relaxed', 4),
  rung('simd128', 4),
  rung('relaxed', 1),
  rung('simd128', 1),
  rung('typescript', 1),
]

function rates(variant: KernelVariant, threads: number, speed: number): KernelRates {
  return {
    variant,
    threads,
    gemvBytesPerSecond: speed * 1e10,
    gemmMacsPerSecond: speed * 1e11,
    headBytesPerSecond: speed * 1e10,
  }
}

function notes(): Remembered & { kept: Map<string, unknown> } {
  const kept = new Map<string, unknown>()
  return {
    kept,
    get: async key => kept.get(key),
    set: async (key, value) => void kept.set(key, value),
  }
}

/** Speeds by 'variant threads'; what has none does not start. */
function machine(speeds: Record<string, number>, over: Partial<CalibratorParts> = {}) {
  const measured: string[] = []
  const parts: CalibratorParts = {
    async measure({ variant }, threads) {
      measured.push(`${variant} ${threads}`)
      const speed = speeds[`${variant} ${threads}`]
      if (speed === undefined) throw new Error('it does not start')
      const sibling = speeds[`${variant}-i32 ${threads}`]
      const more = sibling === undefined ? [] : [rates(`${variant}-i32` as never, threads, sibling)]
      return [rates(variant, threads, speed), ...more]
    },
    factory: rung,
    remembered: notes(),
    machine: 'a browser',
    ...over,
  }
  return { parts, measured }
}

const order = (factories: readonly BackendFactory[]) =>
  factories.map(f => pathFields(f.path)).map(f => `${f.variant} ${f.threads}`)

describe('calibration', () => {
  it('takes the build that costs a token least, on all threads of the ladder', async () => {
    const { parts } = machine({ 'relaxed 1': 1, 'simd128 1': 2 })
    const { factories, calibration } = await calibrator(parts, undefined)(ladder, work)
    expect(calibration).toMatchObject({
      source: 'measured',
      chosen: { variant: 'simd128', threads: 4 },
    })
    expect(order(factories)).toEqual([
      'simd128 4',
      ...order(ladder).filter(name => name !== 'simd128 4'),
    ])
  })

  it('takes another variant of the same build where that is faster', async () => {
    const { parts, measured } = machine({ 'relaxed 1': 1, 'relaxed-i32 1': 2, 'simd128 1': 0.5 })
    const { factories, calibration } = await calibrator(parts, undefined)(ladder, work)
    expect(calibration!.chosen).toEqual({ variant: 'relaxed-i32', threads: 4 })
    expect(order(factories)).toEqual(['relaxed-i32 4', ...order(ladder)])
    expect(measured).not.toContain('relaxed-i32 1')
  })

  it('keeps the order of the ladder against a gain that noise could make', async () => {
    const { parts } = machine({ 'relaxed 1': 1, 'simd128 1': 1.09 })
    const { factories, calibration } = await calibrator(parts, undefined)(ladder, work)
    expect(calibration!.chosen).toEqual({ variant: 'relaxed', threads: 4 })
    expect(order(factories)).toEqual(order(ladder))
  })

  it('starts no workers in a load: one thread is measured, and the first build twice', async () => {
    const { parts, measured } = machine({ 'relaxed 1': 4, 'simd128 1': 3 })
    const { calibration } = await calibrator(parts, undefined)(ladder, work)
    expect(measured).toEqual(['relaxed 1', 'simd128 1', 'relaxed 1'])
    expect(calibration!.expected).toBeUndefined()
    expect(calibration!.rates.map(r => `${r.variant} ${r.threads}`)).toEqual([
      'relaxed 1',
      'simd128 1',
    ])
  })

  it('of threads that were fixed still chooses the build', async () => {
    const two = [rung('relaxed', 2), rung('simd128', 2), rung('relaxed', 1), rung('simd128', 1)]
    const { parts } = machine({ 'relaxed 1': 1, 'simd128 1': 2 })
    const { calibration } = await calibrator(parts, undefined)(two, work)
    expect(calibration!.chosen).toEqual({ variant: 'simd128', threads: 2 })
    const one = await calibrator(machine({ 'relaxed 1': 1, 'simd128 1': 2 }).parts, undefined)(
      two.slice(2),
      work,
    )
    expect(one.calibration!.chosen).toEqual({ variant: 'simd128', threads: 1 })
  })

  it('of a forecast measures all threads of the choice, to tell a speed', async () => {
    const speeds = { 'relaxed 1': 1, 'simd128 1': 2, 'simd128 4': 5 }
    const { parts, measured } = machine(speeds)
    const { calibration } = await calibrator(parts, 'speed')(ladder, work)
    expect(measured.at(-1)).toBe('simd128 4')
    expect(calibration).toMatchObject({
      chosen: { variant: 'simd128', threads: 4 },
      expected: expectedSpeed(rates('simd128', 4, 5), work),
    })
  })

  it('of a forecast measures a small model, and takes the path that its load takes', async () => {
    const speeds = { 'relaxed 1': 1, 'simd128 1': 2, 'relaxed 4': 3 }
    const { parts } = machine(speeds)
    const asked = await calibrator(parts, 'speed')(ladder, small)
    const loaded = await calibrator(parts, undefined)(ladder, small)
    expect(order(asked.factories)).toEqual(order(loaded.factories))
    expect(asked.calibration).toMatchObject({
      source: 'measured',
      chosen: { variant: 'relaxed', threads: 4 },
      expected: expectedSpeed(rates('relaxed', 4, 3), small),
    })
  })

  it('of a forecast after a load only adds the speed, and a load after it is told it too', async () => {
    const remembered = notes()
    const first = machine({ 'relaxed 1': 3, 'simd128 1': 1 }, { remembered })
    await calibrator(first.parts, undefined)(ladder, work)
    const asked = machine({ 'relaxed 4': 9 }, { remembered })
    const told = await calibrator(asked.parts, 'speed')(ladder, work)
    expect(asked.measured).toEqual(['relaxed 4', 'relaxed 4'])
    const load = await calibrator(machine({}, { remembered }).parts, undefined)(ladder, work)
    expect(load.calibration).toEqual({ ...told.calibration, source: 'remembered', ms: 0 })
  })

  it('of a forecast on a busy machine tells the better of two looks, and keeps neither', async () => {
    const remembered = notes()
    const speeds = { 'relaxed 1': 3, 'simd128 1': 1 }
    await calibrator(machine(speeds, { remembered }).parts, undefined)(ladder, work)
    const ask = async (...looks: number[]) => {
      const { parts, measured } = machine({}, { remembered })
      parts.measure = async ({ variant }, threads) => {
        measured.push(`${variant} ${threads}`)
        return [rates(variant, threads, looks[measured.length - 1]!)]
      }
      const { calibration } = await calibrator(parts, 'speed')(ladder, work)
      return { told: calibration!.expected, measured }
    }
    const busy = await ask(4, 8)
    expect(busy.told).toEqual(expectedSpeed(rates('relaxed', 4, 8), work))
    const calm = await ask(9, 10)
    expect(calm.measured).toHaveLength(2)
    expect(calm.told).toEqual(expectedSpeed(rates('relaxed', 4, 10), work))
    const later = await ask()
    expect(later.told).toEqual(calm.told)
    expect(later.measured).toEqual([])
  })

  it('begins nothing more when the time is up', async () => {
    let at = 0
    const { parts, measured } = machine({ 'relaxed 1': 4, 'simd128 1': 3 }, { now: () => at })
    const { measure } = parts
    parts.measure = (...args) => {
      at += 400
      return measure(...args)
    }
    const { calibration } = await calibrator(parts, undefined)(ladder, work)
    expect(measured).toEqual(['relaxed 1'])
    expect(calibration).toMatchObject({ ms: 400, chosen: { variant: 'relaxed', threads: 4 } })
  })

  it('that had no time for a second look takes the one of the last load', async () => {
    const remembered = notes()
    let at = 0
    const load = async (speed: number) => {
      const { parts } = machine({ 'relaxed 1': speed }, { remembered, now: () => at })
      const { measure } = parts
      parts.measure = (...args) => {
        at += 400
        return measure(...args)
      }
      return (await calibrator(parts, undefined)(ladder, work)).calibration!.source
    }
    expect(await load(1)).toBe('measured')
    // Others used the processor in one of both.
    expect(await load(2)).toBe('measured')
    expect(await load(2.1)).toBe('measured')
    expect(await load(9)).toBe('remembered')
  })

  it('leaves a build that does not start to the ladder, which names why', async () => {
    const { parts } = machine({ 'simd128 1': 1 })
    const { factories, calibration } = await calibrator(parts, undefined)(ladder, work)
    expect(calibration!.chosen).toEqual({ variant: 'simd128', threads: 4 })
    expect(order(factories)[0]).toBe('simd128 4')
    expect(factories).toHaveLength(ladder.length)
  })

  it('says what kept every build from being measured', async () => {
    const { calibration, factories } = await calibrator(machine({}).parts, undefined)(ladder, work)
    expect(calibration!.source).toBe('skipped')
    expect(calibration!.reason).toContain('relaxed with 1: it did not start: it does not start')
    expect(factories).toBe(ladder)
  })

  it('keeps rungs that cannot run before the choice, so that they are named', async () => {
    const page = [rung('relaxed', 4, 'not isolated'), ...ladder.slice(2)]
    const { parts } = machine({ 'relaxed 1': 1, 'simd128 1': 2 })
    const { factories } = await calibrator(parts, undefined)(page, work)
    expect(order(factories)).toEqual(['relaxed 4', 'simd128 1', 'relaxed 1', 'typescript 1'])
  })

  it('remembers per machine, model shape and options, and then measures nothing', async () => {
    const remembered = notes()
    const first = machine({ 'relaxed 1': 3, 'simd128 1': 1 }, { remembered })
    const before = await calibrator(first.parts, undefined)(ladder, work)
    const again = machine({}, { remembered })
    const after = await calibrator(again.parts, undefined)(ladder, work)
    expect(again.measured).toEqual([])
    expect(after.calibration).toEqual({ ...before.calibration, source: 'remembered', ms: 0 })
    expect(order(after.factories)).toEqual(order(before.factories))

    const others = [
      machine({}, { remembered, machine: 'another' }),
      machine({}, { remembered }),
      machine({}, { remembered }),
    ] as const
    await calibrator(others[0].parts, undefined)(ladder, work)
    await calibrator(others[1].parts, undefined)(ladder, { ...work, key: 'another' })
    await calibrator(others[2].parts, undefined)(ladder.slice(0, 3), work)
    for (const { measured } of others) expect(measured.length).toBeGreaterThan(0)
  })

  it('takes the better of two looks, and keeps nothing when they differ', async () => {
    const remembered = notes()
    const { parts, measured } = machine({ 'relaxed 1': 3, 'simd128 1': 2 }, { remembered })
    const { measure } = parts
    parts.measure = async (path, threads, of, all) => {
      const seen = await measure(path, threads, of, all)
      return measured.length === 1 ? [rates(path.variant, threads, 0.5)] : seen // a busy machine, at first
    }
    const { calibration } = await calibrator(parts, undefined)(ladder, work)
    expect(measured).toEqual(['relaxed 1', 'simd128 1', 'relaxed 1'])
    expect(calibration!.chosen).toEqual({ variant: 'relaxed', threads: 4 })
    const again = machine({ 'relaxed 1': 3, 'simd128 1': 2 }, { remembered })
    expect((await calibrator(again.parts, undefined)(ladder, work)).calibration!.source).toBe(
      'measured',
    )
    const third = machine({}, { remembered })
    expect((await calibrator(third.parts, undefined)(ladder, work)).calibration!.source).toBe(
      'remembered',
    )
  })

  it('keeps another choice than that of the ladder only when two loads agree', async () => {
    const remembered = notes()
    const load = async (speeds: Record<string, number>) => {
      const { parts, measured } = machine(speeds, { remembered })
      const { calibration } = await calibrator(parts, undefined)(ladder, work)
      const { chosen, source } = calibration!
      return `${source} ${chosen!.variant} ${chosen!.threads} ${measured.length > 0}`
    }
    const busy = { 'relaxed 1': 1, 'simd128 1': 1.5 }
    const calm = { 'relaxed 1': 3, 'simd128 1': 2 }
    expect(await load(busy)).toBe('measured simd128 4 true')
    expect(await load(calm)).toBe('measured relaxed 4 true')
    expect(await load(busy)).toBe('remembered relaxed 4 false')
    remembered.kept.clear()
    expect(await load(busy)).toBe('measured simd128 4 true')
    expect(await load(busy)).toBe('measured simd128 4 true')
    expect(await load(calm)).toBe('remembered simd128 4 false')
  })

  it('measures again when what was kept is damaged', async () => {
    const remembered = notes()
    const { parts, measured } = machine({ 'relaxed 1': 1 }, { remembered })
    await calibrator(parts, undefined)(ladder, work)
    for (const key of remembered.kept.keys()) {
      const rates = [{ variant: 'relaxed', threads: 1, gemvBytesPerSecond: Number.NaN }]
      remembered.kept.set(key, { rates, certain: true })
    }
    measured.length = 0
    const { calibration } = await calibrator(parts, undefined)(ladder, work)
    expect(calibration!.source).toBe('measured')
    expect(measured).toContain('relaxed 1')
  })

  it('is skipped for small models, by option, and where nothing can be chosen, saying why', async () => {
    const { parts, measured } = machine({ 'relaxed 1': 1 })
    const reasonOf = async (...args: Parameters<ReturnType<typeof calibrator>>) =>
      (await calibrator(parts, undefined)(...args)).calibration
    expect(await reasonOf(ladder, small)).toMatchObject({
      reason: expect.stringContaining('3.0 MB'),
    })
    expect(await reasonOf([rung('relaxed', 1)], work)).toMatchObject({
      reason: 'the options leave one choice',
    })
    expect(await reasonOf([rung('typescript', 1)], work)).toMatchObject({
      reason: 'no WebAssembly kernels can run here',
    })
    const off = await calibrator(parts, false)(ladder, work)
    expect(off.calibration).toMatchObject({ source: 'skipped', ms: 0, rates: [] })
    expect(off.factories).toBe(ladder)
    expect(measured).toEqual([])
    const on = await calibrator(parts, true)(ladder, small)
    expect(on.calibration!.source).toBe('measured')
  })

  it('leaves a GPU in front, as it was asked for', async () => {
    const { parts } = machine({ 'relaxed 1': 1, 'simd128 1': 3 })
    const gpu = { ...rung('simd128', 1), path: { backend: 'webgpu', adapter: '' } as const }
    const { factories, calibration } = await calibrator(parts, undefined)([gpu, ...ladder], work)
    expect(factories[0]).toBe(gpu)
    expect(factories[1]!.path).toEqual(kernelPath('simd128', 4))
    expect(calibration!.chosen).toEqual({ variant: 'simd128', threads: 4 })
  })

  it('expects of the whole model what its bytes and rates allow', () => {
    const { decodeTokensPerSecond, prefillTokensPerSecond } = expectedSpeed(
      rates('relaxed', 2, 2),
      work,
    )
    // 219 MB at 20 GB/s is 11 ms; attention and hand-over come on top.
    expect(decodeTokensPerSecond).toBeLessThan(1000 / 10.95)
    expect(decodeTokensPerSecond).toBeGreaterThan(60)
    expect(prefillTokensPerSecond).toBeLessThan(2e11 / 680e6)
    expect(prefillTokensPerSecond).toBeGreaterThan(200)
  })
})
