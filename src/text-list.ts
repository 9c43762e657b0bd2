// Many short texts in one buffer of UTF-16 units. With a vocabulary of 128,256 strings, as many merges and a Map
// of them the heaps of a page and its workers were 48 MB, so they are 8. Filled by format, read by tokenizer;
// depends on nothing.

/** Texts by index; their units are not to be written to. */
export class TextList {
  readonly length: number
  readonly units: Uint16Array
  /** Where each text begins in `units`; one more than there are texts. */
  readonly starts: Uint32Array

  constructor(length: number, units: Uint16Array, starts: Uint32Array) {
    this.length = length
    this.units = units
    this.starts = starts
  }

  /** Undefined beyond the list. */
  at(index: number): string | undefined {
    if (!(index >= 0 && index < this.length)) return undefined
    const { units, starts } = this
    const end = starts[index + 1]
    let text = ''
    // Only so many arguments fit a call.
    for (let from = starts[index]; from < end; from += 4096) {
      text += String.fromCharCode(...units.subarray(from, Math.min(from + 4096, end)))
    }
    return text
  }

  *[Symbol.iterator](): Generator<string> {
    for (let i = 0; i < this.length; i++) yield this.at(i)!
  }
}

/** Room for so many units a text to begin with; pages that are not written take no memory. */
const UNITS_A_TEXT = 10
/** More is taken only when it has been written: the count of a damaged file may be anything. */
const MOST_AT_FIRST = 4 * 1024 * 1024

/** Appends texts, whole or unit by unit. */
export class TextListWriter {
  readonly #starts: Uint32Array
  #units: Uint16Array
  #written = 0
  #texts = 0

  /** @param most  texts at most */
  constructor(most: number) {
    this.#starts = new Uint32Array(most + 1)
    this.#units = new Uint16Array(Math.min(MOST_AT_FIRST, UNITS_A_TEXT * most + 16))
  }

  /** One unit of the text that is being written. */
  push(unit: number): void {
    if (this.#written === this.#units.length) {
      const larger = new Uint16Array(2 * this.#written)
      larger.set(this.#units)
      this.#units = larger
    }
    this.#units[this.#written++] = unit
  }

  /** Ends the text that is being written. */
  end(): void {
    this.#starts[++this.#texts] = this.#written
  }

  add(text: string): void {
    for (let i = 0; i < text.length; i++) this.push(text.charCodeAt(i))
    this.end()
  }

  take(): TextList {
    return new TextList(this.#texts, this.#units, this.#starts)
  }
}
