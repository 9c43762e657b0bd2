// score, value: q times the key of token t, and element d of its value, in the int4 KV block at word `base`;
// see kvHeadBytes in backend.ts.
fn upper_half(base: u32, index: u32) -> f32 {
  return bitcast<f32>((kv[base + index / 2u] >> (index % 2u * 16u)) << 16u);
}

fn score(base: u32, t: u32) -> f32 {
  let dim = (p.head_dim + 15u) / 16u * 16u;
  var s = 0.0;
  for (var first = 0u; first < p.head_dim; first += 32u) {
    var sum = 0.0;
    for (var d = first; d < min(first + 32u, p.head_dim); d++) {
      // Eight elements of a token are a word: the even ones in its lower half.
      let word = kv[base + (d >> 3u) * 32u + t];
      sum += query[d] * (f32((word >> (d % 2u * 16u + 4u * (d / 2u % 4u))) & 15u) - 8.0);
    }
    s += sum * upper_half(base, 16u * dim + first + t);
  }
  return s;
}

fn value(base: u32, t: u32, d: u32) -> f32 {
  let dim = (p.head_dim + 15u) / 16u * 16u;
  let groups = (p.head_dim + 31u) / 32u;
  // A word holds the four nibbles of two tokens.
  let word = kv[base + 4u * dim + (t / 2u * (dim / 16u) + d / 16u) * 4u + d % 4u];
  let v = f32((word >> (t % 2u * 16u + 4u * (d / 4u % 4u))) & 15u) - 8.0;
  return v * upper_half(base, 16u * dim + groups * 32u + d / 32u * 32u + t);
}
