// score, value: q times the key of token t, and element d of its value, in the f32 KV block at word `base`;
// see kvHeadBytes in backend.ts.
fn score(base: u32, t: u32) -> f32 {
  var s = 0.0;
  for (var d = 0u; d < p.head_dim; d++) { s += query[d] * bitcast<f32>(kv[base + d * 32u + t]); }
  return s;
}

fn value(base: u32, t: u32, d: u32) -> f32 {
  return bitcast<f32>(kv[base + 32u * p.head_dim + t * p.head_dim + d]);
}
