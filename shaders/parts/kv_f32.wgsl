// key2, key_scale, value: elements d and d + 1 (d even) of the key of token t, what their sum is scaled by in each
// KEY_GROUP of elements, and element d of its value, in the f32 KV block at word `base`; see kvHeadBytes in
// backend.ts. An element behind the last of a head is any number.
const KEY_GROUP = 1024u;

fn key2(base: u32, t: u32, d: u32) -> vec2<f32> {
  return vec2<f32>(bitcast<f32>(kv[base + d * 32u + t]), bitcast<f32>(kv[base + d * 32u + 32u + t]));
}

fn key_scale(base: u32, t: u32, first: u32) -> f32 {
  return 1.0;
}

fn value(base: u32, t: u32, d: u32) -> f32 {
  return bitcast<f32>(kv[base + 32u * p.head_dim + t * p.head_dim + d]);
}
