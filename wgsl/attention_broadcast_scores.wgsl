// attention_broadcast_scores: what attention's gradient needs of all pairs of queries and keys, for drivers that run shaders on the
// processor with subgroups of 8; the products that follow are matmul's (src/ops/attention.rs).
//   p = exp(min(scale * q . k - max, 0)) / sum      ds = scale * p * (dout . v - dout . out)
//   (dout . out is sum_j p dp over all keys, so that no row has to be seen twice)
//   reads  dout, out [B*N, H, 4 items]   qkv [B*N, 3, H, 4 items]   stats [B*H*N, 2] = (max, 1 / sum); of the forward pass
//   writes panel, dpanel [heads * N, 4 columns] = p, ds of the heads from `first` on; beyond the last key 0
//   grid   `count` workgroups, `blocks` a head, each one subgroup of exactly 8, for 16 queries and all keys, 32 at once: lane l
//   owns four of them, and passes items of queries l and 8 + l round by subgroupBroadcast
//   q . k and dout . v are sums of two loops, and p is stored between them: in one, LLVM spills.
//   order  channels ascending by fours      twin  src/cpu/attention.rs
struct Params { tokens: u32, heads: u32, items: u32, columns: u32, first: u32, blocks: u32, count: u32, scale: f32 }
@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> dout: array<vec4<f32>>;
@group(0) @binding(2) var<storage, read> out: array<vec4<f32>>;
@group(0) @binding(3) var<storage, read> qkv: array<vec4<f32>>;
@group(0) @binding(4) var<storage, read> stats: array<vec2<f32>>;
@group(0) @binding(5) var<storage, read_write> panel: array<vec4<f32>>;
@group(0) @binding(6) var<storage, read_write> dpanel: array<vec4<f32>>;

const FAR: f32 = -1.0e30; // what is added to the scores of keys beyond the last: their weight becomes 0

