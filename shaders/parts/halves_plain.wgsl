// halves: two f16 of a word as f32. Twin: halves_f16.wgsl.
fn halves(word: u32) -> vec2<f32> {
  return unpack2x16float(word);
}
