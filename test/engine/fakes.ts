// A network without weights: its logits depend only on the tokens of the sequence, as a real one's
// do, so that a request must give the same tokens alone, in a batch and after it lost its memory. What
// it knows of a sequence stands in the KV blocks of the real book, as in a real cache: a block that is
// shared wrongly, or too early, shows in the text. And a tokenizer whose tokens are bytes.

import { type Drawing, KV_BLOCK } from '../../src/backend/backend.ts'
import { EXACT, REFERENCE_PATH } from '../../src/backend/factory.ts'
import type { EngineParts } from '../../src/engine/load/engine-parts.ts'
import { KvCache } from '../../src/model/kv-cache.ts'
import type { Drawer, Network, Sequence, StepResult, StepRow } from '../../src/model/network.ts'
import { openChat } from '../../src/tokenizer/chat/open-chat.ts'
import type { Tokenizer } from '../../src/tokenizer/tokenizer.ts'
import type { ModelInfo } from '../../src/types/index.ts'

export const BOS = 256
export const EOS = 257
export const VOCAB = 258

export interface FakeOptions {
  blocks?: number
  contextLength?: number
  maxRows?: number
  maxWantedRows?: number
  /** Its logits are there when forward() returns, as those of a backend that need not be waited for. */
  ready?: boolean
  /** Called before each step; may throw, or wait, but not when `ready`. */
  onStep?: (rows: readonly StepRow[], step: number) => void | Promise<void>
  /** Draws tokens itself; the answer comes when this resolves. */
  draws?: (step: number) => Promise<void>
  /** Writes the logits after `tokens`; the default is pseudo-random, without EOS. */
  logits?: (out: Float32Array, tokens: readonly number[]) => void
}

export class FakeNetwork implements Network {
  readonly config = { vocab: VOCAB, hidden: 2 }
  readonly lost = new Promise<never>(() => undefined)
  readonly kv: KvCache
  readonly maxRows: number
  readonly maxWantedRows: number
  /** Rows of each step, as [sequence, token] pairs. */
  readonly steps: { seq: number; token: number; wants: string }[][] = []
  closed = 0
  readonly drawer: Drawer | undefined
  drawnSteps = 0
  #drawn: number[] = []
  readonly blockBytes = 4 * KV_BLOCK
  /** The token at each place of each block. */
  readonly #memory: Int32Array[]
  readonly #options: FakeOptions

  constructor(options: FakeOptions = {}) {
    this.#options = options
    const blocks = options.blocks ?? 64
    this.#memory = Array.from({ length: blocks }, () => new Int32Array(KV_BLOCK).fill(-1))
    this.kv = new KvCache(blocks, options.contextLength ?? 512, (from, to) => {
      this.#memory[to]!.set(this.#memory[from]!)
    })
    this.maxRows = options.maxRows ?? 132
    this.maxWantedRows = options.maxWantedRows ?? 8
    const { draws } = options
    if (draws === undefined) return
    this.drawer = {
      draw: (rows, drawings) => this.#draw(rows, drawings, draws),
      answer: () => draws(0),
    }
  }

