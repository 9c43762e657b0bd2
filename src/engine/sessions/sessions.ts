// Saves the KV blocks of a text's beginning and brings them back, in this or a later engine of the same
// model: what restore() wrote is found by the next prompt as if it had been computed here. Which blocks
// belong to which text is prefix-index.ts's; their bytes are data.ts's. Called by engine.ts.
import { KV_BLOCK } from '../../backend/backend.ts'
import { pathId } from '../../backend/factory.ts'
import { RyzError } from '../../errors.ts'
import type { Sequence } from '../../model/network.ts'
import type { ExecutionPath, RestoredSession } from '../../types/index.ts'
import type { EngineParts } from '../load/engine-parts.ts'
import { gpuFailure } from '../load/open-network.ts'
import { blockKey, type PrefixIndex } from '../schedule/prefix-index.ts'
import type { Task } from '../schedule/task.ts'
import { Checksum } from './checksum.ts'
import { openSession, type SessionFacts, writeSession } from './data.ts'

/** Runs a task to its end, in its turn; `run` is called right after, before anything else. */
export type RunTask = (task: Task) => Promise<void>

/** Tokens whose logits stand for the model. */
const PROBES = 8

export class Sessions {
  readonly #parts: EngineParts
  readonly #prefixes: PrefixIndex
  readonly #run: RunTask
  /** With what tells one backend from the next. */
  #facts: { readonly of: Promise<RyzError>; readonly facts: Promise<SessionFacts> } | undefined

  constructor(parts: EngineParts, prefixes: PrefixIndex, run: RunTask) {
    this.#parts = parts
    this.#prefixes = prefixes
    this.#run = run
  }

  /**
   * The whole blocks of these tokens; what is not in the cache is computed first.
   * @throws RyzError BAD_OPTION with fewer than 32 tokens; what a request may throw
   */
  async save(tokens: readonly number[]): Promise<Blob> {
    const { network } = this.#parts
    const { kv } = network
    const blocks = Math.floor(Math.min(tokens.length, kv.contextLength - 1) / KV_BLOCK)
    if (blocks === 0) {
      throw new RyzError(
        'BAD_OPTION',
        `a session needs ${KV_BLOCK} tokens at least, this text has ${tokens.length}; save it later`,
        { tokens: tokens.length },
      )
    }
    for (;;) {
      const { lost } = network
      try {
        const saved = await this.#write(tokens, blocks)
        if (network.lost === lost) return saved
      } catch (caught) {
        const gone = gpuFailure(caught)
        if (gone === undefined || network.revive === undefined) throw caught
        // The scheduler finds another backend; what it computes comes after that.
        await this.#run(taskOf(tokens.slice(0, 1), false, undefined, () => undefined))
        if (network.lost === lost) throw gone
      }
      // The blocks that were read are gone, or empty by now.
    }
  }

