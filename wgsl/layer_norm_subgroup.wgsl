// layer_norm_subgroup: layer_norm for drivers that run shaders on the processor with subgroups of 4 or 8, and rows of at most
// ITEMS * LANES vec4, which stay in registers: x is read once.
//   y = (x - mean) * rstd * weight + bias      rstd = 1 / sqrt(mean((x - mean)^2) + eps), variance in two passes
//   reads  x [rows, C]   weight, bias [C]      writes  y [rows, C] =   stats [rows, 2] = (mean, rstd)
//   grid   rows / per_group; a workgroup is LANES lanes of one subgroup, and lane l has the vec4 l, LANES + l ... of each row
//   order  a lane's vec4 ascending, then the driver's of subgroupAdd
//   repeats  src/gpu/repeat.rs      twin   src/cpu/layer_norm.rs
struct Params { rows: u32, items: u32, per_group: u32, eps: f32, inverse: f32 }
@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> x: array<vec4<f32>>;
@group(0) @binding(2) var<storage, read> weight: array<vec4<f32>>;
@group(0) @binding(3) var<storage, read> bias: array<vec4<f32>>;
@group(0) @binding(4) var<storage, read_write> y: array<vec4<f32>>;
@group(0) @binding(5) var<storage, read_write> stats: array<vec2<f32>>;

@compute @workgroup_size(LANES)
fn main(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) lane: u32,
) {
    let begin = (group.x + group.y * groups.x) * params.per_group;
    let stop = min(begin + params.per_group, params.rows);
    //# repeat i in 0..ITEMS
    var weight{i} = vec4(1.0);
    var bias{i} = vec4(0.0);
    if (AFFINE == 1u && inside({i}u, lane)) {
        weight{i} = weight[{i}u * LANES + lane];
        bias{i} = bias[{i}u * LANES + lane];
    }
    //# end
    for (var row = begin; row < stop; row += 1u) {
        let first = row * params.items + lane;
        var sum = vec4(0.0);
        //# repeat i in 0..ITEMS
        var v{i} = vec4(0.0);
        if (inside({i}u, lane)) { v{i} = x[first + {i}u * LANES]; }
        //# end
        //# repeat i in 0..ITEMS
        sum += v{i};
        //# end
        let mean = row_mean(sum);
        var squares = vec4(0.0);
        //# repeat i in 0..ITEMS
        v{i} -= mean;
        if (!inside({i}u, lane)) { v{i} = vec4(0.0); }
        squares += v{i} * v{i};
        //# end
        let rstd = inverseSqrt(row_mean(squares) + params.eps);
        //# repeat i in 0..ITEMS
        if (inside({i}u, lane)) { y[first + {i}u * LANES] = v{i} * rstd * weight{i} + bias{i}; }
        //# end
        if (lane == 0u) { stats[row] = vec2(mean, rstd); }
    }
}
