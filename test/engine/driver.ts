// Starts engines over a network without weights and runs requests on them, for the tests of this
// folder: everything a request was told is kept.
import { afterEach } from 'vitest'
import { Engine, type EngineExtras, type EngineOptions } from '../../src/engine/engine.ts'
import type { RyzError } from '../../src/errors.ts'
import { embedTexts, type Input } from '../../src/options/input.ts'
import type {
  EmbedOptions,
  EmbedResult,
  GenerateOptions,
  GenerateResult,
  ModelInfo,
  QueueEvent,
  ScoreOptions,
  ScoreResult,
  TokenChunk,
} from '../../src/types/index.ts'
import { FakeNetwork, type FakeOptions, fakeParts } from './fakes.ts'

const open: Engine[] = []
afterEach(async () => {
  for (const engine of open.splice(0)) await engine.close()
})

export function start(
  fake: FakeOptions = {},
  options: EngineOptions = {},
  extras: EngineExtras = {},
  info: Partial<ModelInfo> = {},
) {
  const network = new FakeNetwork(fake)
  const parts = fakeParts(network)
  const engine = new Engine({ ...parts, info: { ...parts.info, ...info } }, options, extras)
  open.push(engine)
  return { network, engine }
}

/** Steps of a millisecond, for tests that act while an engine runs. */
export const slow: FakeOptions = { onStep: () => new Promise(resolve => setTimeout(resolve, 1)) }

export interface Run {
  chunks: TokenChunk[]
  queue: QueueEvent[]
  result: GenerateResult | undefined
  error: RyzError | undefined
  /** done and error events, of which there must be one. */
  ends: number
  cancel(): void
  ended: Promise<Run>
}

export function run(engine: Engine, prompt: string | number[], options: GenerateOptions = {}): Run {
  const input: Input =
    typeof prompt === 'string' ? { kind: 'text', text: prompt } : { kind: 'tokens', tokens: prompt }
  let end!: (run: Run) => void
  const state: Run = {
    chunks: [],
    queue: [],
    result: undefined,
    error: undefined,
    ends: 0,
    cancel: () => submitted.cancel(),
    ended: new Promise(resolve => {
      end = resolve
    }),
  }
  const submitted = engine.generate(input, options, {
    queue: event => state.queue.push(event),
    token: chunk => state.chunks.push(chunk),
    done: result => {
      state.ends++
      state.result = result
      end(state)
    },
    error: error => {
      state.ends++
      state.error = error
      end(state)
    },
  })
  return state
}

export function score(
  engine: Engine,
  tokens: number[],
  options: ScoreOptions = {},
): Promise<ScoreResult> {
  return new Promise((scored, error) => {
    engine.score({ kind: 'tokens', tokens }, options, { scored, error })
  })
}

export function embed(
  engine: Engine,
  texts: readonly (string | readonly number[])[],
  options: EmbedOptions = {},
  queue?: (event: QueueEvent) => void,
): Promise<EmbedResult> & { cancel(): void } {
  let submitted!: { cancel(): void }
  const result = new Promise<EmbedResult>((embedded, error) => {
    submitted = engine.embed(embedTexts('texts', texts), options, { queue, embedded, error })
  })
  result.catch(() => undefined)
  return Object.assign(result, { cancel: () => submitted.cancel() })
}

/** n token ids, spread; `from` makes texts differ from the first token on. */
export const tokens = (n: number, from = 0) =>
  Array.from({ length: n }, (_, i) => (i * 7 + from) % 256)
