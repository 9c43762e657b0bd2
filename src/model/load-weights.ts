// File -> backend: streams every tensor the network needs, in file order, through its transcoder to
// its final address, then binds the matrices and norms of the layers. One piece of the file is alive at
// a time; only vectors, scales and (for float matrices) one tensor are held in JavaScript.
import type { Backend, LayoutId, Linear, Matrix, Sink, Slot } from '../backend/backend.ts'
import { layoutBytes, PIECE_ROWS } from '../backend/backend.ts'
import { RyzError, throwIfAborted } from '../errors.ts'
import type { ModelFile, TensorInfo } from '../format/model-file.ts'
import { createTranscoder, type Transcoder } from '../format/transcode.ts'
import type { HeadType, I2sLayout } from '../types/index.ts'
import type { RequiredTensor } from './config.ts'
import { requiredTensors } from './config.ts'
import type { ExpertWeights, InnerLinear, LayerWeights, NetworkWeights } from './graph.ts'
import type { ModelConfig } from './model-config.ts'
import { ofStack, stackedName } from './required-tensors.ts'

export interface PourOptions {
  readonly head: HeadType
  readonly i2sLayout: I2sLayout
  readonly signal?: AbortSignal
  readonly onBytes?: (loaded: number, total: number) => void
}

export interface PouredWeights {
  readonly weights: NetworkWeights
  /** Matrices by layout, e.g. { t2: 28, i8: 1 }. */
  readonly layouts: Record<string, number>
  readonly parameters: number
  /** What they take in the backend's memory; the plan is an upper bound of it. */
  readonly bytes: number
  readonly notes: string[]
}

interface Poured {
  readonly info: TensorInfo
  readonly layout: LayoutId
  readonly slot: Slot | undefined
  readonly bytes: Uint8Array | undefined
  readonly scales: Float32Array | undefined
  readonly scaleBlock: number
}

/**
 * Pours all weights into the backend.
 * @throws RyzError NETWORK | TRUNCATED | BAD_WEIGHTS | MEMORY_BUDGET | ABORTED | UNSUPPORTED_FEATURE
 */
export async function loadWeights(
  file: ModelFile,
  config: ModelConfig,
  backend: Backend,
  options: PourOptions,
): Promise<PouredWeights> {
  const roles = new Map(requiredTensors(config).map(t => [t.name, t]))
  const wanted: { info: TensorInfo; role: RequiredTensor['role'] }[] = []
  for (const info of file.tensors.values()) {
    const required = roles.get(info.name)
    const role = required?.role ?? (isScaleOf(info.name, roles) ? 'vector' : undefined)
    const stack = role === 'linear' ? (required?.stack ?? 1) : 1
    if (role && stack === 1) wanted.push({ info, role })
    else if (role) for (let e = 0; e < stack; e++) wanted.push({ info: ofStack(info, e), role })
  }
  wanted.sort((a, b) => a.info.file - b.info.file || a.info.offset - b.info.offset)

  const poured = new Map<string, Poured>()
  const notes = new Set<string>()
  const total = wanted.reduce((sum, { info }) => sum + info.bytes, 0)
  let loaded = 0
  for (const run of byFile(wanted)) {
    const last = run[run.length - 1].info
    const start = run[0].info.offset
    const stream = file.files[last.file].stream(start, last.offset + last.bytes, options.signal)
    let next = 0
    let position = start
    let pour: Pour | undefined
    for await (const piece of stream) {
      throwIfAborted(options.signal, 'loading')
      let used = 0
      while (used < piece.length) {
        const info = run[next]?.info
        if (!info) break
        if (!pour) {
          const gap = info.offset - position
          if (gap > 0) {
            const skip = Math.min(gap, piece.length - used)
            used += skip
            position += skip
            continue
          }
          pour = startPour(info, run[next].role, config, backend, options)
        }
        const take = Math.min(info.bytes - pour.taken, piece.length - used)
        pour.transcoder.push(piece.subarray(used, used + take))
        pour.taken += take
        used += take
        position += take
        loaded += take
        if (pour.taken === info.bytes) {
          const { note, ...result } = pour.finish()
          if (note) notes.add(note)
          poured.set(info.name, result)
          pour = undefined
          next++
        }
      }
      const arrived = backend.settle?.(false)
      if (arrived !== undefined) await arrived
      options.onBytes?.(loaded, total)
    }
    if (next < run.length) {
      throw new RyzError(
        'TRUNCATED',
        `${file.files[last.file].name} ends inside ${run[next].info.sourceName}; download it again`,
        { tensor: run[next].info.sourceName },
      )
    }
  }
  return bind(poured, config, backend, [...notes])
}

interface Pour {
  readonly transcoder: Transcoder
  taken: number
  finish(): Poured & { note: string | undefined }
}

