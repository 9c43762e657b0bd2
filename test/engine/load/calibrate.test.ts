// The choice of kernel build and thread count from measured rates: what is measured, what is skipped,
// what is remembered, and that noise does not choose.
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
    async measure(variant, threads) {
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
  it('takes the build and the thread count that cost a token least', async () => {
    const speeds = { 'relaxed 4': 1, 'simd128 4': 2, 'simd128 2': 3, 'simd128 1': 1 }
    const { parts } = machine(speeds)
    const { factories, calibration } = await calibrator(parts, undefined)(ladder, work)
    expect(calibration).toMatchObject({
      source: 'measured',
      chosen: { variant: 'simd128', threads: 2 },
    })
    expect(order(factories)).toEqual(['simd128 2', ...order(ladder)])
  })

  it('takes another variant of the same build where that is faster', async () => {
    const { parts, measured } = machine({ 'relaxed 4': 1, 'relaxed-i32 4': 2, 'simd128 4': 0.5 })
    const { factories, calibration } = await calibrator(parts, undefined)(ladder, work)
    expect(calibration!.chosen).toEqual({ variant: 'relaxed-i32', threads: 4 })
    expect(order(factories)).toEqual(['relaxed-i32 4', ...order(ladder)])
    expect(measured).not.toContain('relaxed-i32 4')
  })

  it('keeps the order of the ladder against a gain that noise could make', async () => {
    const speeds = { 'relaxed 4': 1, 'simd128 4': 1.09, 'simd128 2': 1.08, 'simd128 1': 0.5 }
    const { parts } = machine(speeds)
    const { factories, calibration } = await calibrator(parts, undefined)(ladder, work)
    expect(calibration!.chosen).toEqual({ variant: 'relaxed', threads: 4 })
    expect(order(factories)).toEqual(order(ladder))
  })

  it('of a forecast measures a small model, and takes the path that its load takes', async () => {
    const speeds = { 'relaxed 4': 1, 'simd128 4': 2, 'simd128 2': 3, 'simd128 1': 1 }
    const { parts } = machine(speeds)
    const asked = await calibrator(parts, 'speed')(ladder, small)
    const loaded = await calibrator(parts, undefined)(ladder, small)
    expect(order(asked.factories)).toEqual(order(loaded.factories))
    expect(asked.calibration).toMatchObject({
      source: 'measured',
      chosen: { variant: 'relaxed', threads: 4 },
      expected: expectedSpeed(rates('relaxed', 4, 1), small),
    })
    // Where a load measures, the forecast chooses as it does.
    const large = await calibrator(machine(speeds).parts, 'speed')(ladder, work)
    expect(large.calibration!.chosen).toEqual({ variant: 'simd128', threads: 2 })
  })

  it('measures no further once fewer threads are clearly worse', async () => {
    const { parts, measured } = machine({ 'relaxed 4': 4, 'simd128 4': 3, 'relaxed 2': 2 })
    await calibrator(parts, undefined)(ladder, work)
    expect(measured).toEqual(['relaxed 4', 'simd128 4', 'relaxed 2'])
  })

  it('begins nothing more when the time is up', async () => {
    let at = 0
    const { parts, measured } = machine({ 'relaxed 4': 4, 'simd128 4': 3 }, { now: () => at })
    const { measure } = parts
    parts.measure = (...args) => {
      at += 400
      return measure(...args)
    }
    const { calibration } = await calibrator(parts, undefined)(ladder, work)
    expect(measured).toEqual(['relaxed 4'])
    expect(calibration).toMatchObject({ ms: 400, chosen: { variant: 'relaxed', threads: 4 } })
  })

  it('leaves a build that does not start to the ladder, which names why', async () => {
    const { parts } = machine({ 'simd128 4': 1, 'simd128 2': 0.1 })
    const { factories, calibration } = await calibrator(parts, undefined)(ladder, work)
    expect(calibration!.chosen).toEqual({ variant: 'simd128', threads: 4 })
    expect(order(factories)[0]).toBe('simd128 4')
    expect(factories).toHaveLength(ladder.length)
  })

  it('says what kept every build from being measured', async () => {
    const { calibration, factories } = await calibrator(machine({}).parts, undefined)(ladder, work)
    expect(calibration!.source).toBe('skipped')
    expect(calibration!.reason).toContain('relaxed with 4: it did not start: it does not start')
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
    const first = machine({ 'relaxed 4': 3, 'simd128 4': 1, 'relaxed 2': 1 }, { remembered })
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

  it('looks at the own choice of the ladder twice before another is taken', async () => {
    const { parts, measured } = machine({ 'relaxed 4': 3, 'simd128 4': 2, 'simd128 2': 1 })
    const { measure } = parts
    parts.measure = async (variant, threads, cols) => {
      const seen = await measure(variant, threads, cols)
      return measured.length === 1 ? [rates(variant, threads, 0.5)] : seen // a busy machine, at first
    }
    const { calibration } = await calibrator(parts, undefined)(ladder, work)
    expect(measured).toEqual(['relaxed 4', 'simd128 4', 'simd128 2', 'relaxed 4'])
    expect(calibration!.chosen).toEqual({ variant: 'relaxed', threads: 4 })
    expect(calibration!.rates.map(r => `${r.variant} ${r.threads}`)).toEqual([
      'relaxed 4',
      'simd128 4',
      'simd128 2',
    ])
  })

  it('keeps another choice than that of the ladder only when two loads agree', async () => {
    const remembered = notes()
    const load = async (speeds: Record<string, number>) => {
      const { parts, measured } = machine(speeds, { remembered })
      const { calibration } = await calibrator(parts, undefined)(ladder, work)
      const { chosen, source } = calibration!
      return `${source} ${chosen!.variant} ${chosen!.threads} ${measured.length > 0}`
    }
    const busy = { 'relaxed 4': 1, 'simd128 4': 0.5, 'relaxed 2': 1.5, 'relaxed 1': 1.2 }
    const calm = { 'relaxed 4': 3, 'simd128 4': 2, 'relaxed 2': 1.5 }
    expect(await load(busy)).toBe('measured relaxed 2 true')
    expect(await load(calm)).toBe('measured relaxed 4 true')
    expect(await load(busy)).toBe('remembered relaxed 4 false')
    remembered.kept.clear()
    expect(await load(busy)).toBe('measured relaxed 2 true')
    expect(await load(busy)).toBe('measured relaxed 2 true')
    expect(await load(calm)).toBe('remembered relaxed 2 false')
  })

  it('measures again when what was kept is damaged', async () => {
    const remembered = notes()
    const { parts, measured } = machine({ 'relaxed 4': 1 }, { remembered })
    await calibrator(parts, undefined)(ladder, work)
    for (const key of remembered.kept.keys()) {
      const rates = [{ variant: 'relaxed', threads: 4, gemvBytesPerSecond: Number.NaN }]
      remembered.kept.set(key, { rates, certain: true })
    }
    measured.length = 0
    const { calibration } = await calibrator(parts, undefined)(ladder, work)
    expect(calibration!.source).toBe('measured')
    expect(measured).toContain('relaxed 4')
  })

  it('is skipped for small models, by option, and where nothing can be chosen, saying why', async () => {
    const { parts, measured } = machine({ 'relaxed 4': 1 })
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
    const { parts } = machine({ 'relaxed 4': 1, 'simd128 4': 3 })
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
