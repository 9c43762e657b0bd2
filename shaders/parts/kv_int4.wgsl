// key2, key_scale, value: elements d and d + 1 (d even) of the key of token t, what their sum is scaled by in each
// KEY_GROUP of elements, and element d of its value, in the int4 KV block at word `base`; see kvHeadBytes in
// backend.ts. An element behind the last of a head is any number.
const KEY_GROUP = 32u;

fn upper_half(base: u32, index: u32) -> f32 {
  return bitcast<f32>((kv[base + index / 2u] >> (index % 2u * 16u)) << 16u);
}

fn key2(base: u32, t: u32, d: u32) -> vec2<f32> {
  // Eight elements of a token are a word: the even ones in its lower half.
  let word = kv[base + (d >> 3u) * 32u + t] >> (4u * (d / 2u % 4u));
  return vec2<f32>(f32(word & 15u) - 8.0, f32((word >> 16u) & 15u) - 8.0);
}

fn key_scale(base: u32, t: u32, first: u32) -> f32 {
  return upper_half(base, 16u * ((p.head_dim + 15u) / 16u * 16u) + first + t);
}

fn value(base: u32, t: u32, d: u32) -> f32 {
  let dim = (p.head_dim + 15u) / 16u * 16u;
  let groups = (p.head_dim + 31u) / 32u;
  // A word holds the four nibbles of two tokens.
  let word = kv[base + 4u * dim + (t / 2u * (dim / 16u) + d / 16u) * 4u + d % 4u];
  let v = f32((word >> (t % 2u * 16u + 4u * (d / 4u % 4u))) & 15u) - 8.0;
  return v * upper_half(base, 16u * dim + groups * 32u + d / 32u * 32u + t);
}
