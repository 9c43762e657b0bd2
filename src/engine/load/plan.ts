// What a header says a load will need: limits, memory plan, and the work of one token. Arithmetic on
// the header only; shared by open-parts.ts, which then loads, and forecast.ts, which only tells.
import type { BackendLimits } from '../../backend/backend.ts'
import type { LinearKind, ModelNeeds } from '../../backend/cases.ts'
import { type LayoutId, layoutBytes, tableLayout } from '../../format/layouts/layout.ts'
import type { ModelFile } from '../../format/model-file.ts'
import { placementOf } from '../../format/placement.ts'
import { requiredTensors } from '../../model/config.ts'
import type { MemoryPlan, PlannedTensor } from '../../model/memory-plan.ts'
import { DEFAULT_BUDGET, planMemory, weightBytes } from '../../model/memory-plan.ts'
import type { ModelConfig } from '../../model/model-config.ts'
import type { Fallback, HeadType, LoadOptions } from '../../types/index.ts'
import type { CheckedLoadOptions } from './options.ts'

/** Contexts longer than this are only opened when asked for: the RoPE tables and plan grow with it. */
const DEFAULT_CONTEXT_CAP = 4096
/** Scoring takes so many rows a step where memory allows: kernels with tables begin at 14. */
const WANTED_ROWS = 32

export interface LoadPlan {
  readonly limits: BackendLimits
  readonly needs: ModelNeeds
  /** A context that was asked for and that the model does not have. */
  readonly shortened: readonly Fallback[]
  /** Bytes that the page may use, less those of a draft model. */
  readonly budget: number
  /**
   * @param scratchBytes  what the backend takes for itself, for so many rows that want logits
   * @param budget        in place of the option
   * @throws RyzError MEMORY_BUDGET
   */
  memory(scratchBytes: (wantedRows: number) => number, budget?: number): MemoryPlan
}

/**
 * Reads nothing, allocates nothing.
 * @param draftBytes  of the memory budget, what a draft model takes
 */
export function planLoad(
  file: ModelFile,
  config: ModelConfig,
  options: LoadOptions,
  checked: CheckedLoadOptions,
  draftBytes = 0,
): LoadPlan {
  const asked = options.contextLength ?? Math.min(config.contextLength, DEFAULT_CONTEXT_CAP)
  const contextLength = Math.min(asked, config.contextLength)
  const ownBudget = (options.memoryBudget ?? DEFAULT_BUDGET) - draftBytes
  const { maxSequences, strict, head } = checked
  const limits: BackendLimits = {
    maxRows: checked.prefillPiece + maxSequences,
    maxContext: contextLength,
    maxCols: Math.max(
      config.hidden,
      config.ffn,
      config.experts?.shared?.ffn ?? 0,
      config.heads * config.headDim,
    ),
    ropeDim: config.ropeDim,
    routed: config.experts?.used ?? 0,
    vocab: config.vocab,
  }
  const planned = [...plannedTensors(file, config, head)]
  const weights = weightBytes(planned)
  const floatBytes = weightBytes(planned.filter(staysFloat))
  return {
    limits,
    needs: needsOf(planned, config, checked),
    shortened: asked > contextLength ? [shorterContext(asked, contextLength)] : [],
    budget: ownBudget,
    memory: (scratchBytes, budget = ownBudget) =>
      planMemory(config, weights, {
        budget,
        kv: options.kv ?? (strict ? 'f32' : undefined),
        contextLength,
        contextFixed: options.contextLength !== undefined,
        maxSequences,
        maxRows: limits.maxRows,
        wantedRows: Math.min(WANTED_ROWS, limits.maxRows),
        scratchBytes,
        floatBytes,
        draftBytes,
      }),
  }
}

