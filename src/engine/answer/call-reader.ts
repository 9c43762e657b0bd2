// Tool calls out of a text that is still coming. A call is told when all of it has come and it is one; what turns
// out to be none is let go as it is, byte for byte. What is found does not depend on how the text was cut:
// everything is decided by the characters alone, and what is not decided yet is held. Used by reader.ts.
import { jsonCall, type Offered, type ReadCall, xmlCall } from './calls.ts'
import { type CallFormat, HERMES } from './formats.ts'
import { JsonScan, skipWhite } from './json-scan.ts'

/** Tokens that end an answer, where they reach the text: never part of one. */
const ENDS = ['<|eom_id|>', '<|eot_id|>', '<|im_end|>', '</s>']

/** What has become certain. */
export type Found = { readonly text: string } | { readonly call: ReadCall }

/** Takes some of what is held; 'wait': more has to come. */
type Step = 'again' | 'wait'

/** At the start of an answer; in text; in a block of calls that has had none yet; in one that has. */
type State = 'start' | 'text' | 'opened' | 'calls'

/** Reads one answer. */
export class CallReader {
  /** Beginnings of calls that were none. */
  unread = 0
  readonly #format: CallFormat
  readonly #offered: Offered
  #held = ''
  #found: Found[] = []
  #state: State = 'start'
  /** Of `#held`, what stands before the first call of the block: let go as text when it is none. */
  #opened = 0
  #scan: JsonScan | undefined
  /** Where a search for a closing tag goes on. */
  #searched = 0
  /** The block is a list: brackets and commas stand between its calls. */
  #list = false
  #over = false
  readonly #orText: boolean
  /** It is a text, to its end. */
  #plain = false

  /** @param orText  an answer that does not begin with a call holds none */
  constructor(format: CallFormat, offered: Offered, orText = false) {
    this.#format = format
    this.#offered = offered
    this.#orText = orText
  }

