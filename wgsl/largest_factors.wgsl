// largest_factors: the power of two that brings a matrix's largest value to where f16 is finest, and its inverse.
//   factor = 2^k with 2^14 <= factor * largest < 2^15; 1 where the largest is not finite. Both powers are normal numbers.
//   reads  partial [count] bits of absolute values      writes  factors [8] = inverse, inverse, inverse, inverse, factor x 4
//   grid   one workgroup      twin  src/cpu/largest.rs
struct Params { count: u32 }
@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> partial: array<u32>;
@group(0) @binding(2) var<storage, read_write> factors: array<f32>;

var<workgroup> most_of: array<u32, LANES>;

@compute @workgroup_size(LANES)
fn main(@builtin(local_invocation_index) lane: u32) {
    var most = 0u;
    for (var i = lane; i < params.count; i += LANES) { most = max(most, partial[i]); }
    most_of[lane] = most;
    workgroupBarrier();
    if (lane != 0u) { return; }
    for (var i = 1u; i < LANES; i += 1u) { most = max(most, most_of[i]); }
    // An f32's exponent lies in its bits from 23 on, 127 more than it is; 14 - exponent is the factor's.
    let exponent = most >> 23u;
    let power = select(clamp(268u - exponent, 1u, 253u), 127u, exponent == 255u);
    for (var i = 0u; i < 4u; i += 1u) {
        factors[i] = bitcast<f32>((254u - power) << 23u);
        factors[4u + i] = bitcast<f32>(power << 23u);
    }
}