  /** Computes at once, as a queue would in its order, and answers later. */
  async #draw(
    rows: readonly StepRow[],
    drawings: readonly Drawing[],
    answered: (step: number) => Promise<void>,
  ): Promise<Int32Array> {
    const fed = rows.map(row => (row.token < 0 ? { ...row, token: this.#drawn[~row.token]! } : row))
    this.#note(fed)
    const step = this.steps.length
    this.#options.onStep?.(fed, step)
    const { logits } = this.#logits(fed)
    const drawn = drawings.map((drawing, r) =>
      drawFrom(logits.subarray(r * VOCAB, (r + 1) * VOCAB), drawing),
    )
    this.#drawn = drawn
    this.drawnSteps++
    await answered(step)
    return Int32Array.from(drawn)
  }

  forward(rows: readonly StepRow[]): StepResult | Promise<StepResult> {
    if (!this.#options.ready) return this.#forwardLater(rows)
    this.#note(rows)
    this.#options.onStep?.(rows, this.steps.length)
    return this.#logits(rows)
  }

  async #forwardLater(rows: readonly StepRow[]): Promise<StepResult> {
    this.#note(rows)
    await this.#options.onStep?.(rows, this.steps.length)
    return this.#logits(rows)
  }

  #note(rows: readonly StepRow[]): void {
    if (rows.length === 0 || rows.length > this.maxRows) throw new RangeError(`${rows.length} rows`)
    this.steps.push(rows.map(r => ({ seq: r.seq.id, token: r.token, wants: r.wants })))
  }

  #logits(rows: readonly StepRow[]): StepResult {
    const wanted = rows.filter(r => r.wants === 'logits').length
    if (wanted > this.maxWantedRows) throw new RangeError(`${wanted} rows want logits`)
    const out = new Float32Array(wanted * VOCAB)
    const hidden: number[] = []
    let k = 0
    for (const { seq, token, wants } of rows) {
      this.#memory[seq.blocks[Math.floor(seq.length / KV_BLOCK)]!]![seq.length % KV_BLOCK] = token
      this.kv.advance(seq, 1)
      const held = this.tokensOf(seq)
      if (wants === 'hidden') hidden.push(...pseudoHidden(held))
      if (wants !== 'logits') continue
      const row = out.subarray(k * VOCAB, ++k * VOCAB)
      if (this.#options.logits) this.#options.logits(row, held)
      else pseudoLogits(row, held)
    }
    return { logits: out, hidden: Float32Array.from(hidden) }
  }

  /** All tokens of a sequence, read from its blocks. */
  tokensOf(seq: Sequence): number[] {
    return Array.from(
      { length: seq.length },
      (_, i) => this.#memory[seq.blocks[Math.floor(i / KV_BLOCK)]!]![i % KV_BLOCK]!,
    )
  }

  async readBlock(block: number): Promise<Uint8Array> {
    return new Uint8Array(this.#memory[block]!.slice().buffer)
  }

  writeBlock(block: number, bytes: Uint8Array): void {
    this.#memory[block]!.set(new Int32Array(bytes.slice().buffer))
  }

  opTimes() {
    return []
  }

  close() {
    this.closed++
  }
}

/** Two values that depend on all tokens and their order. */
export function pseudoHidden(tokens: readonly number[]): [number, number] {
  return [Math.sin(tokens.reduce((sum, token, i) => sum + token * (i + 1), 0)), tokens.length]
}

/** One draw by the rules of the engine's sampler; -1 where the likeliest 64 do not tell. */
export function drawFrom(logits: Float32Array, drawing: Drawing): number {
  const { temperature, topK, topP, minP, random } = drawing
  const order = Array.from(logits.keys()).sort((a, b) => logits[b]! - logits[a]! || a - b)
  if (logits.some(x => !Number.isFinite(x))) return -1
  if (temperature === 0) return order[0]!
  const weight = (id: number) => Math.exp((logits[id]! - logits[order[0]!]!) / temperature)
  const best = order.slice(0, topK || 64)
  const total = (topK > 0 ? best : order).reduce((sum, id) => sum + weight(id), 0)
  const kept: number[] = []
  let mass = 0
  for (const id of best) {
    if (kept.length > 0 && topP < 1 && mass >= topP * total) break
    kept.push(id)
    mass += weight(id)
  }
  if (topK === 0 && mass < topP * total) return -1
  const able = kept.filter(id => weight(id) >= minP && weight(id) > 0)
  let left = random * able.reduce((sum, id) => sum + weight(id), 0)
  for (const id of able) {
    left -= weight(id)
    if (left < 0) return id
  }
  return able.at(-1)!
}

/** Letters only, spread by a hash of all tokens. */
export function pseudoLogits(out: Float32Array, tokens: readonly number[]): void {
  let hash = 2166136261
  for (const token of tokens) hash = Math.imul(hash ^ token, 16777619) >>> 0
  out.fill(-30)
  for (let i = 97; i < 123; i++) {
    hash = Math.imul(hash ^ (hash >>> 13), 0x5bd1e995) >>> 0
    out[i] = (hash / 2 ** 32) * 8
  }
}

/** Logits that spell `text` after the prompt, then EOS. */
export function spelling(text: string, promptLength: number) {
  const bytes = new TextEncoder().encode(text)
  return (out: Float32Array, tokens: readonly number[]): void => {
    out.fill(0)
    out[bytes[tokens.length - promptLength] ?? EOS] = 50
  }
}

export const byteTokenizer: Tokenizer = {
  vocabSize: VOCAB,
  bos: BOS,
  addBos: true,
  addEos: true,
  endTokens: new Set([EOS]),
  chatTemplate: undefined,
  encode(text, options = {}) {
    const bytes = Array.from(new TextEncoder().encode(text))
    return options.addSpecial === false ? bytes : [BOS, ...bytes, EOS]
  },
  *encodeInSlices(text, options, out) {
    for (const [i, id] of this.encode(text, options).entries()) {
      out.push(id)
      if (i % 1000 === 999) yield
    }
  },
  fewestTokens: units => units,
  tokenBytes: id => (id < 256 ? Uint8Array.of(id) : new Uint8Array()),
  tokenText: id => (id === BOS ? '<bos>' : id === EOS ? '<eos>' : String.fromCharCode(id)),
  isSpecial: id => id >= 256,
  isText: id => id < 256,
  decode: ids => new TextDecoder().decode(Uint8Array.from(Array.from(ids).filter(id => id < 256))),
  *decodeInSlices(ids) {
    yield byteTokenizer.decode(ids)
  },
}

export const fakeInfo: ModelInfo = {
  name: 'fake',
  architecture: 'bitnet',
  container: 'gguf',
  layers: 1,
  hidden: 1,
  ffn: 1,
  heads: 1,
  kvHeads: 1,
  headDim: 1,
  vocab: VOCAB,
  contextLength: 512,
  parameters: 1,
  bos: BOS,
  addsBos: true,
  endTokens: [EOS],
  layouts: {},
  notes: [],
}

export function fakeParts(network: FakeNetwork): EngineParts {
  return {
    network,
    tokenizer: byteTokenizer,
    chat: openChat(byteTokenizer),
    info: fakeInfo,
    fallbacks: [],
    memory: { weights: 100, kv: 20, scratch: 3 },
    path: REFERENCE_PATH,
    traits: EXACT,
    strict: false,
    head: 'int8',
    activations: 'int8',
    kvType: 'f16',
    close: () => network.close(),
  }
}

/** Waits until `condition` holds; fails loudly when it never does. */
export async function until(condition: () => boolean, what: string): Promise<void> {
  for (let i = 0; i < 5000; i++) {
    if (condition()) return
    await new Promise(resolve => setTimeout(resolve, 1))
  }
  throw new Error(`never happened: ${what}`)
}
