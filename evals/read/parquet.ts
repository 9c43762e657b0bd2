// Parquet, the form in which the Hugging Face hub gives out data sets: hyparquet reads it (MIT, no
// dependencies, Snappy inside; other compressions are refused by it by name). What the file says of itself is checked
// first.
import type { AsyncBuffer } from 'hyparquet'
import { HarnessError } from '../harness-error.ts'
import type { Row } from '../types.ts'
import { checkParquet } from './parquet-check.ts'

/** @throws HarnessError when the file cannot be read */
export async function readParquet(blob: Blob, name: string): Promise<Row[]> {
  const { parquetMetadataAsync, parquetReadObjects } = await import('hyparquet')
  const file: AsyncBuffer = {
    byteLength: blob.size,
    slice: (start, end) => blob.slice(start, end).arrayBuffer(),
  }
  try {
    const metadata = await parquetMetadataAsync(file)
    checkParquet(metadata, new Uint8Array(await blob.arrayBuffer()))
    const rows = (await parquetReadObjects({ file, metadata })).map(plain) as Row[]
    if (rows.length === Number(metadata.num_rows)) return rows
    throw new Error(`${rows.length} rows were found of ${metadata.num_rows}`)
  } catch (cause) {
    const why = cause instanceof Error ? cause.message : String(cause)
    throw new HarnessError(`${name} cannot be read as Parquet: ${why}`, { cause })
  }
}

/** 64-bit whole numbers as numbers, all through. */
function plain(value: unknown): unknown {
  if (typeof value === 'bigint') return Number(value)
  if (Array.isArray(value)) return value.map(plain)
  if (typeof value !== 'object' || value === null || ArrayBuffer.isView(value)) return value
  return Object.fromEntries(Object.entries(value).map(([key, item]) => [key, plain(item)]))
}
