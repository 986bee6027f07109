// IEEE half precision: two values to a word, the first in its lower half. Needs no feature: WGSL has it as a packing, which
// leaves open how values are rounded and what becomes of those that f16 has not. So rounding is done here.
const NARROW_RANGE: bool = true;
fn wide_pair(word: u32) -> vec2<f32> { return unpack2x16float(word); }
// To the nearest, ties to even; infinity from the middle between the largest and what would come next on. What is no number
// stays none.
fn narrow_pair(values: vec2<f32>) -> u32 {
    let bits = bitcast<vec2<u32>>(values);
    let size = bits & vec2(0x7fffffffu);
    // From 2^-14 on: 13 bits of the mantissa less, an exponent that is 112 less. Below: multiples of 2^-24.
    let normal = min(((size + vec2(0xfffu) + ((size >> vec2(13u)) & vec2(1u))) >> vec2(13u)) - vec2(112u << 10u), vec2(0x7c00u));
    let small = vec2<u32>(round(min(bitcast<vec2<f32>>(size), vec2(1.0)) * 16777216.0));
    let finite = select(normal, small, size < vec2(0x38800000u));
    let halves = ((bits >> vec2(16u)) & vec2(0x8000u)) | select(finite, vec2(0x7e00u), size > vec2(0x7f800000u));
    return halves.x | (halves.y << 16u);
}
