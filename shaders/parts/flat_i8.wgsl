// flat_dot: 16 columns (unit j) of an int8 matrix row n times 16 rounded activations; `row` is vec4s a row.
fn flat_dot(n: u32, j: u32, row: u32, x: vec4<u32>) -> i32 {
  return dot16(w[n * row + j], x);
}
