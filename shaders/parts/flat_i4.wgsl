// flat_dot: 16 columns (unit j) of an int4 matrix row n times 16 rounded activations; `row` is vec4s a row.
// A block of 64 columns: units 0 and 1 in the low and high nibbles of its first vec4, 2 and 3 in the second;
// behind the codes of the row stands a word for each block: an int8 scale for word k of each unit.
fn minus8(codes: u32) -> u32 {
  let nibbles = (codes & 0x0f0f0f0fu) ^ 0x08080808u;
  return nibbles | ((nibbles & 0x08080808u) * 0x1eu); // the sign bit goes up to bit 7
}

fn flat_dot(n: u32, j: u32, row: u32, x: vec4<u32>) -> i32 {
  let b = j / 4u;
  let codes = w[n * row + b * 2u + j % 4u / 2u] >> vec4<u32>(j % 2u * 4u);
  let s = w[n * row + (p.units + 3u) / 4u * 2u + b / 4u][b % 4u];
  return dot4(minus8(codes.x), x.x) * (i32(s << 24u) >> 24u)
    + dot4(minus8(codes.y), x.y) * (i32(s << 16u) >> 24u)
    + dot4(minus8(codes.z), x.z) * (i32(s << 8u) >> 24u)
    + dot4(minus8(codes.w), x.w) * (i32(s) >> 24u);
}
