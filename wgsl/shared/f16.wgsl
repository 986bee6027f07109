// IEEE half precision: two values to a word, the first in its lower half. Needs no feature: WGSL has it as a packing.
const NARROW_RANGE: bool = true;
fn wide_pair(word: u32) -> vec2<f32> { return unpack2x16float(word); }
// To the nearest. WGSL leaves open what becomes of values that f16 has not: infinity here, from the middle between the largest
// and what would come next on; what is no number stays none.
fn narrow_pair(values: vec2<f32>) -> u32 {
    let bits = bitcast<vec2<u32>>(values);
    let size = bits & vec2(0x7fffffffu);
    let beyond = size >= vec2(0x477ff000u);
    let special = ((bits >> vec2(16u)) & vec2(0x8000u)) | select(vec2(0x7c00u), vec2(0x7e00u), size > vec2(0x7f800000u));
    let packed = pack2x16float(select(values, vec2<f32>(), beyond));
    let halves = select(vec2(packed & 0xffffu, packed >> 16u), special, beyond);
    return halves.x | (halves.y << 16u);
}
