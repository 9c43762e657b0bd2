// dot4, dot16: sums of 4 and 16 products of signed bytes, by the packed dot product of WGSL (needs the
// language feature packed_4x8_integer_dot_product). Exact. Twins: dot16_i32.wgsl, dot16_f32.wgsl.
fn dot4(a: u32, b: u32) -> i32 {
  return dot4I8Packed(a, b);
}

fn dot16(a: vec4<u32>, b: vec4<u32>) -> i32 {
  return dot4I8Packed(a.x, b.x) + dot4I8Packed(a.y, b.y) + dot4I8Packed(a.z, b.z)
    + dot4I8Packed(a.w, b.w);
}
