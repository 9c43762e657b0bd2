// dot4, dot16: sums of 4 and 16 products of signed bytes, unpacked to i32. Exact. Twins:
// dot16_packed.wgsl, dot16_f32.wgsl.
fn bytes_i32(w: u32) -> vec4<i32> {
  return vec4<i32>(i32(w << 24u), i32(w << 16u), i32(w << 8u), i32(w)) >> vec4<u32>(24u);
}

fn dot4(a: u32, b: u32) -> i32 {
  let s = bytes_i32(a) * bytes_i32(b);
  return s.x + s.y + s.z + s.w;
}

fn dot16(a: vec4<u32>, b: vec4<u32>) -> i32 {
  let s = bytes_i32(a.x) * bytes_i32(b.x) + bytes_i32(a.y) * bytes_i32(b.y)
    + bytes_i32(a.z) * bytes_i32(b.z) + bytes_i32(a.w) * bytes_i32(b.w);
  return s.x + s.y + s.z + s.w;
}
