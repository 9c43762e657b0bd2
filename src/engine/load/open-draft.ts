// A draft model beside the one that is loaded: opened whole before it, on kernels of one thread (a pool of its
// own would take turns with the other's), with a KV cache of its own; its bytes count in the memory plan. Held
// to the vocabulary of the model it drafts for. Called by open-parts.ts and forecast.ts.
import { able, type BackendFactory } from '../../backend/factory.ts'
import { RyzError } from '../../errors.ts'
import type { ModelFile } from '../../format/model-file.ts'
import { readConfig } from '../../model/config.ts'
import type { Network } from '../../model/network.ts'
import type { Tokenizer } from '../../tokenizer/tokenizer.ts'
import type { LoadOptions, ModelSource } from '../../types/index.ts'
import { openNetwork } from './open-network.ts'
import { openTokenizer } from './open-tokenizer.ts'
import { checkLoadOptions } from './options.ts'
import { planLoad } from './plan.ts'
import { withStored } from './stored-model.ts'

/** Tokens that it reads at once. */
const PIECE = 64
/** What kernels of one thread take beside weights, KV and activations, for the forecast. */
const SCRATCH_BYTES = 4e6

/** What a draft model needs, from its header. */
export interface DraftNeeds {
  readonly name: string
  readonly tokenizer: Tokenizer
  /** All that it allocates. */
  readonly bytes: number
}

export interface OpenDraft extends DraftNeeds {
  readonly network: Network
  close(): void
}

export interface DraftOpening {
  /** Of the model it drafts for. */
  readonly options: LoadOptions
  readonly signal: AbortSignal
  readonly factories: readonly BackendFactory[]
}

/** @throws RyzError what opening a model throws; MEMORY_BUDGET when it alone exceeds the budget */
export async function openDraft(
  source: ModelSource,
  { options, signal, factories }: DraftOpening,
): Promise<OpenDraft> {
  const own = draftOptions(options)
  return withStored(source, { options: own, signal }, async stored => {
    const { file } = stored
    const config = readConfig(file)
    const tokenizer = await openTokenizer(file, config)
    const checked = checkLoadOptions(own)
    const plan = planLoad(file, config, own, checked)
    const opened = await openNetwork(
      {
        stored,
        config,
        options: own,
        checked,
        plan,
        guards: undefined,
        signal,
        report: () => undefined,
      },
      able(factories, plan.needs),
    )
    const { network } = opened
    const bytes = opened.plan.totalBytes
    return { name: config.name, tokenizer, bytes, network, close: () => network.close() }
  })
}

/** The same from the header alone. @throws RyzError as openDraft() */
export async function draftNeeds(file: ModelFile, options: LoadOptions): Promise<DraftNeeds> {
  const own = draftOptions(options)
  const config = readConfig(file)
  const tokenizer = await openTokenizer(file, config)
  const plan = planLoad(file, config, own, checkLoadOptions(own))
  return { name: config.name, tokenizer, bytes: plan.memory(() => SCRATCH_BYTES).totalBytes }
}

/**
 * Every token must be the same bytes in both.
 * @throws RyzError BAD_OPTION naming the first that is not
 */
export function requireSameVocabulary(draft: DraftNeeds, tokenizer: Tokenizer): void {
  const { vocabSize } = tokenizer
  const other = draft.tokenizer
  const refuse = (what: string, detail: Record<string, number>): never => {
    throw new RyzError(
      'BAD_OPTION',
      `the draft model ${draft.name} has another vocabulary: ${what}; take one that was made with the same tokenizer`,
      { option: 'draft', ...detail },
    )
  }
  if (other.vocabSize !== vocabSize) {
    refuse(`${other.vocabSize} tokens instead of ${vocabSize}`, { vocab: other.vocabSize })
  }
  for (let id = 0; id < vocabSize; id++) {
    const same =
      other.isText(id) === tokenizer.isText(id) &&
      (tokenizer.isText(id)
        ? sameBytes(other.tokenBytes(id), tokenizer.tokenBytes(id))
        : other.tokenText(id) === tokenizer.tokenText(id))
    if (!same) {
      const texts = [other, tokenizer].map(t => JSON.stringify(t.tokenText(id).slice(0, 40)))
      refuse(`token ${id} is ${texts.join(' instead of ')}`, { token: id })
    }
  }
}

/** Of the options of a load, those that are the draft model's, too. */
function draftOptions(options: LoadOptions): LoadOptions {
  const { cache, cacheChunkBytes, contextLength, fetch, headers, hubUrl, i2sLayout, kv } = options
  const { maxSequences, memoryBudget, sha256 } = options
  const own: LoadOptions = { cache, cacheChunkBytes, contextLength, fetch, headers, hubUrl }
  // A single hash is the model's.
  const hashes = typeof sha256 === 'object' ? sha256 : undefined
  return { ...own, i2sLayout, kv, maxSequences, memoryBudget, sha256: hashes, prefillPiece: PIECE }
}

function sameBytes(a: ArrayLike<number>, b: ArrayLike<number>): boolean {
  if (a.length !== b.length) return false
  for (let i = 0; i < a.length; i++) if (a[i] !== b[i]) return false
  return true
}
