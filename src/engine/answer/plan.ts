// What a chat's answer needs beside sampling: how it is read, and what it is held to. Made from the template, which
// shows the forms its model was trained on, and from the end of the prompt. A part of grammar.js, called by engine.ts.
import type { ChatInput } from '../../options/input.ts'
import type { Tokenizer } from '../../tokenizer/tokenizer.ts'
import type { CallsSpec, TextSpec } from '../grammar/calls.ts'
import type { GrammarRequest, Lead } from '../grammar/compile.ts'
import { Random } from '../sampling/random.ts'
import { callForm, guideForm, tagPiece, tagToken } from './call-form.ts'
import { type Offered, offeredOf } from './calls.ts'
import { type CallFormat, formatOf } from './formats.ts'
import { type ReasoningTags, reasoningOf } from './read.ts'
import { AnswerReader } from './reader.ts'

/** How one answer is read while it comes. */
export interface AnswerPlan {
  readonly reader: AnswerReader
  /** Control tokens that are written into the text for the reader. */
  readonly shown: ReadonlyMap<number, string>
  /** It ends with its first call. */
  readonly single: boolean
  /** Tokens of reasoning at most. */
  readonly maxReasoning: number
  /** What closes reasoning that is too long. */
  readonly closing: readonly number[]
}

/** Of the end of a prompt, where tags that the template wrote are looked for. */
const TAIL_TOKENS = 32

/** What a chat asks of its answer; the same for all its attempts. */
export class ChatPlan {
  readonly #input: ChatInput
  readonly #tokenizer: Tokenizer
  readonly #template: string
  readonly #format: CallFormat
  readonly #reasoning: ReasoningTags | undefined
  readonly #offered: Offered | undefined

  constructor(input: ChatInput, template: string, tokenizer: Tokenizer) {
    this.#input = input
    this.#tokenizer = tokenizer
    this.#template = template
    this.#format = formatOf(template)
    this.#reasoning = input.reasoning === false ? undefined : reasoningOf(template)
    const { tools, toolChoice } = input
    this.#offered = tools && toolChoice !== 'none' ? offeredOf(tools) : undefined
  }

  /**
   * @param seed  of the request: the ids of calls follow from it and the prompt
   * @param format  an answer without calls has a form of its own
   */
  answer(prompt: readonly number[], seed: number, format = false): AnswerPlan {
    const { tags, begun } = this.#reasoningAfter(prompt)
    const calls = this.#offered && {
      format: this.#format,
      offered: this.#offered,
      orText: format,
    }
    const newId = ids(prompt, seed, this.#format.shortIds)
    return {
      reader: new AnswerReader({ calls, reasoning: tags, reasoningBegun: begun, newId }),
      shown: this.#shown(),
      single: this.#input.parallelToolCalls === false,
      maxReasoning: this.#input.maxReasoningTokens ?? Number.POSITIVE_INFINITY,
      closing: tags
        ? this.#tokenizer.encode(`\n${tags.close}\n\n`, { addSpecial: false, parseSpecial: true })
        : [],
    }
  }

  /**
   * What the answer is held to, if to anything.
   * @param format  what its text is held to
   */
  constraint(
    prompt: readonly number[],
    format: GrammarRequest | undefined,
  ): GrammarRequest | undefined {
    const held = this.#held(format) ? this.#calls(format) : format
    return held && this.#afterReasoning(prompt, held)
  }

  /** The form that calls have in an answer that is held to none; undefined where there are no calls. */
  guide(prompt: readonly number[]): GrammarRequest | undefined {
    if (this.#offered === undefined) return undefined
    const form = guideForm(this.#format, this.#tokenizer, this.#template)
    return this.#afterReasoning(prompt, this.#calls(undefined, form))
  }

  #afterReasoning(prompt: readonly number[], held: GrammarRequest): GrammarRequest {
    const { tags, begun } = this.#reasoningAfter(prompt)
    if (tags === undefined) return held
    const lead: Lead = {
      open: begun ? [] : [tagPiece(tags.open, this.#tokenizer)],
      close: [tagPiece(tags.close, this.#tokenizer)],
      required: begun,
    }
    return { ...held, spec: { ...held.spec, lead } }
  }

  /** Whether calls are held to a grammar. */
  #held(format: GrammarRequest | undefined): boolean {
    const { toolChoice = 'auto' } = this.#input
    if (this.#offered === undefined) return false
    return toolChoice !== 'auto' || this.#strict || format !== undefined
  }

  get #strict(): boolean {
    return this.#input.tools?.some(tool => tool.function.strict === true) === true
  }

  /** Calls as a grammar: alone, or beside the format of an answer without. */
  #calls(
    format: GrammarRequest | undefined,
    form: CallsSpec['form'] = callForm(this.#format, this.#tokenizer),
  ): GrammarRequest {
    const { tools = [], toolChoice = 'auto', parallelToolCalls = true } = this.#input
    return {
      option: format?.option ?? 'tools',
      spec: {
        kind: 'calls',
        tools: tools.map(({ function: { name, parameters } }) => ({
          name,
          ...(parameters && { parameters: parameters as never }),
        })),
        form,
        choice: toolChoice === 'none' ? 'auto' : toolChoice,
        parallel: parallelToolCalls && typeof toolChoice !== 'object',
        strict: this.#strict,
        ...(format && { text: format.spec as TextSpec }),
      },
    }
  }

  /** Reasoning may follow, unless the template has closed it in the prompt; it may have opened it there. */
  #reasoningAfter(prompt: readonly number[]): { tags?: ReasoningTags; begun: boolean } {
    const tags = this.#reasoning
    if (tags === undefined) return { begun: false }
    const end = this.#tokenizer
      .decode(prompt.slice(-TAIL_TOKENS), { special: true, continuation: true })
      .trimEnd()
    if (end.endsWith(tags.close)) return { begun: false }
    return { tags, begun: end.endsWith(tags.open) }
  }

  #shown(): Map<number, string> {
    const markers = this.#offered ? [...this.#format.markers] : []
    if (this.#reasoning) markers.push(this.#reasoning.open, this.#reasoning.close)
    const shown = new Map<number, string>()
    for (const marker of markers) {
      const token = tagToken(marker, this.#tokenizer)
      if (token !== undefined && this.#tokenizer.tokenBytes(token).length === 0) {
        shown.set(token, marker)
      }
    }
    return shown
  }
}

const LETTERS = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789'

/** Ids that follow from the request, so that one that is asked again gives the same. */
function ids(prompt: readonly number[], seed: number, short: boolean): (index: number) => string {
  let hash = 2166136261 ^ seed
  for (const token of prompt) hash = Math.imul(hash ^ token, 16777619)
  return index => {
    const random = new Random((hash + index) >>> 0)
    const letters = Array.from({ length: short ? 9 : 24 }, () => LETTERS[random.uint32() % 62])
    return `${short ? '' : 'call_'}${letters.join('')}`
  }
}
