// Four columns of a row of f32, 0 behind its end: linear_float and routed_float.
fn x4(m: u32, j: u32) -> vec4<f32> {
  let at = m * p.n + 4u * j;
  let left = p.n - 4u * j;
  if (left >= 4u) { return vec4<f32>(x[at], x[at + 1u], x[at + 2u], x[at + 3u]); }
  var v = vec4<f32>(x[at], 0.0, 0.0, 0.0);
  if (left > 1u) { v.y = x[at + 1u]; }
  if (left > 2u) { v.z = x[at + 2u]; }
  return v;
}
