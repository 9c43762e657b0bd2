// Steps of the network on the device: calls are noted in the trace and their counts in the step block; a step
// is sent as one write, one pass and one submit of its plan. Owns the scratch buffers that dispatches share.
// Called by webgpu-backend.ts; plan.ts makes the plans.
import type { AttendSpec, BackendLimits, StepRows } from '../backend.ts'
import type { Buffers } from './buffers.ts'
import { type Dispatch, makeDispatch, type Plan, type PlanParts, type Scratch } from './dispatch.ts'
import type { Form } from './forms.ts'
import { makePlan } from './plan.ts'
import { readsOf } from './plan-bytes.ts'
import type { Profiler } from './profiler.ts'
import { STATUS_BYTES } from './read-back.ts'
import { tilesOf } from './row-tiles.ts'
import { longestOp, rowsAtOf, scratchSizes, tablesAtOf, tilesAtOf } from './scratch.ts'
import { TILED_HEAD_DIM } from './shaders.ts'
import { type OpKind, type OpNode, Trace } from './trace.ts'

/** Tokens of a tile of attend.wgsl. */
const ATTEND_TILE = 128

export interface StepsOptions {
  readonly device: GPUDevice
  readonly limits: BackendLimits
  readonly buffers: Buffers
  /** false: a dispatch or more for every op. */
  readonly fuse: boolean
  /** Times each dispatch; see LoadOptions.profileGpu. */
  readonly profiler?: Profiler | undefined
  /** What plans need besides what is made here. */
  readonly parts: Omit<PlanParts, 'scratch' | 'rowsAt' | 'tilesAt' | 'form' | 'maxCols'>
  readonly form: Form
}

export class Steps {
  submits = 0
  dispatches = 0
  /** Of the last submit. */
  stepDispatches = 0
  /** Of a layer of the last step of one row that had several. */
  layerDispatches = 0
  /** Bytes of weights and KV that the last step of one row had to read. */
  tokenBytes = 0
  plans = 0
  /** Words of finish.wgsl and finite.wgsl. */
  readonly status: GPUBuffer
  readonly #options: StepsOptions
  readonly #parts: PlanParts
  readonly #own: GPUBuffer[] = []
  readonly #finish: Dispatch
  readonly #trace = new Trace()
  /** The step block as it is written. */
  readonly #block: Uint32Array<ArrayBuffer>
  readonly #rowsAt: number
  readonly #runWords: number
  /** The rows whose positions and tables stand in the block. */
  #rows: StepRows | undefined
  #splits = 1
  /** Attention takes the rows in tiles. */
  #tiled = false
  #step = 0