/** Kinds of its matrices; a table whose scales turn out to be one a row is held so, and a head is a table. */
function needsOf(
  planned: readonly PlannedTensor[],
  config: ModelConfig,
  { activations, strict }: CheckedLoadOptions,
): ModelNeeds {
  const kinds = new Map<string, LinearKind>()
  const add = (kind: LinearKind) => kinds.set(JSON.stringify(kind), kind)
  const tables = new Set<LayoutId>()
  for (const { role, placement } of planned) {
    const { layout, scaleBlock, mayBeTernary } = placement
    if (role === 'vector') continue
    if (role === 'router') {
      add({ layout, scaleBlock, activations: 'float' })
      continue
    }
    if (role === 'table') {
      tables.add(layout)
      add({ layout, scaleBlock: 0, activations: strict ? 'float' : 'int8' })
      continue
    }
    add({ layout, scaleBlock: 0, activations })
    if (mayBeTernary) add({ layout: 't2', scaleBlock: 0, activations })
    if (scaleBlock > 0) add({ layout, scaleBlock, activations })
  }
  return {
    tables: [...tables],
    linears: [...kinds.values()],
    gates: [config.activation],
    headDim: config.headDim,
    experts: config.experts !== undefined,
  }
}

/** What one token costs, as far as calibration needs it. */
export interface ModelWork {
  /** Input width of the ternary matrices that calibration imitates. */
  readonly cols: number
  /** Bytes of ternary codes that a token reads, and the weights they stand for. */
  readonly ternaryBytes: number
  readonly ternaryWeights: number
  /** Bytes of linear matrices that stay float. */
  readonly floatBytes: number
  readonly headBytes: number
  /** What calibration takes for the head. */
  readonly headLayout: 'i8' | 'i4'
  readonly layers: number
  /** Multiply-adds of attention per token of context. */
  readonly attendMacs: number
  /** Tells models apart whose figures must not be mixed. */
  readonly key: string
}

/** The work of one token of this model. */
export function workOf(file: ModelFile, config: ModelConfig, head: HeadType): ModelWork {
  let ternaryBytes = 0
  let ternaryWeights = 0
  let floatBytes = 0
  for (const t of plannedTensors(file, config, head)) {
    if (t.role !== 'linear') continue
    // Of experts, a token reads its own.
    const bytes = t.share * layoutBytes(t.placement.layout, t.rows, t.cols)
    if (staysFloat(t)) floatBytes += bytes
    else {
      ternaryBytes += bytes
      ternaryWeights += t.share * t.rows * t.cols
    }
  }
  const { hidden, ffn, heads, kvHeads, headDim, layers, vocab } = config
  return {
    cols: hidden,
    ternaryBytes,
    ternaryWeights,
    floatBytes,
    headBytes: layoutBytes(tableLayout(head, false), vocab, hidden),
    headLayout: head === 'int4' ? 'i4' : 'i8',
    layers,
    attendMacs: 2 * layers * heads * headDim,
    key: [hidden, ffn, heads, kvHeads, headDim, layers, vocab, head, ...expertKey(config)].join(
      ',',
    ),
  }
}

function expertKey({ experts }: ModelConfig): (string | number)[] {
  return experts ? ['experts', experts.count, experts.used, experts.shared?.ffn ?? 0] : []
}

function shorterContext(asked: number, made: number): Fallback {
  return {
    from: `context ${asked}`,
    to: `context ${made}`,
    reason: `the model was made for ${made} tokens`,
  }
}

/** A matrix whose values are kept; they may still turn out to be ternary. */
function staysFloat({ role, placement }: PlannedTensor): boolean {
  return role === 'linear' && placement.from === 'values'
}

function* plannedTensors(
  file: ModelFile,
  { masters, ...config }: ModelConfig,
  head: HeadType,
): Generator<PlannedTensor & { share: number }> {
  for (const { name, role, stack, share } of requiredTensors(config)) {
    const info = file.tensors.get(name)
    if (!info) continue
    const { cols } = info
    const rows = role === 'linear' ? info.rows / stack : info.rows
    const placement = placementOf(info, { role, masters, head })
    // The matrices of a stack stand by themselves.
    const count = role === 'linear' ? stack : 1
    for (let i = 0; i < count; i++) yield { role, rows, cols, placement, share }
  }
}
