// gradient_norm_check: may this step change weights, and by how much are its gradients scaled?
//   reads  results: [loss_slot] loss   [loss_slot + 1] regularizer   [norm_slot] sum of squares of all gradients
//   writes control[0] |= 1 where one of them is not finite; it stays set until the host clears it
//          control[1] = the clipping factor min(1, clip / norm), as f32 bits; 1 where clip is 0
//   grid   one lane      `x != x` is false for NaN on some drivers, so the exponent's bits are looked at
//   twin   src/cpu/gradient_norm.rs
struct Params { loss_slot: u32, norm_slot: u32, clip: f32 }
@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> results: array<u32>;
@group(0) @binding(2) var<storage, read_write> control: array<u32>;

fn not_finite(bits: u32) -> bool { return (bits & 0x7f800000u) == 0x7f800000u; }

@compute @workgroup_size(1)
fn main() {
    let squares = results[params.norm_slot];
    let bad = not_finite(results[params.loss_slot]) || not_finite(results[params.loss_slot + 1u]) || not_finite(squares);
    if (bad) { control[0] = 1u; }
    var factor = 1.0;
    let norm = sqrt(bitcast<f32>(squares));
    if (params.clip > 0.0 && !bad && norm > params.clip) { factor = params.clip / norm; }
    control[1] = bitcast<u32>(factor);
}
