// The bytes of a wasm module with one function, read(from, to): reads memory 128 bytes a turn with SIMD
// and folds it into one number, so that nothing is optimised away. The roofline of a decode is how fast
// weights can be read at all. Built here byte by byte: 100 bytes need no tool chain.

const I32 = 0x7f
const V128 = 0x7b
const LOADS = 8
const STEP = LOADS * 16

function section(id: number, ...body: number[]): number[] {
  return [id, ...leb(body.length), ...body]
}

/** Unsigned LEB128. */
export function leb(value: number): number[] {
  const out: number[] = []
  let rest = value
  do {
    const low = rest & 127
    rest >>>= 7
    out.push(rest === 0 ? low : low | 128)
  } while (rest !== 0)
  return out
}

function name(text: string): number[] {
  return [text.length, ...new TextEncoder().encode(text)]
}

/** @param maxPages of the imported memory; @param shared it is a shared one */
export function readKernel(maxPages: number, shared: boolean): Uint8Array<ArrayBuffer> {
  const local = { from: 0, to: 1, first: 2 }
  const turn: number[] = []
  for (let i = 0; i < LOADS; i++) {
    const sum = local.first + (i % 4)
    // sum |= memory[from + 16 i]
    turn.push(0x20, sum, 0x20, local.from, 0xfd, 0x00, 4, ...leb(i * 16), 0xfd, 0x50, 0x21, sum)
  }
  const or = (a: number, b: number) => [0x20, a, 0x20, b, 0xfd, 0x50]
  const code = [
    ...[1, 4, V128], // four locals
    ...[0x03, 0x40, ...turn], // loop
    // A constant is signed LEB128, which is the same for 128.
    ...[0x20, local.from, 0x41, ...leb(STEP)],
    ...[0x6a, 0x22, local.from, 0x20, local.to, 0x49, 0x0d, 0, 0x0b], // from += STEP; again if from < to
    ...or(local.first, local.first + 1),
    ...or(local.first + 2, local.first + 3),
    ...[0xfd, 0x50, 0xfd, 0x1b, 0, 0x0b], // lane 0 of all four; end
  ]
  return Uint8Array.from([
    ...[0x00, 0x61, 0x73, 0x6d, 1, 0, 0, 0],
    ...section(1, 1, 0x60, 2, I32, I32, 1, I32),
    ...section(2, 1, ...name('e'), ...name('m'), 2, shared ? 3 : 1, ...leb(1), ...leb(maxPages)),
    ...section(3, 1, 0),
    ...section(7, 1, ...name('read'), 0, 0),
    ...section(10, 1, ...leb(code.length), ...code),
  ])
}
