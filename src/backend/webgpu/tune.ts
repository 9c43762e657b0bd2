// Measures on a device which variants it runs fastest: the inner loop of integer dot products, and where norm and
// rounding happen before the linears of one token. On random layers as wide as the model's, in a few steps of many ops;
// once a device, before its shaders are compiled. A form that gives another result than the plain one is left out.
// Called by webgpu-factory.ts.
import type { GpuTuning } from '../../types/index.ts'
import type { Slot } from '../backend.ts'
import { type LinearKind, randomWeights } from '../cases.ts'
import type { Gpu } from './device.ts'
import { FORMS, type Form, rowRoom } from './forms.ts'
import type { Shader } from './shaders.ts'
import { createWebGpuBackend, type WebGpuBackend } from './webgpu-backend.ts'

/** Wider matrices tell no more, and take long to make. */
const MOST_COLS = 2048
/** Layers of a step: what waiting for it costs is small beside them. */
const REPEATS = 12
const LEAST_STEPS = 2
const MOST_STEPS = 7
/** As the self-test has it: what rounds the other way at a tie is off by 1e-3 of the largest value. */
const INEXACT = 5e-3
/** Of one variant. */
const LIMIT_MS = 120
/** What another variant must gain over the one that is taken without measuring. */
const GUARD = 0.97

export interface TuneOptions {
  /** Columns of the model's widest row. */
  readonly cols: number
  readonly linears: readonly LinearKind[]
  readonly gates: readonly ('silu' | 'relu2')[]
  /** Nobody waits for it any more. */
  readonly isOver?: () => boolean
  /** Measures a software adapter, too; for tests. */
  readonly anyAdapter?: boolean
}

/** Also sets the inner loop of the device's pipelines. */
export async function tune(gpu: Gpu, options: TuneOptions): Promise<GpuTuning> {
  const { pipelines, info } = gpu
  const skip = (reason: string): GpuTuning => ({
    form: 'once',
    innerLoop: pipelines.choice.inner,
    source: 'skipped',
    reason,
    ms: {},
  })
  const kind = kindOf(options)
  if (kind === undefined) return skip('the model has no ternary matrices with rounded rows')
  if (info.software && options.anyAdapter !== true) return skip('the adapter computes on the CPU')

  const side = Math.min(options.cols, MOST_COLS)
  const weights = randomWeights(kind.layout, side, side, numbers())
  const ms: Record<string, number> = {}
  const first = pipelines.choice
  const others = (['packed', 'i32', 'f32'] as const).filter(
    inner => inner !== first.inner && (inner !== 'packed' || gpu.hasPackedDot),
  )
  for (const inner of [first.inner, ...others]) {
    goesOn(options)
    pipelines.choose({ ...first, inner })
    const bench = await benchOf(gpu, options, weights, 'once')
    ms[inner] = await bench.time().finally(bench.close)
  }
  goesOn(options)
  const innerLoop = fastest([first.inner, ...others], ms)
  pipelines.choose({ ...first, inner: innerLoop })

  ms.once = ms[innerLoop]!
  const forms: Form[] = ['once']
  const differ: string[] = []
  const once = await benchOf(gpu, options, weights, 'once')
  try {
    // The form 'once' is proven by the self-test, and the others by what it gives.
    const want = await once.result()
    for (const form of rowRoom(options.cols) === undefined ? [] : FORMS.slice(1)) {
      goesOn(options)
      const bench = await benchOf(gpu, options, weights, form)
      try {
        const off = difference(await bench.result(), want)
        if (off > INEXACT) differ.push(`${form} is off by ${off.toPrecision(2)} and left out`)
        else forms.push(form)
        ms[form] = await bench.time()
      } finally {
        bench.close()
      }
    }
  } finally {
    once.close()
  }
  const form = fastest(forms, ms)
  const told = Object.entries(ms).map(([name, time]) => `${name} ${time.toFixed(2)}`)
  const reason = [`milliseconds of ${REPEATS} small layers: ${told.join(', ')}`, ...differ].join(
    '; ',
  )
  return { form, innerLoop, source: 'measured', reason, ms }
}

/** The pipelines are somebody else's by then. */
function goesOn({ isOver }: TuneOptions): void {
  if (isOver?.() === true) throw new Error('it took too long')
}

/** The first one, unless another is faster by more than the noise. */
export function fastest<T extends string>(names: readonly T[], ms: Record<string, number>): T {
  let best = names[0]!
  for (const name of names.slice(1)) {
    const bar = best === names[0] ? GUARD * ms[best]! : ms[best]!
    if (ms[name]! < bar) best = name
  }
  return best
}

interface Bench {
  /** Milliseconds of REPEATS times norm, linear and add, and gate, norm, linear and add. */
  time(): Promise<number>
  /** What one of them gives. */
  result(): Promise<Float32Array>
  close(): void
}

