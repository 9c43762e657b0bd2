// File tensor -> backend layout, piece by piece. placement.ts says which layout; this streams into it where it
// can, and only float matrices and the scattered Hugging Face packing are staged whole.
// Separate scale tensors are the model loader's. Called by model/load-weights.ts.
import { RyzError } from '../errors.ts'
import type { I2sLayout } from '../types/index.ts'
import { asFloat, type FloatCodec, type TernaryCodec } from './codecs/codec.ts'
import { floatCodec } from './codecs/float-blocks.ts'
import { readFloat } from './codecs/half.ts'
import { unpackHfRow } from './codecs/hf-packed.ts'
import { I2S_TAIL, i2sCodec } from './codecs/i2s.ts'
import { Q2_0_64, Q2_0_128, TQ1_0, TQ2_0 } from './codecs/ternary-blocks.ts'
import { I2S_X86_TILES, type TileCodec, TQ2_0_TILES } from './codecs/tile-codecs.ts'
import { blockFeeder } from './layouts/block-feeder.ts'
import { type RowWriter, rowWriter } from './layouts/float-rows.ts'
import type { LayoutId } from './layouts/layout.ts'
import { movedRows } from './layouts/moved-rows.ts'
import {
  type MoverLayout,
  type MoverSource,
  moverRowBytes,
  type RowMover,
} from './layouts/row-mover.ts'
import { fillsTiles, tileWriter } from './layouts/tile-rows.ts'
import type { TensorInfo } from './model-file.ts'
import { type PlacementPolicy, placementOf } from './placement.ts'
import { type ByteSink, rowScales, t2Packer } from './ternary.ts'
import { transcodeFloatLinear } from './transcode-float.ts'
import type { Transcoded } from './transcoded.ts'

export interface TranscodePolicy extends PlacementPolicy {
  readonly i2sLayout: I2sLayout
}

export interface Transcoder {
  /** Takes the next bytes of the tensor, split anyhow; nothing of them is kept by reference. */
  push(bytes: Uint8Array): void
  /** @throws RyzError TRUNCATED | BAD_WEIGHTS */
  finish(): Transcoded
}

/** Asked after the layout was told; undefined where the backend has no way of its own. */
export type Movers = (source: MoverSource, layout: MoverLayout) => RowMover | undefined

/**
 * @param target called once with the layout; its sink gets every byte of the layout, padding included,
 *   at the latest in finish(). A vector is a row of rows*cols values in f32.
 * @param movers what the backend moves by itself, past the sink
 * @throws RyzError UNSUPPORTED_TYPE | BAD_TENSOR_INFO
 */
export function createTranscoder(
  info: TensorInfo,
  policy: TranscodePolicy,
  target: (layout: LayoutId) => ByteSink,
  movers: Movers = () => undefined,
): Transcoder {
  return counted(info, pick(info, policy, target, movers))
}

function pick(
  info: TensorInfo,
  policy: TranscodePolicy,
  target: (layout: LayoutId) => ByteSink,
  movers: Movers,
): Transcoder {
  const { type, name, rows, cols } = info
  const blocks = blockCodec(info)
  const placement = placementOf(info, policy)
  if (policy.role === 'linear' || placement.from !== 'values') {
    if (blocks) return ternaryBlocks(info, blocks, target('t2'), movers)
    if (type === 'I2_S') {
      const codec = i2sCodec(policy.i2sLayout, name, rows, cols)
      const published = policy.i2sLayout === 'x86'
      const read = i2sLinear(
        info,
        codec,
        published ? I2S_X86_TILES : undefined,
        target('t2'),
        movers,
      )
      return published ? read : blaming('i2sLayout', policy.i2sLayout, read)
    }
    if (type === 'HF_T2') return hfLinear(info, target('t2'))
    return staged(info, raw => transcodeFloatLinear(info, raw, placement, target))
  }
  const { layout } = placement
  const shape = policy.role === 'vector' ? [1, rows * cols] : [rows, cols]
  const sink = target(layout)
  const rounded = layout === 'i8' || layout === 'i4'
  if (rounded && (type === 'Q6_K' || type === 'Q8_0' || type === 'F16')) {
    const mover = movers(type, layout)
    if (mover) return movedTable(info, type, layout, mover)
  }
  const writer = rowWriter(layout, name, shape[0], shape[1], sink)
  const done = (): Transcoded => ({ layout, scales: writer.scales, scaleBlock: 0 })
  const judge = (codes: Uint8Array): void => requireCodes(info, codes)
  if (type === 'I2_S') {
    const codec = i2sCodec(policy.i2sLayout, name, rows, cols)
    return staged(info, raw => {
      const body = raw.subarray(0, raw.length - I2S_TAIL)
      const scale = i2sScale(info, raw)
      const scaled: TernaryCodec = { ...codec, decode: (...a) => codec.decode(...a) * scale }
      floatFeeder(asFloat(scaled, judge), writer).push(body)
      return done()
    })
  }
  const feeder = floatFeeder(
    blocks ? asFloat(blocks, judge) : floatCodec(type, rows * cols),
    writer,
  )
  return { push: feeder.push, finish: done }
}

