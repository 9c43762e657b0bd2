// The load options that both pages offer in selects: their values, and how a select is filled. The first
// choice of each is "automatic".
import {
  type ActivationMode,
  BACKENDS,
  type HeadType,
  type I2sLayout,
  type KernelVariant,
  type KvType,
} from 'ryzanstein'
import { byId } from './dom.ts'

const VARIANTS: readonly KernelVariant[] = ['relaxed', 'relaxed-i32', 'simd128', 'scalar']
const KV_TYPES: readonly KvType[] = ['f32', 'f16', 'int8', 'int4']
/** 'file' is what strict gives. */
const HEADS: readonly Exclude<HeadType, 'file'>[] = ['int8', 'int4']
const ACTIVATIONS: readonly ActivationMode[] = ['int8', 'float']
const I2S_LAYOUTS: readonly I2sLayout[] = ['x86', 'arm', 'rows4', 'sequential']

export const CHOICES = {
  backend: BACKENDS,
  variant: VARIANTS,
  kv: KV_TYPES,
  head: HEADS,
  activations: ACTIVATIONS,
  i2sLayout: I2S_LAYOUTS,
} as const

/** @param automatic  value of the first choice */
export function fillSelect(id: string, values: readonly string[], automatic: string): void {
  const first = new Option('automatic', automatic)
  byId(id, HTMLSelectElement).replaceChildren(first, ...values.map(value => new Option(value)))
}
