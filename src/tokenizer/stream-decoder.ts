// Token ids -> text as they come: holds back the bytes of a character until it is whole. Joined, the
// pieces are exactly decode() of all ids. Called by engine/tasks/generate.ts for every request.
import type { DecodeOptions, Tokenizer } from './tokenizer.ts'

export interface StreamDecoder {
  /** The text that this token completes; '' while a character is still open. */
  push(id: number): string
  /** What is left: U+FFFD for a character that never became whole. Ready for a new text afterwards. */
  flush(): string
}

/**
 * A decoder for one sequence of ids. A text that continues a prompt (an answer) wants
 * `continuation: true`: its first space belongs to it.
 */
export function createStreamDecoder(
  tokenizer: Tokenizer,
  options: DecodeOptions = {},
): StreamDecoder {
  const strips = tokenizer.stripsLeadingSpace === true && !options.continuation
  const utf8 = new TextDecoder('utf-8', { ignoreBOM: true })
  let atStart = true

  const bytesOf = (id: number): Uint8Array => {
    const bytes =
      options.special && tokenizer.isSpecial(id)
        ? new TextEncoder().encode(tokenizer.tokenText(id))
        : tokenizer.tokenBytes(id)
    // TextDecoder refuses views on shared memory.
    return bytes.buffer instanceof ArrayBuffer ? bytes : Uint8Array.from(bytes)
  }

  return {
    push(id) {
      let bytes = bytesOf(id)
      if (bytes.length === 0) return ''
      if (atStart && strips && bytes[0] === 0x20) bytes = bytes.subarray(1)
      atStart = false
      return utf8.decode(bytes, { stream: true })
    },
    flush() {
      atStart = true
      return utf8.decode()
    },
  }
}
