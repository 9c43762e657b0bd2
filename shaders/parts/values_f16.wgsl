// values4: columns 4j..4j+3 of row n of an f16 matrix; `row` is words a row.
fn values4(n: u32, j: u32, row: u32) -> vec4<f32> {
  let at = n * row + 2u * j;
  return vec4<f32>(halves(w[at]), halves(w[at + 1u]));
}