function blockCodec(info: TensorInfo): TernaryCodec | undefined {
  switch (info.type) {
    case 'TQ1_0':
      return TQ1_0
    case 'TQ2_0':
      return TQ2_0
    case 'Q2_0_64':
      return Q2_0_64
    case 'Q2_0_128':
      return Q2_0_128
    default:
      return undefined
  }
}

/** Checks that exactly the tensor's bytes arrive. */
function counted(info: TensorInfo, inner: Transcoder): Transcoder {
  let taken = 0
  return {
    push(bytes) {
      taken += bytes.length
      if (taken > info.bytes) {
        throw new RyzError(
          'BAD_TENSOR_INFO',
          `${info.sourceName} got ${taken} of ${info.bytes} bytes`,
        )
      }
      inner.push(bytes)
    },
    finish() {
      if (taken !== info.bytes) {
        throw new RyzError(
          'TRUNCATED',
          `${info.sourceName} has ${taken} of ${info.bytes} bytes; download it again`,
        )
      }
      return inner.finish()
    },
  }
}

/** What is wrong here is most likely an option, and not the file. */
function blaming(option: string, value: string, inner: Transcoder): Transcoder {
  const told = <T>(work: () => T): T => {
    try {
      return work()
    } catch (caught) {
      if (!(caught instanceof RyzError) || caught.code !== 'BAD_WEIGHTS') throw caught
      const message = `${caught.message}, or the option ${option}: '${value}' is not how it was written`
      throw new RyzError('BAD_WEIGHTS', message, { ...caught.detail, option })
    }
  }
  return { push: bytes => told(() => inner.push(bytes)), finish: () => told(() => inner.finish()) }
}

function staged(info: TensorInfo, finish: (raw: Uint8Array) => Transcoded): Transcoder {
  const raw = new Uint8Array(info.bytes)
  let at = 0
  return {
    push(bytes) {
      raw.set(bytes, at)
      at += bytes.length
    },
    finish: () => finish(raw),
  }
}

function floatFeeder(codec: FloatCodec, writer: RowWriter) {
  return blockFeeder(codec.blockBytes, (src, at) => writer.decode(codec, src, at))
}

function badWeights(info: TensorInfo, what: string): RyzError {
  return new RyzError('BAD_WEIGHTS', `${info.sourceName} ${what}; the file is damaged`, {
    tensor: info.sourceName,
  })
}

function requireCodes(info: TensorInfo, codes: Uint8Array): void {
  // A wrong layout option shows here too: about one code in four would be 3.
  if (codes.includes(3)) throw codeThree(info)
}

function codeThree(info: TensorInfo): RyzError {
  return badWeights(info, 'holds the impossible ternary code 3')
}

/** Takes a block's codes to their tiles and returns its scale; throws BAD_WEIGHTS for a code 3. */
type BlockWriter = (src: Uint8Array, at: number) => number

/** @param tiled the word-wise twin of the codec, where there is one; used where rows are whole blocks */
function blockWriter(
  info: TensorInfo,
  codec: TernaryCodec,
  tiled: TileCodec | undefined,
  sink: ByteSink,
): BlockWriter {
  const { rows, cols } = info
  if (tiled && fillsTiles(tiled, cols)) {
    const write = tileWriter(tiled, rows, cols, sink)
    return (src, at) => {
      const scale = tiled.scale?.(src, at) ?? 1
      if (write(src, at, scale === 0)) throw codeThree(info)
      return scale
    }
  }
  const packer = t2Packer(rows, cols, sink)
  const codes = new Uint8Array(codec.blockElems)
  return (src, at) => {
    const scale = codec.decode(src, at, codes, 0)
    if (scale === 0) codes.fill(1)
    else requireCodes(info, codes)
    packer.add(codes, codes.length)
    return scale
  }
}

/** What the mover refused, found again block by block. */
function explainBlocks(info: TensorInfo, codec: TernaryCodec) {
  const codes = new Uint8Array(codec.blockElems)
  return (rows: Uint8Array, first: number): never => {
    const block = (first * info.cols) / codec.blockElems
    for (let i = 0; i * codec.blockBytes < rows.length; i++) {
      const scale = codec.decode(rows, i * codec.blockBytes, codes, 0)
      if (scale !== 0) requireCodes(info, codes)
      requireScale(info, scale, block + i)
    }
    throw badWeights(info, `could not be read from row ${first} on`)
  }
}