function startPour(
  info: TensorInfo,
  role: RequiredTensor['role'],
  config: ModelConfig,
  backend: Backend,
  options: PourOptions,
): Pour {
  let slot: Slot | undefined
  let bytes: Uint8Array | undefined
  const target = (layout: LayoutId): Sink => {
    if (role !== 'vector') {
      const unit = layoutBytes(layout, PIECE_ROWS, info.cols)
      slot = backend.alloc(layoutBytes(layout, info.rows, info.cols), info.name, unit)
      return backend.writer(slot)
    }
    const held = new Uint8Array(layoutBytes('f32', 1, info.rows * info.cols))
    bytes = held
    return { write: (offset, piece) => held.set(piece, offset) }
  }
  const policy = {
    role,
    masters: config.masters,
    head: options.head,
    i2sLayout: options.i2sLayout,
  }
  const transcoder = createTranscoder(
    info,
    policy,
    target,
    (source, layout) => slot && backend.rowMover?.(source, layout, info.rows, info.cols, slot),
  )
  return {
    transcoder,
    taken: 0,
    finish() {
      const { layout, scales, scaleBlock, note } = transcoder.finish()
      return { info, layout, slot, bytes, scales, scaleBlock, note }
    },
  }
}

/** Names, binds and uploads: scales combined with their scale tensors, norms, stacked linears. */
function bind(
  poured: Map<string, Poured>,
  c: ModelConfig,
  backend: Backend,
  notes: string[],
): PouredWeights {
  const layouts: Record<string, number> = {}
  let parameters = 0
  let bytes = 0

  const upload = (values: Float32Array, label: string): Slot => {
    const slot = backend.alloc(values.byteLength, label)
    const view = new Uint8Array(values.buffer, values.byteOffset, values.byteLength)
    backend.writer(slot).write(0, view)
    bytes += slot.bytes
    return slot
  }

  const vector = (name: string): Float32Array | undefined => {
    const p = poured.get(name)
    if (!p?.bytes) return undefined
    const count = p.info.rows * p.info.cols
    parameters += count
    return new Float32Array(p.bytes.buffer, 0, count)
  }

  const required = (name: string): Float32Array => {
    const values = vector(name)
    if (!values) throw new RyzError('MISSING_TENSOR', `${name} is not in the file`, { name })
    requireFinite(values, name)
    return values
  }
  const gain = (name: string): Slot => upload(required(name), name)

  /** The scale tensor of a matrix, in the parameters once; of a stack, the value of one expert. */
  const factors = new Map<string, Float32Array | undefined>()
  const factorOf = (name: string): Float32Array | undefined => {
    const own = name.replace(/weight$/, 'scale')
    const [, stack, expert] = /^(.*)\.(\d+)\.scale$/.exec(own) ?? []
    const scaleName = stack !== undefined && poured.has(`${stack}.scale`) ? `${stack}.scale` : own
    if (!factors.has(scaleName)) factors.set(scaleName, vector(scaleName))
    const values = factors.get(scaleName)
    return scaleName === own ? values : values?.subarray(Number(expert), Number(expert) + 1)
  }

  const matrix = (name: string): Matrix => {
    const p = poured.get(name)
    if (!p?.slot) throw new RyzError('MISSING_TENSOR', `${name} is not in the file`, { name })
    const { rows, cols } = p.info
    parameters += rows * cols
    bytes += p.slot.bytes
    layouts[p.layout] = (layouts[p.layout] ?? 0) + 1
    const factor = c.scaleTensors === 'none' ? undefined : factorOf(name)
    if (factor && !p.scales) {
      throw new RyzError(
        'UNSUPPORTED_FEATURE',
        `${name} holds float values and a scale tensor scales them; only ternary matrices may have a scale tensor`,
        { name },
      )
    }
    const scales = p.scales && combineScales(p.scales, factor, rows, c.scaleTensors, name)
    return {
      layout: p.layout,
      rows,
      cols,
      weights: p.slot,
      scales: scales && upload(scales, `${name} scales`),
      scaleBlock: p.scaleBlock,
    }
  }

  const experts = (l: number): ExpertWeights | undefined => {
    if (!c.experts) return undefined
    const ops = backend.experts
    if (!ops) throw new RyzError('UNSUPPORTED_FEATURE', 'this path computes no mixtures of experts')
    const { count, used, scores, normalise, scale, bias, shared } = c.experts
    const one = (name: string) => backend.stack([matrix(`blk.${l}.${name}.weight`)])
    const all = (...names: string[]) =>
      Array.from({ length: count }, (_, e) =>
        names.map(name => matrix(stackedName(`blk.${l}.${name}.weight`, e))),
      )
    return {
      router: one('ffn_gate_inp'),
      routing: ops.createRouter({
        experts: count,
        used,
        scores,
        normalise,
        scale,
        ...(bias && { bias: gain(`blk.${l}.exp_probs_b.bias`) }),
      }),
      gateUp: ops.stackExperts(all('ffn_gate_exps', 'ffn_up_exps')),
      down: ops.stackExperts(all('ffn_down_exps')),
      shared: shared && {
        ffn: shared.ffn,
        gateUp: backend.stack([
          matrix(`blk.${l}.ffn_gate_shexp.weight`),
          matrix(`blk.${l}.ffn_up_shexp.weight`),
        ]),
        down: one('ffn_down_shexp'),
        // Its weight is the sigmoid of a logit: a router with one expert.
        gate: shared.gated
          ? {
              router: one('ffn_gate_inp_shexp'),
              routing: ops.createRouter({
                experts: 1,
                used: 1,
                scores: 'sigmoid',
                normalise: false,
                scale: 1,
              }),
            }
          : undefined,
      },
    }
  }

  /** One vector for q, k and v side by side. */
  const qkvBias = (l: number): Slot | undefined => {
    if (!c.qkvBias) return undefined
    const names = ['q', 'k', 'v'].map(name => `blk.${l}.attn_${name}.bias`)
    const all = new Float32Array((c.heads + 2 * c.kvHeads) * c.headDim)
    let at = 0
    for (const name of names) {
      const values = required(name)
      all.set(values, at)
      at += values.length
    }
    return upload(all, `blk.${l}.attn_qkv.bias`)
  }

  const layer = (l: number): LayerWeights => {
    const at = (name: string) => `blk.${l}.${name}.weight`
    const stack = (...names: string[]): Linear => backend.stack(names.map(n => matrix(at(n))))
    const norm = (name: string) => gain(at(`${name}_norm_in`))
    /** Side by side in a row: in one, or each behind its own norm. */
    const together = (...names: string[]): Linear | InnerLinear[] => {
      if (!c.innerNorms) return stack(...names)
      const matrices = names.map(name => matrix(at(name)))
      const stride = matrices.reduce((sum, m) => sum + m.rows, 0)
      let first = 0
      return matrices.map((m, i) => {
        const linear = backend.stack([m], { stride, first })
        first += m.rows
        return { norm: norm(names[i]!), linear }
      })
    }
    // What stands directly before o and down is one norm, whatever its name.
    const before = (sub: string, linear: string) =>
      c.innerNorms ? norm(linear) : c.subNorms ? gain(at(sub)) : undefined
    return {
      attnNorm: gain(at('attn_norm')),
      qkv: together('attn_q', 'attn_k', 'attn_v'),
      qkvBias: qkvBias(l),
      qGain: c.qkNorm ? gain(at('attn_q_norm')) : undefined,
      kGain: c.qkNorm ? gain(at('attn_k_norm')) : undefined,
      attnSubNorm: before('attn_sub_norm', 'attn_output'),
      o: stack('attn_output'),
      ffnNorm: gain(at('ffn_norm')),
      feedForward: experts(l) ?? {
        gateUp: together('ffn_gate', 'ffn_up'),
        subNorm: before('ffn_sub_norm', 'ffn_down'),
        down: stack('ffn_down'),
      },
    }
  }

  const table = matrix('token_embd.weight')
  const weights: NetworkWeights = {
    table,
    layers: Array.from({ length: c.layers }, (_, l) => layer(l)),
    outputNorm: gain('output_norm.weight'),
    head: backend.stack([c.tiedHead ? table : matrix('output.weight')]),
  }
  return { weights, layouts, parameters, bytes, notes }
}

