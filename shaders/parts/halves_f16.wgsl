// halves: two f16 of a word as f32, by the f16 type (needs `enable f16`). Twin: halves_plain.wgsl.
fn halves(word: u32) -> vec2<f32> {
  return vec2<f32>(bitcast<vec2<f16>>(word));
}