function requireScale(info: TensorInfo, scale: number, block: number): void {
  if (!Number.isFinite(scale)) throw badWeights(info, `has the scale ${scale} in block ${block}`)
}

const NOWHERE: ByteSink = { write: () => undefined }

function movedTable(
  info: TensorInfo,
  type: 'Q6_K' | 'Q8_0' | 'F16',
  layout: 'i8' | 'i4',
  mover: RowMover,
): Transcoder {
  const { name, rows, cols } = info
  const scales = new Float32Array(rows)
  const push = movedRows(mover, rows, moverRowBytes(type, cols)!, {
    keep: (found, first) => scales.set(found, first),
    explain(bytes, first) {
      const writer = rowWriter(layout, name, rows, cols, NOWHERE, first)
      floatFeeder(floatCodec(type, rows * cols), writer).push(bytes)
      throw badWeights(info, `could not be read from row ${first} on`)
    },
  })
  return { push, finish: () => ({ layout, scales, scaleBlock: 0 }) }
}

function ternaryBlocks(
  info: TensorInfo,
  codec: TernaryCodec,
  sink: ByteSink,
  movers: Movers,
): Transcoder {
  const { rows, cols } = info
  const blockScales = new Float32Array((rows * cols) / codec.blockElems)
  const mover = codec === TQ2_0 ? movers('TQ2_0', 't2') : undefined
  let push: (bytes: Uint8Array) => void
  if (mover) {
    const perRow = cols / codec.blockElems
    push = movedRows(mover, rows, moverRowBytes('TQ2_0', cols)!, {
      keep: (found, first) => blockScales.set(found, first * perRow),
      explain: explainBlocks(info, codec),
    })
  } else {
    const write = blockWriter(info, codec, codec === TQ2_0 ? TQ2_0_TILES : undefined, sink)
    let block = 0
    push = blockFeeder(codec.blockBytes, (src, at) => {
      const scale = write(src, at)
      requireScale(info, scale, block)
      blockScales[block++] = scale
    }).push
  }
  return {
    push,
    finish() {
      const perRow = rowScales(blockScales, rows)
      return perRow
        ? { layout: 't2', scales: perRow, scaleBlock: 0 }
        : { layout: 't2', scales: blockScales, scaleBlock: codec.blockElems as 64 | 128 | 256 }
    },
  }
}

function i2sScale(info: TensorInfo, tail: Uint8Array): number {
  const scale = readFloat(tail, tail.length - I2S_TAIL)
  if (!Number.isFinite(scale)) throw badWeights(info, `has the scale ${scale}`)
  return scale
}

function i2sLinear(
  info: TensorInfo,
  codec: TernaryCodec,
  tiled: TileCodec | undefined,
  sink: ByteSink,
  movers: Movers,
): Transcoder {
  const mover = tiled && movers('I2_S', 't2')
  const pushBody = mover
    ? movedRows(mover, info.rows, moverRowBytes('I2_S', info.cols)!, {
        keep: () => undefined,
        explain: explainBlocks(info, codec),
      })
    : blockFeeder(codec.blockBytes, blockWriter(info, codec, tiled, sink)).push
  const tail = new Uint8Array(I2S_TAIL)
  const bodyBytes = info.bytes - I2S_TAIL
  let taken = 0
  return {
    push(bytes) {
      const body = Math.min(bytes.length, Math.max(bodyBytes - taken, 0))
      pushBody(bytes.subarray(0, body))
      tail.set(bytes.subarray(body), Math.max(taken - bodyBytes, 0))
      taken += bytes.length
    },
    finish: () => ({
      layout: 't2',
      scales: new Float32Array(info.rows).fill(i2sScale(info, tail)),
      scaleBlock: 0,
    }),
  }
}

/** Scales are 1: the file keeps the real one in a tensor of its own. */
function hfLinear(info: TensorInfo, sink: ByteSink): Transcoder {
  const { rows, cols } = info
  return staged(info, packed => {
    const packer = t2Packer(rows, cols, sink)
    const codes = new Uint8Array(cols)
    for (let row = 0; row < rows; row++) {
      unpackHfRow(packed, rows, cols, row, codes)
      requireCodes(info, codes)
      packer.add(codes, cols)
    }
    return { layout: 't2', scales: new Float32Array(rows).fill(1), scaleBlock: 0 }
  })
}
