// score, value: q times the key of token t, and element d of its value, in the int8 KV block at word `base`;
// see kvHeadBytes in backend.ts.
fn score(base: u32, t: u32) -> f32 {
  let dim = (p.head_dim + 7u) / 8u * 8u;
  var s = 0.0;
  for (var d = 0u; d < p.head_dim; d += 2u) {
    // Two elements of two tokens are a word.
    let pair = kv[base + d * 8u + t / 2u] >> (t % 2u * 16u);
    s += query[d] * f32(i32(pair << 24u) >> 24u);
    if (d + 1u < p.head_dim) { s += query[d + 1u] * f32(i32(pair << 16u) >> 24u); }
  }
  return s * bitcast<f32>(kv[base + 16u * dim + t]);
}

fn value(base: u32, t: u32, d: u32) -> f32 {
  let dim = (p.head_dim + 7u) / 8u * 8u;
  let byte = (t / 2u * dim + d) * 2u + t % 2u;
  let v = i32(kv[base + 8u * dim + byte / 4u] << (24u - byte % 4u * 8u)) >> 24u;
  return f32(v) * bitcast<f32>(kv[base + 16u * dim + 32u + t]);
}
