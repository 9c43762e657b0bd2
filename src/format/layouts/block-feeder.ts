// Cuts a byte stream, split anyhow, into blocks of a fixed size without copying those that arrive whole.
// Used by transcode.ts; knows nothing of what a block holds.

export interface BlockFeeder {
  push(bytes: Uint8Array): void
}

/** @param onBlock gets each block in order, as bytes at an offset that are valid during the call */
export function blockFeeder(
  blockBytes: number,
  onBlock: (src: Uint8Array, at: number) => void,
): BlockFeeder {
  const partial = new Uint8Array(blockBytes)
  let held = 0
  return {
    push(bytes) {
      let at = 0
      if (held > 0) {
        at = Math.min(blockBytes - held, bytes.length)
        partial.set(bytes.subarray(0, at), held)
        held += at
        if (held < blockBytes) return
        onBlock(partial, 0)
        held = 0
      }
      for (; at + blockBytes <= bytes.length; at += blockBytes) onBlock(bytes, at)
      partial.set(bytes.subarray(at), 0)
      held = bytes.length - at
    },
  }
}
