// The printable stand-ins that byte-level vocabularies use for raw bytes (GPT-2's table): bytes that
// print as themselves keep their code point, the other 68 become U+0100, U+0101, ... in order.

import type { ByteList } from './byte-list.ts'

const CHAR_OF_BYTE: string[] = []
/** The last of the 68 is U+0143. */
const BYTE_OF_UNIT = new Int16Array(0x144).fill(-1)

function printsAsItself(byte: number): boolean {
  return (byte >= 0x21 && byte <= 0x7e) || (byte >= 0xa1 && byte <= 0xff && byte !== 0xad)
}

for (let byte = 0, next = 0x100; byte < 256; byte++) {
  const char = String.fromCharCode(printsAsItself(byte) ? byte : next++)
  CHAR_OF_BYTE.push(char)
  BYTE_OF_UNIT[char.charCodeAt(0)] = byte
}

/** The stand-in of each byte, as a UTF-16 unit. */
export const UNIT_OF_BYTE = Uint16Array.from(CHAR_OF_BYTE, char => char.charCodeAt(0))

/** The stand-in character of a byte. */
export function byteToChar(byte: number): string {
  return CHAR_OF_BYTE[byte]
}

/** Whether a vocabulary has a token for each byte alone, so that no text is lost. */
export function hasEveryByte(index: { idOf(text: string): number | undefined }): boolean {
  return CHAR_OF_BYTE.every(char => index.idOf(char) !== undefined)
}

/** Bytes written in stand-in characters, as vocabulary entries are. */
export function bytesToChars(bytes: Uint8Array): string {
  let chars = ''
  for (const byte of bytes) chars += CHAR_OF_BYTE[byte]
  return chars
}

/** Appends the bytes of a vocabulary entry; a character outside the table stands for its own UTF-8. */
export function pushCharBytes(chars: string, to: ByteList): void {
  for (const char of chars) {
    const byte = BYTE_OF_UNIT[char.charCodeAt(0)] ?? -1
    if (byte < 0) to.pushText(char)
    else to.push(byte)
  }
}

/** The same of an entry in UTF-16 units [from, to): no string is made of it. */
export function pushUnitBytes(units: Uint16Array, from: number, to: number, list: ByteList): void {
  for (let at = from; at < to; at++) {
    const byte = BYTE_OF_UNIT[units[at]] ?? -1
    if (byte >= 0) {
      list.push(byte)
      continue
    }
    const pair =
      at + 1 < to && (units[at] & 0xfc00) === 0xd800 && (units[at + 1] & 0xfc00) === 0xdc00
    const end = pair ? at + 2 : at + 1
    list.pushUnits(units, at, end)
    at = end - 1
  }
}
