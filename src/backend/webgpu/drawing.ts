// What drawing tokens takes besides shaders: how top.wgsl and draw.wgsl are told the settings of each row, and the
// memory between the two. Owned by webgpu-backend.ts.
import type { Drawing, Slot } from '../backend.ts'
import { MOST_DRAWN } from '../backend.ts'
import type { Buffers } from './buffers.ts'

/** Words of a row of the settings. */
export const DRAW_SETTINGS = 5
/** Logits of a workgroup of top.wgsl, and the words that it leaves of them. */
export const DRAW_PIECE = 2048
const PIECE_WORDS = 130
/** Of the first word: the mass is that of the whole row, whatever the best hold of it. */
const WHOLE = 0x80000000

/** Bytes of the memory between top.wgsl and draw.wgsl. */
export function drawingBytes(vocab: number, rows: number): number {
  return 4 * PIECE_WORDS * rows * Math.ceil(vocab / DRAW_PIECE)
}

export class Drawings {
  readonly #buffers: Buffers
  readonly #words: Uint32Array<ArrayBuffer>
  readonly #floats: Float32Array
  readonly #pieces = new Map<Slot, GPUBuffer>()

  constructor(buffers: Buffers, maxRows: number) {
    this.#buffers = buffers
    this.#words = new Uint32Array(DRAW_SETTINGS * maxRows)
    this.#floats = new Float32Array(this.#words.buffer)
  }

  /** Buffers made here. */
  get count(): number {
    return this.#pieces.size
  }

  /** The settings of the first rows; valid until the next call. */
  settings(drawings: readonly Drawing[], count: number): Uint32Array {
    for (let r = 0; r < count; r++) {
      const { temperature, topK, topP, minP, random } = drawings[r]!
      const at = DRAW_SETTINGS * r
      this.#words[at] = temperature === 0 ? 1 : topK > 0 ? topK : WHOLE + MOST_DRAWN
      this.#floats[at + 1] = temperature
      this.#floats[at + 2] = topP
      this.#floats[at + 3] = minP
      this.#floats[at + 4] = random
    }
    return this.#words
  }

  /** The memory between the two dispatches; made when these logits are drawn from first. */
  piecesOf(logits: Slot, vocab: number, rows: number): GPUBuffer {
    let pieces = this.#pieces.get(logits)
    if (pieces === undefined) {
      pieces = this.#buffers.create(drawingBytes(vocab, rows), 'best logits')
      this.#pieces.set(logits, pieces)
    }
    return pieces
  }

  destroy(): void {
    for (const buffer of this.#pieces.values()) buffer.destroy()
    this.#pieces.clear()
  }
}
