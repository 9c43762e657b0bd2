// Hugging Face's packed ternary matrix: uint8 [out/4][in], where bits 2i of packed row r are row
// i*(out/4) + r. Rows are scattered over the tensor, so all of it must be staged. No scale inside.

/** Writes the `cols` codes of one logical row. */
export function unpackHfRow(
  packed: Uint8Array,
  rows: number,
  cols: number,
  row: number,
  codes: Uint8Array,
): void {
  const packedRows = rows / 4
  const shift = Math.floor(row / packedRows) * 2
  const from = (row % packedRows) * cols
  for (let c = 0; c < cols; c++) codes[c] = (packed[from + c] >> shift) & 3
}
