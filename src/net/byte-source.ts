// Random access to the bytes of one file: the shape that container readers, the network and the store share.

/** One file: over HTTP, in the store, a File or a Blob. */
export interface ByteSource {
  /** File name or URL, for messages. */
  readonly name: string
  /** Total bytes; undefined until known. */
  readonly size: number | undefined
  /** The user chose this file: it is no server's answer for a file that is missing. */
  readonly local?: boolean
  /** How the server answered, for the message about a file that is no model; undefined where nothing is odd. */
  readonly origin?: string
  /**
   * Streams bytes [start, end) in order, in pieces of any size; ends early only with an error.
   * A piece may be reused for the next one: copy what must last.
   * @throws RyzError NETWORK | TRUNCATED | ABORTED
   */
  stream(start: number, end: number | undefined, signal?: AbortSignal): AsyncIterable<Uint8Array>
}
