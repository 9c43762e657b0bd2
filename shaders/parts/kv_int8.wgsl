// key2, key_scale, value: elements d and d + 1 (d even) of the key of token t, what their sum is scaled by in each
// KEY_GROUP of elements, and element d of its value, in the int8 KV block at word `base`; see kvHeadBytes in
// backend.ts. An element behind the last of a head is any number.
const KEY_GROUP = 1024u;

fn key2(base: u32, t: u32, d: u32) -> vec2<f32> {
  // Two elements of two tokens are a word.
  let pair = kv[base + d * 8u + t / 2u] >> (t % 2u * 16u);
  return vec2<f32>(f32(i32(pair << 24u) >> 24u), f32(i32(pair << 16u) >> 24u));
}

fn key_scale(base: u32, t: u32, first: u32) -> f32 {
  return bitcast<f32>(kv[base + 16u * ((p.head_dim + 7u) / 8u * 8u) + t]);
}

fn value(base: u32, t: u32, d: u32) -> f32 {
  let dim = (p.head_dim + 7u) / 8u * 8u;
  let byte = (t / 2u * dim + d) * 2u + t % 2u;
  let v = i32(kv[base + 8u * dim + byte / 4u] << (24u - byte % 4u * 8u)) >> 24u;
  return f32(v) * bitcast<f32>(kv[base + 16u * dim + 32u + t]);
}