  async #write(tokens: readonly number[], blocks: number): Promise<Blob> {
    const { network } = this.#parts
    const facts = await this.#modelFacts()
    const seq = this.#find(tokens, blocks) ?? (await this.#compute(tokens, blocks))
    try {
      return await writeSession(facts, tokens, blocks, i => network.readBlock(seq.blocks[i]!))
    } finally {
      network.kv.close(seq)
    }
  }

  /**
   * Puts saved blocks into the cache, as many as find room.
   * @throws RyzError BAD_OPTION when the data is damaged or from another model
   */
  async restore(data: Blob): Promise<RestoredSession> {
    const { network } = this.#parts
    const { kv, lost } = network
    const session = await openSession(data, await this.#modelFacts())
    let taken: number[] = []
    try {
      let room = true
      for (let i = 0; i < session.blocks; i++) {
        const bytes = await session.readBlock(i)
        const block: number | undefined = room ? kv.takeKept() : undefined
        room = block !== undefined
        if (block === undefined) continue // the rest is read to be verified
        taken.push(block)
        network.writeBlock(block, bytes)
      }
      session.verify()
      if (network.lost !== lost) {
        throw new RyzError(
          'ABORTED',
          'the GPU was lost while its session was restored; the prompt is computed instead',
        )
      }
      const { tokens } = session
      const restoredTokens = taken.length * KV_BLOCK
      let node: ReturnType<PrefixIndex['adopt']> = this.#prefixes.root
      for (const [i, block] of taken.entries()) {
        const key = blockKey(at => tokens[at]!, i)
        if (node === undefined) kv.drop(block)
        else node = this.#prefixes.adopt(node, key, block)
      }
      taken = []
      return { tokens: session.blocks * KV_BLOCK, restoredTokens }
    } finally {
      for (const block of taken) kv.drop(block)
    }
  }

  /** A sequence over all blocks, if all are known. */
  #find(tokens: readonly number[], blocks: number): Sequence | undefined {
    const node = this.#prefixes.match(b => blockKey(i => tokens[i]!, b), blocks)
    return node.depth === blocks ? this.#prefixes.open(node) : undefined
  }

  /** Runs the tokens and takes hold of their blocks before anybody can claim them. */
  async #compute(tokens: readonly number[], blocks: number): Promise<Sequence> {
    let seq: Sequence | undefined
    const prompt = tokens.slice(0, blocks * KV_BLOCK)
    await this.#run(
      taskOf(prompt, true, undefined, () => {
        seq = this.#find(tokens, blocks)
      }),
    )
    if (seq !== undefined) return seq
    throw new RyzError(
      'ABORTED',
      'the blocks of the session were dropped while it was saved; retry',
    )
  }

  /**
   * The model is known by what it does: the checksum of its logits after a few tokens spread over the
   * vocabulary, which every backend computes to the same bits. All matrices, norms and scales take part;
   * of an untied embedding only the rows of these tokens do.
   */
  #modelFacts(): Promise<SessionFacts> {
    const { lost } = this.#parts.network
    // Another backend computes since.
    if (this.#facts?.of !== lost) this.#facts = undefined
    this.#facts ??= {
      of: lost,
      facts: this.#probe().catch(caught => {
        this.#facts = undefined // a full queue, say: the next call tries again
        throw caught
      }),
    }
    return this.#facts.facts
  }

  async #probe(): Promise<SessionFacts> {
    const { network, kvType: kv, activations, strict, head, path, traits } = this.#parts
    const { vocab } = network.config
    const count = Math.min(PROBES, network.kv.contextLength - 1)
    const ids = Array.from({ length: count }, (_, i) => Math.floor((i * (vocab - 1)) / PROBES))
    const sum = new Checksum()
    await this.#run(
      taskOf(
        ids,
        false,
        (row, at) => sum.add(row.subarray(at, at + vocab)),
        () => undefined,
      ),
    )
    // Other backends round otherwise: what one of them computed is only for itself.
    const model = traits.exact ? sum.hex : `${sum.hex} on ${blocksBy(path)}`
    return { model, kv, activations, strict, head, blockBytes: network.blockBytes }
  }
}

/** A task that feeds tokens and looks at the logits of the last one. */
function taskOf(
  prompt: readonly number[],
  reuse: boolean,
  look: ((row: Float32Array, at: number) => void) | undefined,
  complete: () => void,
): Task {
  return {
    prompt,
    answer: [],
    wants: 'logits',
    wantedFrom: prompt.length - 1,
    grows: true,
    reuse,
    accept(row, at) {
      look?.(row, at)
      return 'end'
    },
    cutShort: () => 'end',
    complete,
    fail: () => undefined,
  }
}

/** Whose blocks they are: prompts of a hybrid are the GPU's. */
function blocksBy(path: ExecutionPath): string {
  const hybrid = path.backend === 'wasm' && path.prompts !== undefined
  return hybrid ? 'webgpu' : pathId(path)
}
