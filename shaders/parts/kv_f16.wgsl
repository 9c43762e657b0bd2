// score, value: q times the key of token t, and element d of its value, in the f16 KV block at word `base`;
// see kvHeadBytes in backend.ts.
fn score(base: u32, t: u32) -> f32 {
  var s = 0.0;
  for (var d = 0u; d < p.head_dim; d++) { s += query[d] * halves(kv[base + d * 16u + t / 2u])[t % 2u]; }
  return s;
}

fn value(base: u32, t: u32, d: u32) -> f32 {
  let at = 32u * p.head_dim + t * p.head_dim + d;
  return halves(kv[base + at / 2u])[at % 2u];
}
