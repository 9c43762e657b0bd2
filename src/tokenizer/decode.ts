// From ids to text, a slice at a time. Bytes of several tokens may make one character, so they are
// joined before they are decoded. Called by assemble.ts and stream-decoder.ts.
import type { TokenTable } from './token-table.ts'
import type { DecodeOptions } from './tokenizer.ts'

/** Bytes that are decoded at once. */
const CHUNK_BYTES = 1 << 15

/**
 * The text of ids in pieces; incomplete UTF-8 becomes U+FFFD.
 * @param strips  the space that encode() puts before a text is taken off again, unless it continues one
 * @throws RyzError BAD_OPTION for what is no id
 */
export function* decodeInSlices(
  table: TokenTable,
  ids: ArrayLike<number>,
  strips: boolean,
  options: DecodeOptions,
): Generator<string, void> {
  const decoder = new TextDecoder('utf-8', { ignoreBOM: true })
  const encoder = new TextEncoder()
  let bytes = new Uint8Array(CHUNK_BYTES)
  let length = 0
  let strip = strips && !options.continuation
  for (let i = 0; i < ids.length; i++) {
    const id = ids[i]!
    let token =
      options.special && table.isSpecial(id) ? encoder.encode(table.text(id)) : table.bytes(id)
    if (token.length === 0) continue
    if (strip && token[0] === 0x20) token = token.subarray(1)
    strip = false
    if (length + token.length > bytes.length) {
      yield decoder.decode(bytes.subarray(0, length), { stream: true })
      length = 0
      if (token.length > bytes.length) bytes = new Uint8Array(token.length)
    }
    bytes.set(token, length)
    length += token.length
    // A long row of tokens without bytes takes its time, too.
    if ((i & 0x3fff) === 0x3fff) yield ''
  }
  yield decoder.decode(bytes.subarray(0, length))
}