  /** Takes more text and tells what is certain now, in order. */
  push(text: string): Found[] {
    this.#held += text
    while (this.#step() === 'again');
    return this.#taken()
  }

  /**
   * Nothing follows.
   * @param cut  the answer ends because it was too long: a call that was begun is not text
   * @returns what is left, and what of a call was cut off
   */
  end(cut: boolean): { found: Found[]; partial: string } {
    this.#over = true
    for (;;) {
      if (this.#step() === 'again') continue
      // Whatever waits, waits in vain.
      if (this.#held === '') break
      if (this.#state === 'calls' && this.#isTail(this.#held)) this.#held = ''
      else if (cut && (this.#state === 'opened' || this.#state === 'calls')) {
        const partial = this.#held
        this.#held = ''
        return { found: this.#taken(), partial }
      } else this.#giveUp()
    }
    return { found: this.#taken(), partial: '' }
  }

  #taken(): Found[] {
    const found = this.#found
    this.#found = []
    return found
  }

  #step(): Step {
    if (this.#held === '') return 'wait'
    switch (this.#state) {
      case 'start':
        if (this.#format.open === '') return this.#bareStart()
        return this.#orText ? this.#taggedStart() : this.#as('text')
      case 'text':
        return this.#text()
      default:
        return this.#block()
    }
  }

  #as(state: State): Step {
    // Behind calls others may follow; a text that came first is all there is.
    if (this.#orText && state === 'text' && this.#state !== 'calls') this.#plain = true
    this.#state = state
    if (state !== 'calls') this.#list = false
    this.#scan = undefined
    this.#searched = 0
    return 'again'
  }

  /** Lets text go. */
  #emit(count: number): void {
    if (count > 0) this.#found.push({ text: this.#held.slice(0, count) })
    this.#held = this.#held.slice(count)
  }

  /** Lets text go until something may begin a call; of bare calls none can any more. */
  #text(): Step {
    const openers =
      this.#format.id === 'qwen-xml' ? [this.#format.open, '<function='] : [this.#format.open]
    if (this.#format.open === '' || this.#plain) {
      this.#emit(this.#held.length)
      return 'wait'
    }
    let first = this.#held.length
    let opener = ''
    for (const open of openers) {
      const at = this.#held.indexOf(open)
      if (at >= 0 && at < first) {
        first = at
        opener = open
      }
    }
    if (opener === '') {
      const kept = this.#over ? 0 : Math.max(...openers.map(open => beginning(this.#held, open)))
      this.#emit(this.#held.length - kept)
      return 'wait'
    }
    this.#emit(first)
    this.#opened = opener === this.#format.open ? opener.length : 0
    return this.#as('opened')
  }

  /** `{` at the start of an answer, after a marker or white space. */
  #bareStart(): Step {
    const tag = this.#format.markers[0]!
    const white = skipWhite(this.#held, 0)
    const rest = this.#held.slice(white)
    if (!this.#over && tag.startsWith(rest)) return 'wait' // also where nothing but white space has come
    const from = rest.startsWith(tag) ? white + tag.length : white
    const at = skipWhite(this.#held, from)
    if (at === this.#held.length && !this.#over) return 'wait'
    if (this.#held[at] !== '{') return this.#as('text')
    this.#opened = from
    return this.#as('opened')
  }

  /** The tag that opens calls, or a text without any. */
  #taggedStart(): Step {
    const { open } = this.#format
    const at = skipWhite(this.#held, 0)
    const rest = this.#held.slice(at)
    if (!this.#over && open.startsWith(rest)) return 'wait'
    if (!rest.startsWith(open)) return this.#as('text')
    this.#opened = at + open.length
    return this.#as('opened')
  }

  /** What was begun is no call: its first character is text, and reading goes on behind it. */
  #giveUp(): Step {
    if (this.#state === 'opened') {
      if (!this.#orText) this.unread++
      this.#emit(Math.max(1, this.#opened))
    }
    return this.#as('text')
  }

  /** Inside a block of calls. */
  #block(): Step {
    const { open, close, id } = this.#format
    const fresh = this.#state === 'opened'
    const from = fresh ? this.#opened : 0
    const at = skipWhite(this.#held, from)
    const rest = this.#held.slice(at)
    if (rest === '') return 'wait'
    if (fresh && id === 'mistral' && /^[\w.-]/.test(rest)) return this.#named(at)
    if (this.#scan !== undefined || rest[0] === '{') return this.#object(at)
    if (open === HERMES.open && '<function='.startsWith(rest) && !this.#over) return 'wait'
    if (open === HERMES.open && rest.startsWith('<function=')) return this.#xml(at)
    if (fresh && id !== 'llama3' && rest[0] === '[' && !rest.startsWith(open)) {
      if (!this.#over && open.startsWith(rest)) return 'wait'
      this.#opened = at + 1
      this.#list = true
      return 'again'
    }
    if (fresh) return this.#giveUp()
    return this.#between(at, rest, open, close)
  }

  /** Behind a call of the block: what separates, closes, opens anew, or is text again. */
  #between(at: number, rest: string, open: string, close: string): Step {
    if (rest[0] === (this.#format.id === 'llama3' ? ';' : ',')) return this.#skip(at + 1)
    if (rest[0] === ']' && this.#list) {
      this.#list = false
      return this.#skip(at + 1)
    }
    for (const tag of [close, open, ...ENDS].filter(tag => tag !== '')) {
      if (!rest.startsWith(tag)) continue
      this.#held = rest.slice(tag.length)
      if (tag === open) {
        // Let go together with its tag, should it hold no call.
        this.#held = rest
        this.#opened = open.length
        return this.#as('opened')
      }
      return tag === close ? this.#as('text') : 'again'
    }
    if (!this.#over && this.#mayBeTag(rest)) return 'wait'
    if (this.#over && this.#isTail(rest)) return 'wait'
    return this.#as('text')
  }

  #skip(count: number): Step {
    this.#held = this.#held.slice(count)
    return 'again'
  }

  #mayBeTag(rest: string): boolean {
    const { open, close, id } = this.#format
    const tags = [open, close, ...ENDS, ...(id === 'qwen-xml' ? ['<function='] : [])]
    return tags.some(tag => tag !== '' && tag.startsWith(rest))
  }

  /** White space, or a piece of a tag that would have followed. */
  #isTail(rest: string): boolean {
    const left = rest.trim()
    return left === '' || this.#mayBeTag(left)
  }

  /** A JSON object at `at`. */
  #object(at: number): Step {
    this.#scan ??= new JsonScan(at)
    if (!this.#scan.scan(this.#held)) return 'wait'
    const { end } = this.#scan
    const bare = this.#format.id === 'llama3'
    const call = end && jsonCall(this.#held.slice(at, end), this.#offered, bare)
    if (!call) return this.#giveUp()
    return this.#call(call, end!)
  }

  #call(call: ReadCall, end: number): Step {
    this.#found.push({ call })
    this.#held = this.#held.slice(end)
    return this.#as('calls')
  }

  /** `<function=...>` up to a `</function>` that makes it whole. */
  #xml(at: number): Step {
    const tag = '</function>'
    for (;;) {
      const found = this.#held.indexOf(tag, Math.max(at, this.#searched))
      if (found < 0) {
        this.#searched = Math.max(at, this.#held.length - tag.length)
        return 'wait'
      }
      const end = found + tag.length
      const call = xmlCall(this.#held.slice(at, end), this.#offered)
      if (call) return this.#call(call, end)
      this.#searched = end
      const another = this.#held.slice(end).trimStart()
      // Inside a value there may be anything; behind a whole block there is a tag or the end.
      if (another.startsWith(this.#format.close)) return this.#giveUp()
    }
  }

  /** `name[ARGS]{...}`, with `[CALL_ID]id` between or not. */
  #named(at: number): Step {
    const head = namedHead(this.#held.slice(at))
    if (head === 'more') return 'wait'
    if (head === undefined) return this.#giveUp()
    const from = at + head.length
    this.#scan ??= new JsonScan(from)
    if (!this.#scan.scan(this.#held)) return 'wait'
    const { end } = this.#scan
    const { name, id } = head
    if (end === undefined || !this.#offered.has(name)) return this.#giveUp()
    return this.#call({ name, arguments: this.#held.slice(from, end), ...(id && { id }) }, end)
  }
}

interface NamedHead {
  readonly name: string
  readonly id: string
  /** Up to the arguments. */
  readonly length: number
}

/** What stands before the arguments in `name[CALL_ID]id[ARGS]{...}`; undefined where it is none. */
function namedHead(text: string): NamedHead | 'more' | undefined {
  const name = /^[\w.-]+/.exec(text)![0]
  let at = skipWhite(text, name.length)
  let id = ''
  for (const tag of ['[CALL_ID]', '[ARGS]']) {
    const rest = text.slice(at)
    if (tag.startsWith(rest)) return 'more'
    if (!rest.startsWith(tag)) continue
    at = skipWhite(text, at + tag.length)
    if (tag === '[ARGS]') continue
    id = /^[A-Za-z0-9]*/.exec(text.slice(at))![0]
    at = skipWhite(text, at + id.length)
  }
  if (at === text.length) return 'more'
  return text[at] === '{' ? { name, id, length: at } : undefined
}

/** Length of the longest end of `text` that begins `tag`. */
export function beginning(text: string, tag: string): number {
  for (let n = Math.min(tag.length - 1, text.length); n > 0; n--) {
    if (text.endsWith(tag.slice(0, n))) return n
  }
  return 0
}