  constructor(options: StepsOptions) {
    this.#options = options
    const { limits, buffers } = options
    const sizes = scratchSizes(limits)
    const own = (bytes: number, label: string): GPUBuffer => {
      const buffer = buffers.create(bytes, label)
      this.#own.push(buffer)
      return buffer
    }
    const scratch: Scratch = {
      block: own(sizes.block, 'step block'),
      q: own(sizes.q, 'rounded rows'),
      marks: own(sizes.marks, 'scales of rounded rows'),
      runs: own(sizes.runs, 'runs of attention'),
      cuts: own(Math.max(16, sizes.cuts), 'chosen experts'),
      partials: own(sizes.partials, 'sums of squares'),
      drawn: own(sizes.drawn, 'drawn tokens'),
      nothing: own(256, 'nothing'),
      sinks: [own(256, 'sink'), own(256, 'sink'), own(256, 'sink')],
    }
    this.status = own(STATUS_BYTES, 'status')
    this.#rowsAt = rowsAtOf(limits)
    this.#runWords = sizes.runs / 4
    this.#block = new Uint32Array(sizes.block / 4)
    this.#parts = {
      ...options.parts,
      scratch,
      rowsAt: this.#rowsAt,
      tilesAt: tilesAtOf(limits),
      form: options.form,
      maxCols: limits.maxCols,
    }
    const grid = { grid: 'one', x: 1, at: 0 } as const
    this.#finish = makeDispatch(this.#parts, { name: 'finish' }, [0], [this.status], grid)
  }

  /** The tokens drawn last; see embed() and draw() of the backend. */
  get drawn(): GPUBuffer {
    return this.#parts.scratch.drawn
  }

  /** Buffers made here. */
  get count(): number {
    return this.#own.length
  }

  /**
   * Notes an op on its operands; see OpNode.
   * @param count  what its grid follows
   */
  op(
    kind: OpKind,
    a: object,
    b: object,
    c: object | undefined,
    n: number,
    f: number,
    many: number,
    count: number,
  ): void {
    const { at } = this.#trace.step(kind, a, b, c, n, f, many, 1)
    this.#block[at] = count
    this.#keepShort()
  }

  /** Notes an op that has a number for each row, or for itself: ids, which rows, where values begin. */
  opWith(
    kind: OpKind,
    a: object,
    b: object,
    n: number,
    count: number,
    numbers: ArrayLike<number>,
    room: number,
    each = 1,
  ): void {
    const { at } = this.#trace.step(kind, a, b, undefined, n, 0, 0, 1 + room)
    this.#block[at] = count
    const given = Math.min(room, numbers.length, each * Math.max(count, 1))
    for (let i = 0; i < given; i++) this.#block[at + 1 + i] = numbers[i]!
    this.#keepShort()
  }

  /** Notes an op of experts: `count` is what its grid follows, `other` stands behind it. */
  opOfPairs(
    kind: OpKind,
    a: object,
    b: object,
    c: object,
    n: number,
    f: number,
    many: number,
    count: number,
    other: number,
  ): void {
    const { at } = this.#trace.step(kind, a, b, c, n, f, many, 2)
    this.#block[at] = count
    this.#block[at + 1] = other
    this.#keepShort()
  }

  /** Notes attention; the rows of a step are the same object in all its layers. */
  attend(out: object, qkv: object, rows: StepRows, spec: AttendSpec): void {
    if (this.#rows !== undefined && this.#rows !== rows) this.flush()
    if (this.#rows === undefined) this.#place(rows, spec)
    const tiled = this.#tiled && spec.headDim <= TILED_HEAD_DIM ? 2 : 0
    this.#trace.step('attend', out, qkv, spec, 0, 0, tiled, 0)
    this.#keepShort()
  }

  /** Sends what was noted, if anything was. */
  flush(): void {
    if (this.#trace.length > 0) this.submit(undefined, false)
  }

  /**
   * One write, one pass, one submit.
   * @param after    commands behind the pass
   * @param stamped  the step's number is written to the status
   * @returns the number of the step
   */
  submit(after: ((encoder: GPUCommandEncoder) => void) | undefined, stamped: boolean): number {
    const { device } = this.#options
    const encoder = device.createCommandEncoder()
    const before = this.dispatches
    let timed: (() => void) | undefined
    if (this.#trace.length > 0 || stamped) {
      this.#step = (this.#step + 1) >>> 0
      this.#block[0] = this.#step
      const plan = this.#trace.length > 0 ? this.#planOf(this.#trace.last) : undefined
      device.queue.writeBuffer(this.#parts.scratch.block, 0, this.#block, 0, this.#usedWords())
      if (this.#options.profiler)
        timed = this.#profile(this.#options.profiler, plan, stamped, encoder)
      else {
        const pass = encoder.beginComputePass()
        if (plan !== undefined) {
          for (let i = 0; i < plan.dispatches.length; i++) this.#encode(pass, plan.dispatches[i]!)
        }
        if (stamped) this.#encode(pass, this.#finish)
        pass.end()
      }
    }
    after?.(encoder)
    device.queue.submit([encoder.finish()])
    timed?.()
    if (this.dispatches > before) this.stepDispatches = this.dispatches - before
    this.submits++
    this.#trace.rewind()
    this.#rows = undefined
    return this.#step
  }

  /** The same step with each dispatch timed. @returns what reads the times, once it was sent */
  #profile(
    profiler: Profiler,
    plan: Plan | undefined,
    stamped: boolean,
    encoder: GPUCommandEncoder,
  ): () => void {
    const dispatches = [...(plan?.dispatches ?? []), ...(stamped ? [this.#finish] : [])]
    const timed = dispatches.map(d => ({
      name: d.name,
      run: (pass: GPUComputePassEncoder) => this.#encode(pass, d),
    }))
    return profiler.run(timed, encoder)
  }

  destroy(): void {
    this.#options.profiler?.destroy()
    for (const buffer of this.#own.splice(0)) buffer.destroy()
  }

  /** A path that fills the step block is sent before it does. */
  #keepShort(): void {
    const longest = longestOp(this.#options.limits.maxRows)
    if (this.#trace.last.end + longest > this.#rowsAt) this.flush()
  }

  /** Positions and block tables of the rows of this step, and into how many runs attention is split. */
  #place(rows: StepRows, { heads, headDim }: AttendSpec): void {
    const { count, positions, tables, maxBlocks } = rows
    const at = this.#rowsAt
    const tablesAt = tablesAtOf(this.#options.limits)
    let tokens = 0
    for (let r = 0; r < count; r++) {
      this.#block[at + 4 + r] = positions[r]!
      tokens = Math.max(tokens, positions[r]! + 1)
    }
    for (let i = 0; i < count * maxBlocks; i++) this.#block[tablesAt + i] = tables[i]!
    const room = Math.floor(this.#runWords / (count * heads * (headDim + 2)))
    this.#splits = Math.max(1, Math.min(Math.ceil(tokens / ATTEND_TILE), room))
    this.#block[at] = count
    this.#block[at + 1] = this.#splits
    this.#block[at + 2] = maxBlocks
    this.#block[at + 3] = tablesAt
    this.#tiled = this.#placeTiles(rows)
    this.#rows = rows
  }

  /** @returns whether a tile has two rows or more, as a mean: fewer are slower in tiles */
  #placeTiles(rows: StepRows): boolean {
    const at = tilesAtOf(this.#options.limits)
    const tiles = tilesOf(rows, this.#block, at + 1)
    this.#block[at] = tiles
    return 2 * tiles <= rows.count
  }

  /** Words of the step block that this step uses. */
  #usedWords(): number {
    const rows = this.#rows
    if (rows === undefined) return this.#trace.last.end
    return tablesAtOf(this.#options.limits) + rows.count * rows.maxBlocks
  }

  #planOf(node: OpNode): Plan {
    const fused = node.plan?.fused ?? this.#makePlan(this.#options.fuse)
    node.plan ??= { fused, plain: undefined, reads: readsOf(this.#trace.path()) }
    const plans = node.plan
    if (this.#rows?.count === 1) {
      this.layerDispatches = fused.layer || this.layerDispatches
      const { weightBytes, kvTokenBytes } = plans.reads
      this.tokenBytes = weightBytes + kvTokenBytes * (this.#rows.positions[0]! + 1)
    }
    if (this.#agrees(plans.fused)) return plans.fused
    plans.plain ??= this.#makePlan(false)
    return plans.plain
  }

  #makePlan(fuse: boolean): Plan {
    this.plans++
    return makePlan(this.#parts, this.#trace.path(), fuse)
  }

  #agrees({ agreements }: Plan): boolean {
    for (let i = 0; i < agreements.length; i++) {
      const { a, factor, b } = agreements[i]!
      if (this.#block[a]! * factor !== this.#block[b]) return false
    }
    return true
  }

  #encode(pass: GPUComputePassEncoder, d: Dispatch): void {
    const count = this.#block[d.at]!
    let x = d.x // one by one: a list would be made for every dispatch
    let y = 1
    let z = 1
    switch (d.grid) {
      case 'one':
        break
      case 'rows':
        x = count
        break
      case 'y':
        y = count
        break
      case 'z1':
        z = count
        break
      case 'z4':
        z = Math.ceil(count / 4)
        break
      case 'z32':
        z = Math.ceil(count / 32)
        break
      case 'elements':
        x = Math.ceil(count / 256)
        break
      case 'attend':
        y = count
        z = this.#splits
        break
      case 'merge':
        if (this.#splits === 1) return
        y = count
        break
      default:
        d.grid satisfies never
    }
    const most = this.#parts.pipelines.choice.grid
    if (x > most) {
      y *= Math.ceil(x / most)
      x = most
    }
    pass.setPipeline(d.pipeline)
    pass.setBindGroup(0, d.group)
    pass.dispatchWorkgroups(x, y, z)
    this.dispatches++
  }
}
