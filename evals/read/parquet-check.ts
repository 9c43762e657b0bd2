// Whether the counts and places of a Parquet file can be: hyparquet trusts them, and over a damaged one it goes on
// until memory is gone. Reads the headers of pages in Thrift's compact protocol, as parquet.thrift describes them.
import type { FileMetaData } from 'hyparquet'

/** Values of one row (a list) at most. */
const VALUES_PER_ROW = 100_000

/** @throws Error, or RangeError past the end, for what cannot be */
export function checkParquet({ num_rows, row_groups }: FileMetaData, bytes: Uint8Array): void {
  let rows = 0
  for (const group of row_groups) {
    const own = within(group.num_rows, 'rows of a group', Number.MAX_SAFE_INTEGER)
    rows += own
    for (const { meta_data } of group.columns) {
      if (!meta_data) throw new Error('a column is not described')
      const { num_values, total_compressed_size, total_uncompressed_size } = meta_data
      const values = within(num_values, 'values of a column', own * VALUES_PER_ROW)
      const size = within(total_compressed_size, 'bytes of a column', bytes.length)
      const whole = within(total_uncompressed_size, 'unpacked bytes of a column', 2 ** 31)
      const data = within(meta_data.data_page_offset, 'place of a page', bytes.length - size)
      const first = meta_data.dictionary_page_offset
      const start = first ? within(first, 'place of a dictionary', data) : data
      checkPages(bytes.subarray(start, start + size), values, whole)
    }
  }
  if (rows !== Number(num_rows)) throw new Error(`${num_rows} rows are said, groups have ${rows}`)
}

/** Pages fill their column, and their values are those of the column. */
function checkPages(column: Uint8Array, values: number, whole: number): void {
  const view = new DataView(column.buffer, column.byteOffset, column.byteLength)
  let at = 0
  let found = 0
  while (at < column.length) {
    const numbers = new Map<string, number>()
    at = readStruct(view, at, '', numbers, 0)
    const of = (path: string) => numbers.get(path)
    within(of('2'), 'unpacked bytes of a page', whole)
    at += within(of('3'), 'bytes of a page', column.length - at)
    const kind = within(of('1'), 'kind of a page', 3)
    if (kind === 2) within(of('7.1'), 'values of a dictionary', Math.max(values, whole))
    if (kind !== 0 && kind !== 3) continue
    const second = kind === 3
    found += within(of(second ? '8.1' : '5.1'), 'values of a page', values - found)
    if (!second) continue
    within(of('8.2'), 'empty values of a page', values)
    within(of('8.3'), 'rows of a page', values)
    for (const path of ['8.5', '8.6']) within(of(path), 'bytes of levels', column.length)
  }
  if (found !== values) throw new Error(`a column of ${values} values has ${found}`)
}

function within(value: unknown, what: string, most: number): number {
  const number = typeof value === 'bigint' || typeof value === 'number' ? Number(value) : Number.NaN
  if (number >= 0 && number <= most) return number
  throw new Error(`the ${what} cannot be ${value}`)
}

/** Puts whole numbers under their path of field numbers; gives the place behind the struct. */
function readStruct(
  view: DataView,
  start: number,
  path: string,
  numbers: Map<string, number>,
  depth: number,
): number {
  if (depth > 8) throw new Error('a page header is too deep')
  let at = start
  let field = 0
  const varint = (): number => {
    let value = 0
    for (let shift = 0; ; shift += 7) {
      const byte = view.getUint8(at++)
      value += (byte & 0x7f) * 2 ** shift
      if (byte < 0x80) return value
      if (shift > 63) throw new Error('a number of a page header does not end')
    }
  }
  const zigzag = () => {
    const value = varint()
    return value % 2 === 0 ? value / 2 : -(value + 1) / 2
  }
  for (;;) {
    const byte = view.getUint8(at++)
    const type = byte & 0x0f
    if (type === 0) return at
    field = byte >> 4 === 0 ? zigzag() : field + (byte >> 4)
    const name = `${path}${field}`
    if (type === 3) at += 1
    else if (type === 4 || type === 5 || type === 6) numbers.set(name, zigzag())
    else if (type === 7) at += 8
    else if (type === 8) at += varint()
    else if (type === 12) at = readStruct(view, at, `${name}.`, numbers, depth + 1)
    else if (type > 2) throw new Error(`a page header has a field of type ${type}`)
  }
}
