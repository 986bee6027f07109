// attention, the variant for drivers that run shaders on the processor with subgroups of 8: all of it in one kernel, for
// heads of 4 ITEMS channels.
//   out = sum_j exp(s_j - max) v_j / sum_j exp(s_j - max)    s_j = scale * q . k_j      stats = (max, 1 / sum)
//   reads  qkv [B*N, 3, H, 4 ITEMS]
//   writes out [B*N, H, 4 ITEMS] =   stats [B*H*N, 2] =
//   grid   `count` workgroups, each one subgroup of exactly 8, for 8 QUERIES queries of a head (`blocks` of a head, from head
//          `first` on); lane l owns the queries l, 8 + l, 16 + l ... of these, and all about them stays in the lane
//   Keys come by eights: each lane reads another row of K and V, all of them before the arithmetic, and hands it round by
//   subgroupBroadcast. Repeats: src/gpu/repeat.rs. Where a block has a new maximum, what was summed so far shrinks. No workgroup memory, no barrier.
//   order  keys ascending      twin  src/cpu/attention.rs
struct Params { tokens: u32, heads: u32, first: u32, blocks: u32, count: u32, scale: f32 }
@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> qkv: array<vec4<f32>>;
@group(0) @binding(2) var<storage, read_write> out: array<vec4<f32>>;
@group(0) @binding(3) var<storage, read_write> stats: array<vec2<f32>>;

const FAR: f32 = -1.0e30; // what is added to the scores of keys beyond the last: their weight becomes 0

@compute @workgroup_size(8)
fn main(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) lane: u32,
) {
    let number = group.x + group.y * groups.x;
    if (number >= params.count) { return; }
    let head = params.first + number / params.blocks; // of all images' heads
    let image = head / params.heads;
    let width = params.heads * ITEMS;
    let pitch = 3u * width; // from token to token in qkv
    let last = params.tokens - 1u;
    let query0 = (number % params.blocks) * 8u * QUERIES + lane;
    let q_start = image * params.tokens * pitch + (head % params.heads) * ITEMS;
    let k_start = q_start + width;
    let v_start = k_start + width;

    // Queries beyond the last compute the last one again, and are not stored.
    //# repeat q in 0..QUERIES
    let row{q} = q_start + min(query0 + {q}u * 8u, last) * pitch;
    var highest{q} = FAR;
    var sum{q} = 0.0;
    //# repeat c in 0..ITEMS
    let q{q}_{c} = qkv[row{q} + {c}u] * params.scale;
    var o{q}_{c} = vec4<f32>();
    //# end
    //# end

    for (var key = 0u; key < params.tokens; key += 8u) {
        let row = min(key + lane, last) * pitch;
        //# repeat c in 0..ITEMS
        let k{c} = qkv[k_start + row + {c}u];
        let v{c} = qkv[v_start + row + {c}u];
        //# end
        let beyond = select(0.0, FAR, key + lane > last);
        //# repeat j in 0..8
        //# repeat q in 0..QUERIES
        var s{q}_{j} = subgroupBroadcast(beyond, {j}u);
        //# end
        //# repeat c in 0..ITEMS
        let k{c}_{j} = subgroupBroadcast(k{c}, {j}u);
        //# repeat q in 0..QUERIES
        s{q}_{j} += dot(q{q}_{c}, k{c}_{j});
        //# end
        //# end
        //# end
        //# repeat q in 0..QUERIES
        let higher{q} = max(max(max(max(s{q}_0, s{q}_1), max(s{q}_2, s{q}_3)), max(max(s{q}_4, s{q}_5), max(s{q}_6, s{q}_7))), highest{q});
        let shrink{q} = exp(highest{q} - higher{q});
        highest{q} = higher{q};
        //# repeat j in 0..8
        let p{q}_{j} = exp(s{q}_{j} - higher{q});
        //# end
        sum{q} = sum{q} * shrink{q} + ((p{q}_0 + p{q}_1) + (p{q}_2 + p{q}_3)) + ((p{q}_4 + p{q}_5) + (p{q}_6 + p{q}_7));
        //# repeat c in 0..ITEMS
        o{q}_{c} *= shrink{q};
        //# end
        //# end
        //# repeat c in 0..ITEMS
        //# repeat j in 0..8
        let v{c}_{j} = subgroupBroadcast(v{c}, {j}u);
        //# repeat q in 0..QUERIES
        o{q}_{c} += p{q}_{j} * v{c}_{j};
        //# end
        //# end
        //# end
    }

    let out_start = image * params.tokens * width + (head % params.heads) * ITEMS;
    //# repeat q in 0..QUERIES
    if (query0 + {q}u * 8u <= last) {
        let inverse = 1.0 / sum{q};
        let query = query0 + {q}u * 8u;
        //# repeat c in 0..ITEMS
        out[out_start + query * width + {c}u] = o{q}_{c} * inverse;
        //# end
        stats[head * params.tokens + query] = vec2(highest{q}, inverse);
    }
    //# end
}
