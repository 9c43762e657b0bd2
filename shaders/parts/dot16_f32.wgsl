// dot4, dot16: sums of 4 and 16 products of signed bytes, in f32: at most 16 * 128 * 128 = 2^18, so exact.
// Twins: dot16_packed.wgsl, dot16_i32.wgsl.
fn bytes_f32(w: u32) -> vec4<f32> {
  return vec4<f32>(vec4<i32>(i32(w << 24u), i32(w << 16u), i32(w << 8u), i32(w)) >> vec4<u32>(24u));
}

fn dot4(a: u32, b: u32) -> i32 {
  return i32(dot(bytes_f32(a), bytes_f32(b)));
}

fn dot16(a: vec4<u32>, b: vec4<u32>) -> i32 {
  return i32(dot(bytes_f32(a.x), bytes_f32(b.x)) + dot(bytes_f32(a.y), bytes_f32(b.y))
    + dot(bytes_f32(a.z), bytes_f32(b.z)) + dot(bytes_f32(a.w), bytes_f32(b.w)));
}
