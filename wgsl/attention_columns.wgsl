// attention_columns: attention in one kernel, for drivers that run shaders on the processor with subgroups of 8, heads of
// 32 COLUMNS channels. As attention_broadcast, but with two layouts, so that the live variables are few where heads are wide.
//   out = sum_j exp(s_j - max) v_j / sum_j exp(s_j - max)    s_j = scale * q . k_j      stats = (max, 1 / sum)
//   reads  qkv [B*N, 3, H, 32 COLUMNS]
//   writes out [B*N, H, 32 COLUMNS] =   stats [B*H*N, 2] =
//   grid   `count` workgroups, each one subgroup of exactly 8, for 8 QUERIES queries of a head (`blocks` of a head, from head
//          `first` on)
//   Scores and softmax: lane l owns the queries l, 8 + l, 16 + l ... ; keys come by 8 EIGHTS, each lane reads others of K, four
//   channels at a time, and hands them round by subgroupBroadcast.
//   Values: lane l owns the channels 4 l ... 4 l + 3 of each 32 of all the subgroup's queries; weights are handed round.
//   Where a block has a new maximum, what was summed so far shrinks. No workgroup memory, no barrier.
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
    let items = 8u * COLUMNS;
    let width = params.heads * items;
    let pitch = 3u * width; // from token to token in qkv
    let last = params.tokens - 1u;
    let query0 = (number % params.blocks) * 8u * QUERIES;
    let q_start = image * params.tokens * pitch + (head % params.heads) * items;
    let k_start = q_start + width;
    let v_start = k_start + width + lane;

    // Queries beyond the last compute the last one again, and are not stored.
    //# repeat t in 0..QUERIES
    let row{t} = q_start + min(query0 + {t}u * 8u + lane, last) * pitch;
    var highest{t} = FAR;
    var sum{t} = 0.0;
    //# repeat r in 0..8
    //# repeat c in 0..COLUMNS
    var o{t}_{r}_{c} = vec4<f32>();
    //# end
    //# end
    //# end

    for (var key = 0u; key < params.tokens; key += 8u * EIGHTS) {
        //# repeat e in 0..EIGHTS
        let k_row{e} = k_start + min(key + {e}u * 8u + lane, last) * pitch;
        let beyond{e} = select(0.0, FAR, key + {e}u * 8u + lane > last);
        //# repeat t in 0..QUERIES
        //# repeat j in 0..8
        var s{t}_{e}_{j} = 0.0;
        //# end
        //# end
        //# end
        // `blocks` is never 0, and not known to the compiler: a loop of so many turns stays one.
        for (var i = 0u; i < min(items, items * params.blocks); i += 1u) {
            //# repeat t in 0..QUERIES
            let q{t} = qkv[row{t} + i];
            //# end
            //# repeat e in 0..EIGHTS
            let k{e} = qkv[k_row{e} + i];
            //# end
            //# repeat e in 0..EIGHTS
            //# repeat j in 0..8
            let k{e}_{j} = subgroupBroadcast(k{e}, {j}u);
            //# repeat t in 0..QUERIES
            s{t}_{e}_{j} += dot(q{t}, k{e}_{j});
            //# end
            //# end
            //# end
        }
        //# repeat e in 0..EIGHTS
        //# repeat j in 0..8
        //# repeat c in 0..COLUMNS
        let v{e}_{j}_{c} = qkv[v_start + min(key + {e}u * 8u + {j}u, last) * pitch + {c}u * 8u];
        //# end
        //# end
        //# end
        //# repeat t in 0..QUERIES
        var higher{t} = highest{t};
        //# repeat e in 0..EIGHTS
        //# repeat j in 0..8
        let x{t}_{e}_{j} = s{t}_{e}_{j} * params.scale + subgroupBroadcast(beyond{e}, {j}u);
        //# end
        higher{t} = max(higher{t}, max(max(max(x{t}_{e}_0, x{t}_{e}_1), max(x{t}_{e}_2, x{t}_{e}_3)), max(max(x{t}_{e}_4, x{t}_{e}_5), max(x{t}_{e}_6, x{t}_{e}_7))));
        //# end
        let shrink{t} = exp(highest{t} - higher{t});
        highest{t} = higher{t};
        sum{t} *= shrink{t};
        //# repeat e in 0..EIGHTS
        //# repeat j in 0..8
        let p{t}_{e}_{j} = exp(x{t}_{e}_{j} - higher{t});
        //# end
        sum{t} += ((p{t}_{e}_0 + p{t}_{e}_1) + (p{t}_{e}_2 + p{t}_{e}_3)) + ((p{t}_{e}_4 + p{t}_{e}_5) + (p{t}_{e}_6 + p{t}_{e}_7));
        //# end
        //# end
        //# repeat t in 0..QUERIES
        //# repeat r in 0..8
        let shrink{t}_{r} = subgroupBroadcast(shrink{t}, {r}u);
        //# repeat c in 0..COLUMNS
        o{t}_{r}_{c} *= shrink{t}_{r};
        //# end
        //# repeat e in 0..EIGHTS
        //# repeat j in 0..8
        let p{t}_{r}_{e}_{j} = subgroupBroadcast(p{t}_{e}_{j}, {r}u);
        //# repeat c in 0..COLUMNS
        o{t}_{r}_{c} += p{t}_{r}_{e}_{j} * v{e}_{j}_{c};
        //# end
        //# end
        //# end
        //# end
        //# end
    }

    let out_start = image * params.tokens * width + (head % params.heads) * items + lane;
    //# repeat t in 0..QUERIES
    let inverse{t} = 1.0 / sum{t};
    if (query0 + {t}u * 8u + lane <= last) {
        stats[head * params.tokens + query0 + {t}u * 8u + lane] = vec2(highest{t}, inverse{t});
    }
    //# repeat r in 0..8
    let inverse{t}_{r} = subgroupBroadcast(inverse{t}, {r}u);
    if (query0 + {t}u * 8u + {r}u <= last) {
        //# repeat c in 0..COLUMNS
        out[out_start + (query0 + {t}u * 8u + {r}u) * width + {c}u * 8u] = o{t}_{r}_{c} * inverse{t}_{r};
        //# end
    }
    //# end
    //# end
}
