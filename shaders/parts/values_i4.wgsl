// values4: columns 4j..4j+3 of row n of an int4 matrix: code - 8 times the scale of word j % 4; `row` is words a
// row. See format/layout.ts.
fn values4(n: u32, j: u32, row: u32) -> vec4<f32> {
  let b = j / 16u;
  let codes = w[n * row + b * 8u + j % 16u / 8u * 4u + j % 4u] >> (j % 8u / 4u * 4u);
  let s = w[n * row + (p.n + 63u) / 64u * 8u + b];
  let scale = f32(i32(s << (24u - 8u * (j % 4u))) >> 24u);
  let c = vec4<u32>(codes, codes >> 8u, codes >> 16u, codes >> 24u) & vec4<u32>(15u);
  return (vec4<f32>(c) - 8.0) * scale;
}
