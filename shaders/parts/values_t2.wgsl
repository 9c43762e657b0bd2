// values4: columns 4j..4j+3 of row n of a ternary matrix as -1, 0, 1; `row` is tiles a row.
fn values4(n: u32, j: u32, row: u32) -> vec4<f32> {
  let tile = (n / 4u * row + j / 16u) * 4u + n % 4u;
  let codes = w[tile * 4u + j % 4u] >> (2u * (j % 16u / 4u));
  return vec4<f32>(vec4<u32>(codes, codes >> 8u, codes >> 16u, codes >> 24u) & vec4<u32>(3u)) - 1.0;
}