/** The file's own scales times (or divided by) a separate scale tensor of 1 or `rows` values. */
function combineScales(
  scales: Float32Array,
  factor: Float32Array | undefined,
  rows: number,
  how: ModelConfig['scaleTensors'],
  name: string,
): Float32Array {
  const perRow = scales.length / rows
  const combined = factor
    ? scales.map((s, i) => {
        const by = factor[factor.length === 1 ? 0 : Math.floor(i / perRow)]
        return how === 'divide' ? s / by : s * by
      })
    : scales
  requireFinite(combined, `the scale of ${name}`)
  return combined
}

function requireFinite(values: Float32Array, what: string): void {
  const bad = values.findIndex(v => !Number.isFinite(v))
  if (bad < 0) return
  throw new RyzError(
    'BAD_WEIGHTS',
    `${what} is ${values[bad]} at ${bad}; the file is damaged, download it again`,
    { what, index: bad },
  )
}

/** `blk.0.attn_q.scale` belongs to `blk.0.attn_q.weight`. */
function isScaleOf(name: string, roles: ReadonlyMap<string, RequiredTensor>): boolean {
  return name.endsWith('.scale') && roles.has(name.replace(/scale$/, 'weight'))
}

function byFile<T extends { info: TensorInfo }>(sorted: readonly T[]): T[][] {
  const runs: T[][] = []
  for (const item of sorted) {
    const run = runs[runs.length - 1]
    if (run && run[0].info.file === item.info.file) run.push(item)
    else runs.push([item])
  }
  return runs
}
