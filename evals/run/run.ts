// Runs a plan: documents several at a time, in their order, each written to the journal when it is answered. A
// run that is begun again reads the journal first. Called by the page and by node/command.ts.
import { HarnessError } from '../harness-error.ts'
import type { EvalEngine } from '../types.ts'
import { type DocumentRecord, type Journal, noJournal, runKey } from './journal.ts'
import { EvalModel, type ModelOptions } from './model.ts'
import type { Plan, PlannedPart } from './plan.ts'

export interface RunProgress {
  readonly part: string
  readonly done: number
  readonly total: number
  /** Found in the journal instead of computed. */
  readonly resumed: number
  /** Of this run, without what was resumed; 0 at first. */
  readonly documentsPerSecond: number
  readonly tokensPerSecond: number
  /** Estimated from the rate so far; null while nothing is known. */
  readonly secondsLeft: number | null
}

export interface RunOptions extends ModelOptions {
  readonly journal?: Journal
  /** What else makes this run another one: hashes of the data files. */
  readonly data?: unknown
  readonly onProgress?: (progress: RunProgress) => void
}

export interface PartResult {
  readonly part: PlannedPart
  /** By document, all of them. */
  readonly records: readonly DocumentRecord[]
}

export interface RunResult {
  readonly plan: Plan
  readonly parts: readonly PartResult[]
  readonly key: string
  readonly bos: boolean
  readonly seconds: number
  readonly resumed: number
  /** Tokens fed in this run, without what was resumed. */
  readonly tokens: number
}

/** @throws what the engine throws, and the signal's reason; the journal keeps what was answered */
export async function runPlan(
  engine: EvalEngine,
  plan: Plan,
  options: RunOptions = {},
): Promise<RunResult> {
  const { journal = noJournal, signal, onProgress } = options
  const model = await EvalModel.open(engine, options)
  const key = await keyOf(engine, plan, model, options)
  const total = plan.parts.reduce((sum, part) => sum + part.documents.length, 0)
  const began = performance.now()
  let resumed = 0
  let asked = 0
  const seconds = () => (performance.now() - began) / 1000
  const tell = (part: string) => {
    const rate = asked / seconds()
    onProgress?.({
      part,
      done: resumed + asked,
      total,
      resumed,
      documentsPerSecond: asked === 0 ? 0 : rate,
      tokensPerSecond: model.tokens / seconds(),
      secondsLeft: asked === 0 ? null : (total - resumed - asked) / rate,
    })
  }
  const parts: PartResult[] = []
  const { maxSequences } = await engine.stats()
  for (const part of plan.parts) {
    const records = new Map<number, DocumentRecord>()
    for (const record of await journal.read(key, part.name)) {
      if (record.index < part.documents.length) records.set(record.index, record)
    }
    resumed += records.size
    tell(part.name)
    const open = part.documents.filter(({ index }) => !records.has(index))
    const next = open.values()
    const worker = async () => {
      for (const { index, item, context, place } of next) {
        signal?.throwIfAborted()
        const answers = await model.answer(item.requests(context)).catch(placed(place))
        const record = { index, scores: item.score(answers), answers }
        await journal.add(key, part.name, record)
        records.set(index, record)
        asked++
        tell(part.name)
      }
    }
    const workers = Math.max(1, Math.min(options.parallel ?? maxSequences, open.length))
    await settled(Array.from({ length: workers }, worker))
    parts.push({ part, records: part.documents.map(({ index }) => records.get(index)!) })
  }
  const bos = model.putsBos
  return { plan, parts, key, bos, seconds: seconds(), resumed, tokens: model.tokens }
}

/** Says which document a rule of the harness stops at. */
function placed(place: string): (cause: unknown) => never {
  return cause => {
    if (!(cause instanceof HarnessError)) throw cause
    throw new HarnessError(`${place}: ${cause.message}`, { cause })
  }
}

/** All of them, and then the first error: nothing goes on behind a run that has failed. */
async function settled(work: readonly Promise<void>[]): Promise<void> {
  const results = await Promise.allSettled(work)
  const failed = results.find(result => result.status === 'rejected')
  if (failed) throw failed.reason
}

/**
 * A run is the same when the model gives the same numbers (a probe says so, whatever the file is called), and
 * task, version, examples and data are the same. Not the limit: a longer run goes on from a shorter one.
 */
async function keyOf(
  engine: EvalEngine,
  { task, parts }: Plan,
  model: EvalModel,
  options: RunOptions,
): Promise<string> {
  const { name, vocab, parameters } = engine.model
  const { contextLength, strict, head, kv, activations, backend } = await engine.stats()
  const probe = Array.from({ length: 9 }, (_, i) => (i * 37 + 11) % vocab)
  const { logprobs } = await engine.score(probe, options.signal && { signal: options.signal })
  return runKey({
    model: { name, vocab, parameters, probe: Array.from(logprobs) },
    path: { contextLength, strict, head, kv, activations, backend },
    task: { ...task.definition, shots: parts[0]!.shots },
    // The examples and, by their text, the data itself.
    contexts: parts.map(part => part.documents[0]?.context),
    bos: model.putsBos,
    data: options.data,
  })
}
