// bfloat16, f32's upper half: two values to a word, the first in its lower half.
const NARROW_RANGE: bool = false;
fn wide_pair(word: u32) -> vec2<f32> { return vec2(bitcast<f32>(word << 16u), bitcast<f32>(word & 0xffff0000u)); }
// To the nearest, ties to even. What is no number stays none: rounding could make it infinite.
fn upper_half(value: f32) -> u32 {
    let bits = bitcast<u32>(value);
    let rounded = (bits + 0x7fffu + ((bits >> 16u) & 1u)) >> 16u;
    return select(rounded, (bits >> 16u) | 0x40u, (bits & 0x7fffffffu) > 0x7f800000u);
}
fn narrow_pair(values: vec2<f32>) -> u32 { return upper_half(values.x) | (upper_half(values.y) << 16u); }