@compute @workgroup_size(8)
fn main(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) lane: u32,
) {
    let number = group.x + group.y * groups.x;
    if (number >= params.count) { return; }
    let own = number / params.blocks; // among the panel's heads
    let head = params.first + own; // of all images' heads
    let image = head / params.heads;
    let width = params.heads * params.items;
    let pitch = 3u * width; // from token to token in qkv
    let last = params.tokens - 1u;
    let q_start = image * params.tokens * pitch + (head % params.heads) * params.items;
    let k_start = q_start + width;
    let v_start = k_start + width;
    let out_start = image * params.tokens * width + (head % params.heads) * params.items;

    // Queries beyond the last are that one again, and are not stored.
    let row0 = number % params.blocks * 16u;
    let row_upper = min(row0 + lane, last);
    let row_lower = min(row0 + 8u + lane, last);
    let q_upper = q_start + row_upper * pitch;
    let q_lower = q_start + row_lower * pitch;
    let g_upper = out_start + row_upper * width;
    let g_lower = out_start + row_lower * width;
    let stats_upper = stats[head * params.tokens + row_upper];
    let stats_lower = stats[head * params.tokens + row_lower];
    var delta_upper = 0.0;
    var delta_lower = 0.0;
    for (var c = 0u; c < params.items; c += 1u) {
        delta_upper += dot(dout[g_upper + c], out[g_upper + c]);
        delta_lower += dot(dout[g_lower + c], out[g_lower + c]);
    }

    let place = (own * params.tokens + row0) * params.columns;
    for (var block = 0u; block < params.columns; block += 8u) {
        let column = block + lane;
        let keys = vec4(column * 4u) + vec4(0u, 1u, 2u, 3u);
        let rows = min(keys, vec4(last)) * pitch;
        let beyond = select(vec4(0.0), vec4(FAR), keys > vec4(last));
        let stored = column < params.columns;
        //# repeat r in 0..8
        var s_upper{r} = vec4<f32>();
        var s_lower{r} = vec4<f32>();
        //# end
        for (var c = 0u; c < params.items; c += 1u) {
            let a_upper = qkv[q_upper + c];
            let a_lower = qkv[q_lower + c];
            let q0 = qkv[k_start + rows.x + c];
            let q1 = qkv[k_start + rows.y + c];
            let q2 = qkv[k_start + rows.z + c];
            let q3 = qkv[k_start + rows.w + c];
            let b0 = vec4(q0.x, q1.x, q2.x, q3.x);
            let b1 = vec4(q0.y, q1.y, q2.y, q3.y);
            let b2 = vec4(q0.z, q1.z, q2.z, q3.z);
            let b3 = vec4(q0.w, q1.w, q2.w, q3.w);
            //# repeat r in 0..8
            s_upper{r} = s_upper{r} + subgroupBroadcast(a_upper.x, {r}u) * b0 + subgroupBroadcast(a_upper.y, {r}u) * b1 + subgroupBroadcast(a_upper.z, {r}u) * b2 + subgroupBroadcast(a_upper.w, {r}u) * b3;
            //# end
            //# repeat r in 0..8
            s_lower{r} = s_lower{r} + subgroupBroadcast(a_lower.x, {r}u) * b0 + subgroupBroadcast(a_lower.y, {r}u) * b1 + subgroupBroadcast(a_lower.z, {r}u) * b2 + subgroupBroadcast(a_lower.w, {r}u) * b3;
            //# end
        }
        //# repeat r in 0..8
        let p_upper{r} = exp(min(s_upper{r} * params.scale + beyond - subgroupBroadcast(stats_upper.x, {r}u), vec4(0.0))) * subgroupBroadcast(stats_upper.y, {r}u);
        if (stored && row0 + {r}u <= last) { panel[place + {r}u * params.columns + column] = p_upper{r}; }
        //# end
        //# repeat r in 0..8
        let p_lower{r} = exp(min(s_lower{r} * params.scale + beyond - subgroupBroadcast(stats_lower.x, {r}u), vec4(0.0))) * subgroupBroadcast(stats_lower.y, {r}u);
        if (stored && row0 + 8u + {r}u <= last) { panel[place + (8u + {r}u) * params.columns + column] = p_lower{r}; }
        //# end
        //# repeat r in 0..8
        var d_upper{r} = vec4<f32>();
        var d_lower{r} = vec4<f32>();
        //# end
        for (var c = 0u; c < params.items; c += 1u) {
            let a_upper = dout[g_upper + c];
            let a_lower = dout[g_lower + c];
            let q0 = qkv[v_start + rows.x + c];
            let q1 = qkv[v_start + rows.y + c];
            let q2 = qkv[v_start + rows.z + c];
            let q3 = qkv[v_start + rows.w + c];
            let b0 = vec4(q0.x, q1.x, q2.x, q3.x);
            let b1 = vec4(q0.y, q1.y, q2.y, q3.y);
            let b2 = vec4(q0.z, q1.z, q2.z, q3.z);
            let b3 = vec4(q0.w, q1.w, q2.w, q3.w);
            //# repeat r in 0..8
            d_upper{r} = d_upper{r} + subgroupBroadcast(a_upper.x, {r}u) * b0 + subgroupBroadcast(a_upper.y, {r}u) * b1 + subgroupBroadcast(a_upper.z, {r}u) * b2 + subgroupBroadcast(a_upper.w, {r}u) * b3;
            //# end
            //# repeat r in 0..8
            d_lower{r} = d_lower{r} + subgroupBroadcast(a_lower.x, {r}u) * b0 + subgroupBroadcast(a_lower.y, {r}u) * b1 + subgroupBroadcast(a_lower.z, {r}u) * b2 + subgroupBroadcast(a_lower.w, {r}u) * b3;
            //# end
        }
        //# repeat r in 0..8
        let ds_upper{r} = params.scale * (d_upper{r} - subgroupBroadcast(delta_upper, {r}u));
        if (stored && row0 + {r}u <= last) {
            let at = place + {r}u * params.columns + column;
            dpanel[at] = panel[at] * ds_upper{r};
        }
        //# end
        //# repeat r in 0..8
        let ds_lower{r} = params.scale * (d_lower{r} - subgroupBroadcast(delta_lower, {r}u));
        if (stored && row0 + 8u + {r}u <= last) {
            let at = place + (8u + {r}u) * params.columns + column;
            dpanel[at] = panel[at] * ds_lower{r};
        }
        //# end
    }
}
