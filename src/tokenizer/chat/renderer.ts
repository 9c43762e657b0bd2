// Chats -> prompt text through the model's own template. The template runs right here, in slices between
// which others have a turn: it has neither I/O nor the page's objects, a budget of steps and sizes of its own,
// and real ones take well under a millisecond, so it needs no worker, and none has to be fetched.
import { asRyzError, RyzError, throwIfAborted } from '../../errors.ts'
import { type Limits, Template, TemplateFault, TextTooLong } from '../jinja/template.ts'
import { type Text, TYPED } from '../jinja/text.ts'
import type { Stretch } from '../tokenizer.ts'
import { abilitiesOf, abilityNotes, continuedEnd } from './abilities.ts'
import type { Abilities, ChatRequest, Runs } from './chat-text.ts'
import { chatVariables, type NamedTokens } from './variables.ts'

const MAX_TEMPLATE_CHARS = 1_000_000
/** The longest published templates take 3 M steps for 1000 messages, most 60,000. */
const STEPS = 2_000_000
const STEPS_PER_MESSAGE = 5_000
/** What a template may write beside what it is given: the longest published one writes 12,000. */
const OWN_CHARS = 200_000
/** A slice before others have their turn, in milliseconds. */
const SLICE_MS = 4

export interface RenderOptions {
  /** Characters that could fit into the context; more is CONTEXT_FULL. */
  readonly maxChars?: number
  readonly signal?: AbortSignal
  /** Lets others have a turn; a timer when left out. */
  readonly pause?: () => Promise<void>
  /** The clock of strftime_now(). */
  readonly now?: () => Date
}

/** A chat template, parsed once. */
export class ChatRenderer {
  readonly source: string
  readonly abilities: Abilities
  /** What it ignores, in words. */
  readonly notes: readonly string[]
  readonly #template: Template
  readonly #tokens: NamedTokens

  /** @throws RyzError TEMPLATE_ERROR with the line for a template that cannot be read */
  constructor(source: string, tokens: NamedTokens) {
    if (source.length > MAX_TEMPLATE_CHARS) {
      throw failed(
        `the chat template has ${source.length} characters; ${MAX_TEMPLATE_CHARS} are allowed`,
      )
    }
    this.source = source
    this.#tokens = tokens
    try {
      this.#template = new Template(source)
      this.abilities = abilitiesOf(this.#template, source, tokens)
    } catch (error) {
      throw translated(error)
    }
    this.notes = abilityNotes(this.abilities)
  }

  /**
   * The text of a chat. It holds bos where the template writes it: encode it with parseSpecial, and without
   * a second bos.
   * @throws RyzError TEMPLATE_ERROR when it fails (raise_exception included) or does too much;
   *   CONTEXT_FULL | ABORTED
   */
  async render(request: ChatRequest, options: RenderOptions = {}): Promise<Runs> {
    const { signal, pause = aTurn, now } = options
    throwIfAborted(signal, 'rendering the chat template')
    const limits = limitsFor(request, options.maxChars)
    const prepare = () => ({
      variables: chatVariables(request, this.#tokens, this.abilities),
      ...(now && { now }),
    })
    try {
      const steps = this.#template.render(prepare, limits)
      let began = performance.now()
      for (let step = steps.next(); ; step = steps.next()) {
        if (step.done) return runsOf(step.value, request.continueLast === true)
        if (performance.now() - began < SLICE_MS) continue
        await pause()
        throwIfAborted(signal, 'rendering the chat template')
        began = performance.now()
      }
    } catch (error) {
      if (error instanceof TextTooLong && error.limit === options.maxChars) {
        throw new RyzError(
          'CONTEXT_FULL',
          `the chat has more than ${error.limit} characters as its template writes it, too many for the context; shorten it or load with a larger contextLength`,
          { maxChars: error.limit },
        )
      }
      throw translated(error)
    }
  }
}

function limitsFor({ messages, tools, templateOptions }: ChatRequest, maxChars?: number): Limits {
  const given = sizeOf(messages) + sizeOf(tools) + sizeOf(templateOptions)
  const output = OWN_CHARS + 4 * given
  return {
    steps: STEPS + STEPS_PER_MESSAGE * messages.length + given,
    // A text on its way, such as tools as indented JSON, may be longer than what comes of it.
    chars: OWN_CHARS * 4 + 8 * given,
    output: Math.min(output, maxChars ?? output),
  }
}

/** Characters of a value, about as many as its JSON has. */
function sizeOf(value: unknown): number {
  if (typeof value === 'string') return value.length + 2
  if (typeof value !== 'object' || value === null) return 8
  let size = 2
  for (const [key, item] of Object.entries(value)) size += key.length + 4 + sizeOf(item)
  return size
}

/** Where nobody typed, and up to where the prompt goes. */
function runsOf(rendered: Text, continueLast: boolean): Runs {
  const end = continueLast ? continuedEnd(rendered) : rendered.length
  if (end === undefined) {
    throw failed('the chat template does not print the last message, so it cannot be continued')
  }
  const trusted: Stretch[] = []
  let at = 0
  for (const span of rendered.spans) {
    if ((span.marks & TYPED) === 0 || span.start >= end) continue
    if (span.start > at) trusted.push({ start: at, end: span.start })
    at = Math.min(span.end, end)
  }
  if (end > at) trusted.push({ start: at, end })
  return { text: rendered.s.slice(0, end), trusted }
}

function aTurn(): Promise<void> {
  return new Promise(resolve => setTimeout(resolve, 0))
}

function translated(error: unknown): RyzError {
  if (!(error instanceof TemplateFault)) {
    return asRyzError(error, 'TEMPLATE_ERROR', 'the chat template failed')
  }
  const { line } = error
  const where = line === undefined ? '' : ` at line ${line}`
  return new RyzError(
    'TEMPLATE_ERROR',
    `the chat template failed${where}: ${error.message.slice(0, 1000)}`,
    line === undefined ? {} : { line },
  )
}

function failed(message: string): RyzError {
  return new RyzError('TEMPLATE_ERROR', message)
}
