// values4: columns 4j..4j+3 of row n of an int8 matrix, without its scale; `row` is words a row.
fn values4(n: u32, j: u32, row: u32) -> vec4<f32> {
  let v = w[n * row + j];
  return vec4<f32>(vec4<i32>(i32(v << 24u), i32(v << 16u), i32(v << 8u), i32(v)) >> vec4<u32>(24u));
}
