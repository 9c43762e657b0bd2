// Sums of ternary codes, four matrix rows side by side, for linear_t2, linear_t2_row and routed_t2. Those of BLOCKED
// scales are f32, all others i32, both kept as bits.
override BLOCKED: bool = false;

const CODE = vec4<u32>(0x03030303u);
const ONES = vec4<u32>(0x01010101u);

/** 16 columns of 4 matrix rows, less 1 for each code where the sums of blocks are wanted. */
fn dots(c0: vec4<u32>, c1: vec4<u32>, c2: vec4<u32>, c3: vec4<u32>, x: vec4<u32>) -> vec4<i32> {
  let s = vec4<i32>(dot16(c0, x), dot16(c1, x), dot16(c2, x), dot16(c3, x));
  if (BLOCKED) { return s - vec4<i32>(dot16(ONES, x)); }
  return s;
}

/** The sums of a tile added to those of the lane. */
fn added(sums: vec4<u32>, s: vec4<i32>, scale: vec4<f32>) -> vec4<u32> {
  if (BLOCKED) {
    return bitcast<vec4<u32>>(bitcast<vec4<f32>>(sums) + vec4<f32>(s) * scale);
  }
  return bitcast<vec4<u32>>(bitcast<vec4<i32>>(sums) + s);
}

/** Sums b added to sums a. */
fn joined(a: vec4<u32>, b: vec4<u32>) -> vec4<u32> {
  if (BLOCKED) { return bitcast<vec4<u32>>(bitcast<vec4<f32>>(a) + bitcast<vec4<f32>>(b)); }
  return a + b;
}
