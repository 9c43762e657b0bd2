// values4: columns 4j..4j+3 of row n of an f32 matrix; `row` is words a row.
fn values4(n: u32, j: u32, row: u32) -> vec4<f32> {
  let at = n * row + 4u * j;
  return bitcast<vec4<f32>>(vec4<u32>(w[at], w[at + 1u], w[at + 2u], w[at + 3u]));
}
