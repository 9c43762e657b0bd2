// An answer taken apart while it comes: reasoning, content, tool calls. Where there is neither reasoning nor a
// call, content is the answer, byte for byte; white space around them is dropped. Joined, the pieces are
// the same however the text was cut. Knows no engine: it is given text and gives pieces.
import type { ToolCallDelta } from '../../types/index.ts'
import { beginning, CallReader, type Found } from './call-reader.ts'
import type { Offered } from './calls.ts'
import type { CallFormat } from './formats.ts'
import type { ReasoningTags } from './read.ts'

/** A piece of an answer. */
export interface Piece {
  text: string
  reasoning: string
  calls: ToolCallDelta[]
}

export interface ReaderOptions {
  /** How calls are written, and what may be called; absent: text stays text. */
  readonly calls?: {
    readonly format: CallFormat
    readonly offered: Offered
    /** It is calls or a text, decided by how it begins: what looks like a call inside the text is text. */
    readonly orText?: boolean
  }
  /** How reasoning stands out; absent: it is text. */
  readonly reasoning?: ReasoningTags
  /** The prompt has opened the reasoning already. */
  readonly reasoningBegun?: boolean
  /** An id for call number `index`. */
  readonly newId: (index: number) => string
}

export class AnswerReader {
  readonly #options: ReaderOptions
  readonly #calls: CallReader | undefined
  /** Before reasoning may begin; in it; behind it, or never there. */
  #part: 'before' | 'reasoning' | 'content'
  /** Not decided yet. */
  #held = ''
  /** White space of reasoning or content that is text only if more follows. */
  #white = ''
  /** Between the last text and the last call, where a call came last. */
  #whiteBefore: string | undefined
  #reasoned = false
  #written = false
  #count = 0

  constructor(options: ReaderOptions) {
    this.#options = options
    const { calls } = options
    this.#calls = calls && new CallReader(calls.format, calls.offered, calls.orText)
    const { reasoning, reasoningBegun } = options
    this.#part = reasoning === undefined ? 'content' : reasoningBegun ? 'reasoning' : 'before'
    this.#reasoned = reasoning !== undefined && reasoningBegun === true
  }

  /** Calls told so far. */
  get callCount(): number {
    return this.#count
  }

  /** Beginnings of calls that were none. */
  get unread(): number {
    return this.#calls?.unread ?? 0
  }

  /** Inside reasoning. */
  get reasons(): boolean {
    return this.#part === 'reasoning'
  }

  push(text: string): Piece {
    const piece: Piece = { text: '', reasoning: '', calls: [] }
    this.#held += text
    if (this.#part === 'before') this.#begin(false)
    if (this.#part === 'reasoning') this.#reason(piece, false)
    if (this.#part === 'content') this.#content(piece, this.#release())
    return piece
  }

  /**
   * Nothing follows.
   * @param cut  it ends because it was too long
   * @returns what is left, and what of a call was cut off
   */
  end(cut: boolean): Piece & { partialCall: string } {
    const piece: Piece = { text: '', reasoning: '', calls: [] }
    if (this.#part === 'before') this.#begin(true)
    if (this.#part === 'reasoning') this.#reason(piece, true)
    let partialCall = ''
    if (this.#part === 'content') {
      this.#content(piece, this.#release())
      if (this.#calls !== undefined) {
        const { found, partial } = this.#calls.end(cut)
        this.#take(piece, found)
        partialCall = partial
      }
      // White space at the end of an answer belongs to it, unless it stood around a call.
      if (this.#count === 0 && partialCall === '' && (this.#written || !this.#reasoned)) {
        piece.text += this.#white
      }
    }
    return { ...piece, partialCall }
  }

  #release(): string {
    const text = this.#held
    this.#held = ''
    return text
  }

  /** Reasoning begins the answer, or there is none. */
  #begin(over: boolean): void {
    const { open } = this.#options.reasoning!
    const start = this.#held.trimStart()
    if (start.startsWith(open)) {
      this.#held = start.slice(open.length)
      this.#part = 'reasoning'
      this.#reasoned = true
    } else if (over || !open.startsWith(start)) this.#part = 'content'
  }

  #reason(piece: Piece, over: boolean): void {
    const { close } = this.#options.reasoning!
    const at = this.#held.indexOf(close)
    const kept = over ? 0 : beginning(this.#held, close)
    const text = this.#held.slice(0, at < 0 ? this.#held.length - kept : at)
    // Blank lines around it are the frame.
    const started = this.#written ? text : text.trimStart()
    const body = started.trimEnd()
    if (body !== '') {
      piece.reasoning += this.#white + body
      this.#white = started.slice(body.length)
      this.#written = true
    } else if (this.#written) this.#white += started
    if (at < 0) {
      this.#held = this.#held.slice(this.#held.length - kept)
      return
    }
    this.#held = this.#held.slice(at + close.length)
    this.#part = 'content'
    this.#white = ''
    this.#written = false
  }

  #content(piece: Piece, text: string): void {
    if (text === '') return
    this.#take(piece, this.#calls === undefined ? [{ text }] : this.#calls.push(text))
  }

  #take(piece: Piece, all: readonly Found[]): void {
    for (const found of all) {
      if ('text' in found) this.#write(piece, found.text)
      else {
        const { name, arguments: args, id } = found.call
        const index = this.#count++
        piece.calls.push({
          index,
          id: id ?? this.#options.newId(index),
          type: 'function',
          function: { name, arguments: args },
        })
        this.#whiteBefore ??= this.#white
        this.#white = ''
      }
    }
  }

  #write(piece: Piece, text: string): void {
    const body = text.trimEnd()
    if (body === '') {
      this.#white += text
      return
    }
    const start = body.trimStart()
    const lead = this.#white + body.slice(0, body.length - start.length)
    const framed = this.#reasoned || this.#count > 0
    // Of the white space before and behind a call, one stays between two texts.
    if (this.#written || !framed) piece.text += this.#whiteBefore || lead
    piece.text += start
    this.#written = true
    this.#whiteBefore = undefined
    this.#white = text.slice(body.length)
  }
}