/** Small layers on a backend in this form, on the same data in every one. */
async function benchOf(
  gpu: Gpu,
  options: TuneOptions,
  weightBytes: Uint8Array,
  form: Form,
): Promise<Bench> {
  const { cols: widest, gates } = options
  const { layout, scaleBlock } = kindOf(options)!
  await gpu.pipelines.prepare(shadersOf(scaleBlock > 0, options, form))
  const cols = Math.min(widest, MOST_COLS)
  const backend = createWebGpuBackend({
    gpu,
    limits: { maxRows: 1, maxContext: 32, maxCols: widest },
    form,
  })
  const next = numbers()
  const values = (count: number, scale: number): Slot => {
    const data = Float32Array.from({ length: count }, () => scale * (next() / 2 ** 32 - 0.5))
    return slotOf(backend, new Uint8Array(data.buffer))
  }
  const blocks = scaleBlock > 0 ? Math.ceil(cols / scaleBlock) : 1
  const weights = slotOf(backend, weightBytes)
  const scales = values(cols * blocks, 0.1)
  const w = backend.stack([{ layout, rows: cols, cols, weights, scales, scaleBlock }])
  const [x, h, y] = [values(cols, 1), values(cols, 1), values(cols, 1)]
  const [gain, gated] = [values(cols, 1), values(2 * cols, 4)]
  const layer = () => {
    backend.norm(h, x, gain, 1e-5, 1, cols)
    backend.linear(y, h, w, 1, 'int8')
    backend.add(x, y, cols)
    for (const gate of gates) {
      backend.gate(h, gated, gate, 1, cols)
      backend.norm(h, h, gain, 1e-5, 1, cols)
      backend.linear(y, h, w, 1, 'int8')
      backend.add(x, y, cols)
    }
  }
  const step = async () => {
    for (let i = 0; i < REPEATS; i++) layer()
    await backend.read(x, 0, 1)
  }
  await backend.settle(true)
  return {
    async time() {
      await step() // recorded
      const times: number[] = []
      for (let spent = 0; times.length < MOST_STEPS; ) {
        const began = performance.now()
        await step()
        const time = performance.now() - began
        times.push(time)
        spent += time
        if (spent > LIMIT_MS && times.length >= LEAST_STEPS) break
      }
      return times.sort((a, b) => a - b)[times.length >> 1]!
    },
    async result() {
      layer()
      // What stands in h then is wanted by nobody, so that the last linear is fused as well.
      backend.norm(h, gain, gain, 1e-5, 1, cols)
      return (await backend.read(x, 0, cols)).slice()
    },
    close: () => backend.close(),
  }
}

function slotOf(backend: WebGpuBackend, bytes: Uint8Array): Slot {
  const slot = backend.alloc(bytes.length, 'tuning')
  backend.writer(slot).write(0, bytes)
  return slot
}

/** The same 32-bit numbers each time: xorshift32 (Marsaglia 2003). */
function numbers(): () => number {
  let state = 0x9e3779b9
  return () => {
    state ^= state << 13
    state ^= state >>> 17
    state ^= state << 5
    return state >>> 0
  }
}

/** Largest difference over the largest value; infinite where one is no number. */
function difference(got: Float32Array, want: Float32Array): number {
  let [most, worst] = [0, 0]
  for (const [i, value] of want.entries()) {
    most = Math.max(most, Math.abs(value))
    worst = Math.max(worst, Math.abs(got[i]! - value))
    if (!Number.isFinite(got[i]! - value)) return Number.POSITIVE_INFINITY
  }
  return worst / most
}

function kindOf({ linears }: TuneOptions): LinearKind | undefined {
  return linears.find(l => l.layout === 't2' && l.activations === 'int8')
}

/** What a layer above is made of. */
function shadersOf(blocked: boolean, { cols, gates }: TuneOptions, form: Form): Shader[] {
  const sources = [0 as const, ...gates.map(gate => (gate === 'silu' ? 1 : 2))]
  const shaders: Shader[] = [
    ...sources.map((source): Shader => {
      return { name: 'rows', source, norm: true, round: true, inPlace: false }
    }),
    { name: 'rows', source: 0, norm: true, round: false, inPlace: false },
    { name: 'linear_t2', many: false, blocked },
    { name: 'finish' },
  ]
  const room = rowRoom(cols)
  if (form === 'once' || room === undefined) return shaders
  const squares = form === 'producer' ? [false, true] : [false]
  for (const source of sources) {
    for (const summed of source === 0 ? squares : [false]) {
      for (const sums of squares) {
        const row = { name: 'linear_t2_row', source, norm: true, blocked, room } as const
        shaders.push({ ...row, summed, squares: sums })
      }
    }
  }
  return shaders
}
