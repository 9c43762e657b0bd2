// The command line of `npm run synth`, checked and with its defaults filled in.
import { parseArgs } from 'node:util'
import { ENCODINGS, type EncodingName } from './encode.ts'
import type { SynthOptions } from './model.ts'
import { type Architecture, SHAPES, type Shape, type ShapeName } from './shapes.ts'

export const USAGE = `npm run synth -- --shape SHAPE --type TYPE --out FILE [options]
  --shape   ${Object.keys(SHAPES).join(' | ')}
  --type    ${Object.keys(ENCODINGS).join(' | ')}   type of the matrices
  --table   the same names, from q6_k on: type of embedding table and head
            (default f16 with i2_s, f16 and f32; q6_k with the others where the width allows it, else q8_0)
  --arch    bitnet | bitnet-b1.58 | llama   instead of the shape's own (llama.cpp knows bitnet and llama)
  --values  ternary (default) | normal      normal: an unquantised network, for q6_k, q8_0, f16 and f32
  --layers  fewer layers than the shape has
  --seed    32-bit number, default 1`

const ARCHITECTURES: readonly Architecture[] = ['bitnet', 'bitnet-b1.58', 'llama']

export interface SynthArguments extends SynthOptions {
  readonly out: string
}

/** @throws Error that says what is wrong with the arguments */
export function readArguments(argv: readonly string[]): SynthArguments {
  const { values } = parseArgs({
    args: [...argv],
    options: {
      shape: { type: 'string' },
      type: { type: 'string' },
      table: { type: 'string' },
      arch: { type: 'string' },
      values: { type: 'string', default: 'ternary' },
      layers: { type: 'string' },
      seed: { type: 'string', default: '1' },
      out: { type: 'string' },
    },
  })
  const shapeName = oneOf('--shape', values.shape, Object.keys(SHAPES)) as ShapeName
  const type = oneOf('--type', values.type, Object.keys(ENCODINGS)) as EncodingName
  const shape = withLayers(SHAPES[shapeName], values.layers)
  if (!values.out) throw new Error('--out FILE is missing')
  const table = values.table ?? defaultTable(type, shape)
  return {
    shapeName,
    shape,
    type,
    table: oneOf('--table', table, Object.keys(ENCODINGS)) as EncodingName,
    arch: values.arch && (oneOf('--arch', values.arch, ARCHITECTURES) as Architecture),
    values: oneOf('--values', values.values, ['ternary', 'normal']) as 'ternary' | 'normal',
    seed: wholeNumber('--seed', values.seed),
    out: values.out,
  } as SynthArguments
}

function withLayers(shape: Shape, layers: string | undefined): Shape {
  return layers === undefined ? shape : { ...shape, layers: wholeNumber('--layers', layers) }
}

function defaultTable(type: EncodingName, shape: Shape): EncodingName {
  if (type === 'i2_s' || type === 'f16') return 'f16'
  if (type === 'f32') return 'f32'
  return shape.hidden % ENCODINGS.q6_k.blockElems === 0 ? 'q6_k' : 'q8_0'
}

function oneOf(option: string, value: string | undefined, allowed: readonly string[]): string {
  if (value !== undefined && allowed.includes(value)) return value
  throw new Error(`${option} is ${value ?? 'missing'}; it must be one of ${allowed.join(', ')}`)
}

function wholeNumber(option: string, text: string): number {
  const value = Number(text)
  if (Number.isInteger(value) && value >= 0 && value <= 0xffffffff) return value
  throw new Error(`${option} is ${text}; it must be a whole number of at most 32 bits`)
}
