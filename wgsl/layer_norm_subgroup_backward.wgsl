// layer_norm_subgroup_backward: the gradients of rows, weight and bias in one pass over the rows, as layer_norm_subgroup has them.
//   g = dy * weight   xhat = (x - mean) * rstd   dx = rstd * (g - mean_c(g) - xhat * mean_c(g * xhat))
//   dweight = sum_rows dy * xhat      dbias = sum_rows dy: this chunk of rows' share; column_sum adds the shares
//   reads  dy, x [rows, C]   weight [C]   stats [rows, 2] (saved by the forward pass)
//   writes dx [rows, C] += where ADD is 1 (the residual stream's gradient is there already), else =
//          partial [chunks, 2, C] =
//   grid   chunks of per_group rows; a workgroup is LANES lanes of one subgroup, lane l has the vec4 l, LANES + l ... of each row
//   order  a lane's vec4 ascending, then the driver's of subgroupAdd; rows ascending
//   repeats  src/gpu/repeat.rs      twin   src/cpu/layer_norm.rs
struct Params { rows: u32, items: u32, per_group: u32, eps: f32, inverse: f32 }
@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> dy: array<vec4<f32>>;
@group(0) @binding(2) var<storage, read> x: array<vec4<f32>>;
@group(0) @binding(3) var<storage, read> weight: array<vec4<f32>>;
@group(0) @binding(4) var<storage, read> stats: array<vec2<f32>>;
@group(0) @binding(5) var<storage, read_write> dx: array<vec4<f32>>;
@group(0) @binding(6) var<storage, read_write> partial: array<vec4<f32>>;

@compute @workgroup_size(LANES)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
    let chunk = group.x;
    let begin = chunk * params.per_group;
    let stop = min(begin + params.per_group, params.rows);
    //# repeat i in 0..ITEMS
    var weight{i} = vec4(0.0);
    if (inside({i}u, lane)) { weight{i} = weight[{i}u * LANES + lane]; }
    var dweight{i} = vec4(0.0);
    var dbias{i} = vec4(0.0);
    //# end
    for (var row = begin; row < stop; row += 1u) {
        let first = row * params.items + lane;
        let saved = stats[row];
        // Beyond the row dy is 0, and so is what it is a factor of.
        //# repeat i in 0..ITEMS
        var v{i} = vec4(0.0);
        var dy{i} = vec4(0.0);
        if (inside({i}u, lane)) {
            v{i} = x[first + {i}u * LANES];
            dy{i} = dy[first + {i}u * LANES];
        }
        //# end
        var sum_g = vec4(0.0);
        var sum_gx = vec4(0.0);
        //# repeat i in 0..ITEMS
        let xhat{i} = (v{i} - saved.x) * saved.y;
        let g{i} = dy{i} * weight{i};
        sum_g += g{i};
        sum_gx += g{i} * xhat{i};
        dweight{i} += dy{i} * xhat{i};
        dbias{i} += dy{i};
        //# end
        let mean_g = row_mean(sum_g);
        let mean_gx = row_mean(sum_gx);
        //# repeat i in 0..ITEMS
        if (inside({i}u, lane)) {
            var value{i} = saved.y * (g{i} - mean_g - xhat{i} * mean_gx);
            if (ADD == 1u) { value{i} += dx[first + {i}u * LANES]; }
            dx[first + {i}u * LANES] = value{i};
        }
        //# end
    }
    let share = chunk * 2u * params.items + lane;
    //# repeat i in 0..ITEMS
    if (inside({i}u, lane)) {
        partial[share + {i}u * LANES] = dweight{i};
        partial[share + params.items + {i}u * LANES] = dbias{i};
    }
    //# end
}
