// The bytes of a saved session: KV blocks of a text's beginning, in the one order of all backends
// (backend.ts), bound to the model and the token ids they belong to. Little-endian throughout:
//   'RYZSESS2' | checksum, 16 hex digits | u32 header bytes | header, JSON | ids, i32 each | blocks
// The checksum covers everything behind it. Pure; called by sessions.ts.
import { KV_BLOCK } from '../../backend/backend.ts'
import { RyzError } from '../../errors.ts'
import type { ActivationMode, HeadType, KvType } from '../../types/index.ts'
import { Checksum } from './checksum.ts'

const MAGIC = 'RYZSESS2'
const PREFIX_BYTES = 28
const MAX_HEADER_BYTES = 4096

/** What blocks depend on beside the tokens. */
export interface SessionFacts {
  /** A checksum of the logits that the model gives to a few tokens of its own choice. */
  readonly model: string
  readonly kv: KvType
  readonly activations: ActivationMode
  readonly strict: boolean
  readonly head: HeadType
  readonly blockBytes: number
}

interface Header extends SessionFacts {
  readonly blocks: number
}

/** A session being read: its blocks come one by one, and `verify` tells whether all were right. */
export interface SessionReader {
  readonly tokens: readonly number[]
  readonly blocks: number
  readBlock(index: number): Promise<Uint8Array>
  /** After the last block. @throws RyzError BAD_OPTION */
  verify(): void
}

/** Writes a session; each block is handed over to the browser's blob storage at once. */
export async function writeSession(
  facts: SessionFacts,
  tokens: readonly number[],
  blocks: number,
  readBlock: (index: number) => Promise<Uint8Array>,
): Promise<Blob> {
  const text = JSON.stringify({ ...facts, blocks } satisfies Header)
  const header = new TextEncoder().encode(text.padEnd(Math.ceil(text.length / 4) * 4))
  const length = Uint32Array.of(header.length)
  const ids = Int32Array.from(tokens.slice(0, blocks * KV_BLOCK))
  const sum = new Checksum()
  for (const part of [length, header, ids]) sum.add(part)
  const parts: Blob[] = []
  for (let i = 0; i < blocks; i++) {
    const bytes = await readBlock(i)
    sum.add(bytes)
    parts.push(new Blob([bytes as Uint8Array<ArrayBuffer>]))
  }
  return new Blob([MAGIC, sum.hex, length, header, ids, ...parts])
}

/**
 * Reads what stands before the blocks and holds it against the model that runs.
 * @throws RyzError BAD_OPTION naming what is damaged or differs
 */
export async function openSession(data: Blob, facts: SessionFacts): Promise<SessionReader> {
  const prefix = await bytesOf(data, 0, PREFIX_BYTES)
  const text = new TextDecoder('latin1').decode(prefix)
  if (prefix.length < PREFIX_BYTES || !text.startsWith(MAGIC)) {
    if (text.startsWith(MAGIC.slice(0, -1))) {
      throw bad('the session was saved by another version', 'delete it and begin anew')
    }
    throw bad('the data is no saved session', 'pass what saveSession() gave')
  }
  const length = new Uint32Array(prefix.slice(24).buffer)
  const damaged = () => bad('the saved session is damaged', 'delete it and begin anew')
  if (length[0]! > MAX_HEADER_BYTES || length[0]! % 4 !== 0) throw damaged()
  const headerBytes = await bytesOf(data, PREFIX_BYTES, length[0]!)
  const header = parseHeader(headerBytes)
  if (header === undefined) throw damaged()
  compare(header, facts)
  const idsAt = PREFIX_BYTES + headerBytes.length
  const blocksAt = idsAt + 4 * KV_BLOCK * header.blocks
  if (data.size !== blocksAt + header.blocks * facts.blockBytes) throw damaged()
  const ids = new Int32Array((await bytesOf(data, idsAt, blocksAt - idsAt)).buffer)
  const sum = new Checksum()
  for (const part of [length, headerBytes, ids]) sum.add(part)
  return {
    tokens: Array.from(ids),
    blocks: header.blocks,
    async readBlock(index) {
      const bytes = await bytesOf(data, blocksAt + index * facts.blockBytes, facts.blockBytes)
      sum.add(bytes)
      return bytes
    },
    verify() {
      if (sum.hex !== text.slice(8, 24)) throw damaged()
    },
  }
}

async function bytesOf(data: Blob, at: number, length: number): Promise<Uint8Array> {
  try {
    return new Uint8Array(await data.slice(at, at + length).arrayBuffer())
  } catch (cause) {
    const why = cause instanceof Error ? cause.message : String(cause)
    throw bad(`the saved session cannot be read (${why})`, 'delete it and begin anew', {}, cause)
  }
}

function parseHeader(bytes: Uint8Array): Header | undefined {
  try {
    const header = JSON.parse(new TextDecoder().decode(bytes)) as Header
    return Number.isInteger(header.blocks) && header.blocks > 0 ? header : undefined
  } catch {
    return undefined // the caller says what is wrong
  }
}

function compare(saved: Header, here: SessionFacts): void {
  const names: Record<Exclude<keyof SessionFacts, 'blockBytes'>, string> = {
    kv: 'KV type',
    activations: 'activations',
    strict: 'strict mode',
    head: 'head type',
    model: 'model',
  }
  for (const key of ['kv', 'activations', 'strict', 'head', 'model'] as const) {
    if (saved[key] === here[key]) continue
    const [was, is] = [String(saved[key]), String(here[key])]
    throw bad(
      `the session was saved with another ${names[key]} (${was}, here ${is})`,
      'load the model with the options it was saved with, or begin anew',
      { differs: key, saved: was, here: is },
    )
  }
  if (saved.blockBytes !== here.blockBytes) {
    throw bad('the saved session has KV blocks of another size', 'begin anew', {
      differs: 'blockBytes',
    })
  }
}

function bad(
  what: string,
  then: string,
  detail: Record<string, string> = {},
  cause?: unknown,
): RyzError {
  const options = cause === undefined ? undefined : { cause }
  return new RyzError('BAD_OPTION', `${what}; ${then}`, { option: 'session', ...detail }, options)
}
