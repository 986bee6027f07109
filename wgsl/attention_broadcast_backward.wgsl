// attention_broadcast_backward: attention's gradient in one kernel, for drivers that run shaders on the processor with
// subgroups of 8, and heads of 4 ITEMS channels (8, 16 or 32).
//   p = exp(min(scale * q . k - max, 0)) / sum     dp = dout . v     ds = p * (dp - dout . out)
//   dv = sum_i p dout      dk = scale * sum_i ds q      dq = scale * sum_j ds k
//   (dout . out is sum_j p dp over all keys, so that keys can be taken in blocks)
//   reads  dout, out [B*N, H, 4 ITEMS]   qkv [B*N, 3, H, 4 ITEMS]   stats [B*H*N, 2] = (max, 1 / sum); of the forward pass
//   writes dqkv [B*N, 3, H, 4 ITEMS] =
//   grid   `count` workgroups, each one subgroup of exactly 8, for a head each, from head `first` on
//   Keys come in blocks of 8 KEYS: of these lane l owns l, 8 + l, 16 + l ... : their k, v, dk and dv. Queries come
//   GROUPS = 8 / ITEMS at once: lane l reads item l % ITEMS of query l / ITEMS, and hands it round by subgroupBroadcast.
//   dq sums over lanes. So it has the queries' layout: lane l sums item l % ITEMS over the keys whose number is l / ITEMS among
//   each GROUPS (w: their k); ds comes to it by shuffles, and in the end GROUPS partial sums are added up, and to what the
//   blocks before have left in memory.
//   order  queries ascending; keys as said      twin  src/cpu/attention.rs
struct Params { tokens: u32, heads: u32, first: u32, count: u32, scale: f32 }
@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> dout: array<vec4<f32>>;
@group(0) @binding(2) var<storage, read> out: array<vec4<f32>>;
@group(0) @binding(3) var<storage, read> qkv: array<vec4<f32>>;
@group(0) @binding(4) var<storage, read> stats: array<vec2<f32>>;
@group(0) @binding(5) var<storage, read_write> dqkv: array<vec4<f32>>;

const FAR: f32 = -1.0e30; // what is added to the scores of keys beyond the last: their weight becomes 0

@compute @workgroup_size(8)
fn main(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) lane: u32,
) {
    let number = group.x + group.y * groups.x;
    if (number >= params.count) { return; }
    let head = params.first + number; // of all images' heads
    let image = head / params.heads;
    let width = params.heads * ITEMS;
    let pitch = 3u * width; // from token to token in qkv
    let last = params.tokens - 1u;
    let q_start = image * params.tokens * pitch + (head % params.heads) * ITEMS;
    let k_start = q_start + width;
    let v_start = k_start + width;
    let out_start = image * params.tokens * width + (head % params.heads) * ITEMS;
    let item = lane % ITEMS;
    let part = select(lane / ITEMS, 0u, GROUPS == 1u); // 0 without asking, where it always is

    for (var block = 0u; block < params.tokens; block += 8u * KEYS) {
        //# repeat t in 0..KEYS
        let row{t} = min(block + {t}u * 8u + lane, last) * pitch;
        let beyond{t} = select(0.0, FAR, block + {t}u * 8u + lane > last);
        //# repeat c in 0..ITEMS
        let k{t}_{c} = qkv[k_start + row{t} + {c}u] * params.scale;
        let v{t}_{c} = qkv[v_start + row{t} + {c}u];
        var dk{t}_{c} = vec4<f32>();
        var dv{t}_{c} = vec4<f32>();
        let w{t}_{c} = qkv[k_start + min(block + {t}u * 8u + {c}u * GROUPS + part, last) * pitch + item];
        //# end
        //# end

        for (var query = 0u; query < params.tokens; query += GROUPS) {
            let own = query + part;
            let own_row = min(own, last);
            let q = qkv[q_start + own_row * pitch + item];
            let g = dout[out_start + own_row * width + item];
            let saved = stats[head * params.tokens + own_row];
            var delta = dot(g, out[out_start + own_row * width + item]);
            delta += subgroupShuffle(delta, lane ^ 1u);
            if (ITEMS > 2u) { delta += subgroupShuffle(delta, lane ^ 2u); }
            if (ITEMS > 4u) { delta += subgroupShuffle(delta, lane ^ 4u); }
            // Queries beyond the last weigh nothing.
            let inverse = select(saved.y, 0.0, own > last);
            //# repeat g in 0..GROUPS
            //# repeat c in 0..ITEMS
            let q{g}_{c} = subgroupBroadcast(q, {g}u * ITEMS + {c}u);
            let g{g}_{c} = subgroupBroadcast(g, {g}u * ITEMS + {c}u);
            //# end
            let highest{g} = subgroupBroadcast(saved.x, {g}u * ITEMS);
            let inverse{g} = subgroupBroadcast(inverse, {g}u * ITEMS);
            let delta{g} = subgroupBroadcast(delta, {g}u * ITEMS);
            //# repeat t in 0..KEYS
            var s{g}_{t} = beyond{t};
            //# repeat c in 0..ITEMS
            s{g}_{t} += dot(k{t}_{c}, q{g}_{c});
            //# end
            let p{g}_{t} = exp(min(s{g}_{t} - highest{g}, 0.0)) * inverse{g};
            var d{g}_{t} = 0.0;
            //# repeat c in 0..ITEMS
            d{g}_{t} += dot(v{t}_{c}, g{g}_{c});
            //# end
            //# end
            var dq{g} = vec4<f32>();
            //# repeat t in 0..KEYS
            let ds{g}_{t} = p{g}_{t} * (d{g}_{t} - delta{g});
            //# repeat c in 0..ITEMS
            dq{g} += subgroupShuffle(ds{g}_{t}, {c}u * GROUPS + part) * w{t}_{c};
            //# end
            //# end
            if (GROUPS > 1u) { dq{g} += subgroupShuffle(dq{g}, lane ^ ITEMS); }
            if (GROUPS > 2u) { dq{g} += subgroupShuffle(dq{g}, lane ^ (2u * ITEMS)); }
            //# end
            //# repeat t in 0..KEYS
            //# repeat c in 0..ITEMS
            //# repeat g in 0..GROUPS
            dv{t}_{c} += p{g}_{t} * g{g}_{c};
            dk{t}_{c} += ds{g}_{t} * q{g}_{c};
            //# end
            //# end
            //# end
            // Each group of lanes stores another query.
            var mine = dq0;
            //# repeat g in 1..GROUPS
            mine = select(mine, dq{g}, part == {g}u);
            //# end
            mine *= params.scale;
            if (own <= last) {
                let place = q_start + own * pitch + item;
                if (block > 0u) { mine += dqkv[place]; }
                dqkv[place] = mine;
            }
        }

        //# repeat t in 0..KEYS
        if (block + {t}u * 8u + lane <= last) {
            //# repeat c in 0..ITEMS
            dqkv[k_start + row{t} + {c}u] = dk{t}_{c} * params.scale;
            dqkv[v_start + row{t} + {c}u] = dv{t}_{c};
            //# end
        }
        //# end
    }
}
