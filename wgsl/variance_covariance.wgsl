// variance_covariance: the regularizer of the recipe (VICReg's two terms) and what its gradient is made of.
//   C = products / (n-1)      loss = variance_weight * sum_d max(0, 1 - sqrt(C_dd + 1e-4)) + covariance_weight * sum_{i!=j} C_ij^2
//   dz = centred * G          G_ij = 2/(n-1) * 2 covariance_weight C_ij      G_dd = 2/(n-1) * -variance_weight / (2 sqrt(C_dd + 1e-4))
//                             where that root is below 1, else 0   (both weights come divided by the width)
//   reads  products [C, C] (centred^T * centred)      writes  g [C, C] =   partial [lanes of the grid] = (reduce adds)
//   grid   count / (LANES * per_lane)      order  a lane's values ascending      twin  src/cpu/variance_covariance.rs
struct Params { count: u32, per_lane: u32, width: u32, inverse: f32, variance_weight: f32, covariance_weight: f32 }
@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> products: array<f32>;
@group(0) @binding(2) var<storage, read_write> g: array<f32>;
@group(0) @binding(3) var<storage, read_write> partial: array<f32>;

@compute @workgroup_size(LANES)
fn main(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) lane: u32,
) {
    var sum = 0.0;
    let block = (group.x + group.y * groups.x) * LANES * params.per_lane;
    let stop = min(block + LANES * params.per_lane, params.count);
    for (var at = block + lane; at < stop; at += LANES) {
        let covariance = products[at] * params.inverse;
        if (at / params.width == at % params.width) {
            let deviation = sqrt(covariance + 1e-4);
            sum += params.variance_weight * max(0.0, 1.0 - deviation);
            g[at] = select(0.0, -params.variance_weight * params.inverse / deviation, deviation < 1.0);
        } else {
            sum += params.covariance_weight * covariance * covariance;
            g[at] = 4.0 * params.inverse * params.covariance_weight * covariance;
        }
    }
    partial[(group.x + group.y * groups.x) * LANES + lane] = sum;
}
