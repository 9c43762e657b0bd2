// One decision for plan and transcoder: what is planned is what a tensor then becomes, for every type, role and
// option; and what a backend does not take is not given to it.
import { describe, expect, test } from 'vitest'
import { TYPE_SIZES, typeBytes } from '../../src/format/gguf/types.ts'
import type { LayoutId } from '../../src/format/layouts/layout.ts'
import type { TensorType } from '../../src/format/model-file.ts'
import { placedBytes, placementOf, type Role } from '../../src/format/placement.ts'
import type { HeadType } from '../../src/types/index.ts'
import { failure, tensor, transcode } from './fixtures.ts'

const ROWS = 8
const COLS = 256
const TYPES = Object.keys(TYPE_SIZES) as TensorType[]
const cases = TYPES.flatMap(type =>
  (['linear', 'table', 'vector'] as Role[]).flatMap(role =>
    (['int8', 'int4', 'file'] as HeadType[]).flatMap(head =>
      [false, true].map(masters => ({ type, role, head, masters })),
    ),
  ),
)

describe('a tensor becomes what its placement says', () => {
  test.each(cases)('$type as $role, head $head, masters $masters', ({ type, ...policy }) => {
    const info = tensor(type, ROWS, COLS, typeBytes(type, ROWS * COLS)!, 't')
    const raw = new Uint8Array(info.bytes)
    // Zeros are ternary; float types get values that are not.
    if (['F32', 'F16', 'BF16'].includes(type)) {
      raw.fill(0x3c)
      raw.fill(0x3d, 16)
    }
    let placement: ReturnType<typeof placementOf>
    try {
      placement = placementOf(info, policy)
    } catch (caught) {
      expect(caught).toMatchObject({ code: 'UNSUPPORTED_TYPE' })
      expect(() => transcode(info, raw, policy)).toThrow((caught as Error).message)
      return
    }
    const { layout, scales, bytes } = transcode(info, raw, policy)
    const found = layout === 't2' && placement.mayBeTernary
    if (!found) expect(layout).toBe(placement.layout)
    const taken = bytes.length + (scales?.byteLength ?? 0)
    const planned = policy.role === 'vector' ? 4 * ROWS * COLS : placedBytes(placement, ROWS, COLS)
    expect(taken).toBeLessThanOrEqual(planned)
    if (!found) expect(bytes.length).toBe(planned - 4 * ROWS * scalesOf(placement, layout))
  })

  function scalesOf(p: ReturnType<typeof placementOf>, layout: LayoutId): number {
    if (layout === 'f16' || layout === 'f32') return 0
    return p.scaleBlock ? COLS / p.scaleBlock : 1
  }
})

describe('what a backend does not take', () => {
  const info = { type: 'F16' as const, cols: COLS, sourceName: 't' }
  const without =
    (...refused: LayoutId[]) =>
    (layout: LayoutId) =>
      !refused.includes(layout)

  test('f16 becomes f32', () => {
    const accepts = without('f16')
    const linear = placementOf(info, { role: 'linear', head: 'int8', masters: false, accepts })
    const table = placementOf(info, { role: 'table', head: 'file', masters: false, accepts })
    expect([linear.layout, table.layout]).toEqual(['f32', 'f32'])
  })

  test('a head that was asked for is refused by name, and the option is to blame', async () => {
    const accepts = without('i4')
    const error = await failure('UNSUPPORTED_FEATURE', () =>
      placementOf(info, { role: 'table', head: 'int4', masters: false, accepts }),
    )
    expect(error.detail.option).toBe('head')
  })
})
