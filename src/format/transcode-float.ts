// A linear matrix of a float (or general quantised) type, staged whole: already ternary, a master to be
// rounded by absmean (BitNet b1.58, Ma et al. 2024), or plain float. Called by transcode.ts.
import { RyzError } from '../errors.ts'
import { floatCodec } from './codecs/float-blocks.ts'
import { rowWriter } from './layouts/float-rows.ts'
import type { LayoutId } from './layouts/layout.ts'
import type { TensorInfo } from './model-file.ts'
import type { Placement } from './placement.ts'
import { type ByteSink, t2Packer } from './ternary.ts'
import type { Transcoded } from './transcoded.ts'

interface Survey {
  /** Every value is -magnitude, 0 or +magnitude. */
  readonly ternary: boolean
  readonly magnitude: number
  readonly meanMagnitude: number
}

/** @param raw all bytes of the tensor */
export function transcodeFloatLinear(
  info: TensorInfo,
  raw: Uint8Array,
  placement: Placement,
  target: (layout: LayoutId) => ByteSink,
): Transcoded {
  const { name, type, rows, cols } = info
  const survey = surveyValues(info, raw)
  if (survey.ternary && placement.mayBeTernary)
    return toTernary(info, raw, survey.magnitude, target('t2'))
  if (placement.from !== 'values') {
    const scale = Math.max(survey.meanMagnitude, 1e-5)
    const note = 'float master weights were rounded to ternary by absmean'
    return { ...toTernary(info, raw, scale, target('t2')), note }
  }
  const { layout } = placement
  const writer = rowWriter(layout, name, rows, cols, target(layout))
  forEachBlock(info, raw, values => writer.add(values, values.length))
  return { layout, scaleBlock: 0, note: `${name} (${type}) is not ternary and stays ${layout}` }
}

function forEachBlock(
  info: TensorInfo,
  raw: Uint8Array,
  visit: (values: Float32Array) => void,
): void {
  const codec = floatCodec(info.type, info.rows * info.cols)
  const values = new Float32Array(codec.blockElems)
  for (let at = 0; at < raw.length; at += codec.blockBytes) {
    codec.decode(raw, at, values, 0)
    visit(values)
  }
}

function surveyValues(info: TensorInfo, raw: Uint8Array): Survey {
  let ternary = true
  let magnitude = 0
  let sum = 0
  forEachBlock(info, raw, values => {
    for (let i = 0; i < values.length; i++) {
      const m = Math.abs(values[i])
      sum += m
      if (m === magnitude || m === 0) continue
      if (magnitude === 0) magnitude = m
      else ternary = false
    }
  })
  if (!Number.isFinite(sum)) {
    throw new RyzError(
      'BAD_WEIGHTS',
      `${info.sourceName} holds values that are not finite; the file is damaged`,
      { tensor: info.sourceName },
    )
  }
  return { ternary, magnitude, meanMagnitude: sum / (info.rows * info.cols) }
}

/** codes = clip(round-half-even(w / scale)) + 1; only 0.5 itself is a tie, and it goes to 0. */
function toTernary(info: TensorInfo, raw: Uint8Array, scale: number, sink: ByteSink): Transcoded {
  const packer = t2Packer(info.rows, info.cols, sink)
  let codes = new Uint8Array(0)
  forEachBlock(info, raw, values => {
    if (codes.length !== values.length) codes = new Uint8Array(values.length)
    for (let i = 0; i < values.length; i++) {
      const q = scale === 0 ? 0 : values[i] / scale
      codes[i] = q > 0.5 ? 2 : q < -0.5 ? 0 : 1
    }
    packer.add(codes, codes.length)
  })
  return { layout: 't2', scales: new Float32Array(info.rows).fill(scale), scaleBlock: 0 }
}
