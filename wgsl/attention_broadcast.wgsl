// attention_broadcast: attention in one kernel, for drivers that run shaders on the processor with subgroups of 8, and heads
// of 4 ITEMS channels (8, 16, 32 or 64), ITEMS = GROUPS PART.
//   out = sum_j exp(s_j - max) v_j / sum_j exp(s_j - max)    s_j = scale * q . k_j      stats = (max, 1 / sum)
//   reads  qkv [B*N, 3, H, 4 ITEMS]
//   writes out [B*N, H, 4 ITEMS] =   stats [B*H*N, 2] =
//   grid   `count` workgroups, each one subgroup of exactly 8, for 8 QUERIES queries of a head (`blocks` of a head, from head
//          `first` on); lane l owns the queries l, 8 + l, 16 + l ... of these, and all about them stays in the lane
//   Keys come KEYS = 8 / GROUPS at once: lane l reads PART items of key l % KEYS, from item l / KEYS * PART on, and hands them
//   round by subgroupBroadcast. Few keys at once keep few variables alive.
//   Weights are relative to `around`, which follows the maximum only where that is more than LATE above it: seldom, and then
//   what was summed so far shrinks. Scores are in units of ln 2, for exp2. No workgroup memory, no barrier.
//   order  keys ascending      repeats  src/gpu/repeat.rs      twin  src/cpu/attention.rs
struct Params { tokens: u32, heads: u32, first: u32, blocks: u32, count: u32, scale: f32 }
@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> qkv: array<vec4<f32>>;
@group(0) @binding(2) var<storage, read_write> out: array<vec4<f32>>;
@group(0) @binding(3) var<storage, read_write> stats: array<vec2<f32>>;

const ITEMS: u32 = GROUPS * PART;
const LN_2: f32 = 0.69314718;
const FAR: f32 = -1.0e30; // what is added to the scores of keys beyond the last: their weight becomes 0
const LATE: f32 = 8.0;    // so that no weight is more than 2^8

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
    var around{q} = FAR;
    var highest{q} = FAR;
    var sum{q} = 0.0;
    //# repeat g in 0..GROUPS
    //# repeat c in 0..PART
    let q{q}_{g}_{c} = qkv[row{q} + {g}u * PART + {c}u] * (params.scale / LN_2);
    var o{q}_{g}_{c} = vec4<f32>();
    //# end
    //# end
    //# end

    for (var key = 0u; key < params.tokens; key += KEYS) {
        let own = key + lane % KEYS;
        let row = min(own, last) * pitch + lane / KEYS * PART;
        //# repeat c in 0..PART
        let k{c} = qkv[k_start + row + {c}u];
        let v{c} = qkv[v_start + row + {c}u];
        //# end
        let beyond = select(0.0, FAR, own > last);
        //# repeat j in 0..KEYS
        //# repeat q in 0..QUERIES
        var s{q}_{j} = subgroupBroadcast(beyond, {j}u);
        //# end
        //# repeat g in 0..GROUPS
        //# repeat c in 0..PART
        let k{g}_{c}_{j} = subgroupBroadcast(k{c}, {g}u * KEYS + {j}u);
        //# repeat q in 0..QUERIES
        s{q}_{j} += dot(q{q}_{g}_{c}, k{g}_{c}_{j});
        //# end
        //# end
        //# end
        //# end

        var above = 0.0;
        //# repeat q in 0..QUERIES
        //# repeat j in 0..KEYS
        highest{q} = max(highest{q}, s{q}_{j});
        //# end
        above = max(above, highest{q} - around{q});
        //# end
        if (above > LATE) {
            //# repeat q in 0..QUERIES
            let shrink{q} = exp2(around{q} - highest{q});
            around{q} = highest{q};
            sum{q} *= shrink{q};
            //# repeat g in 0..GROUPS
            //# repeat c in 0..PART
            o{q}_{g}_{c} *= shrink{q};
            //# end
            //# end
            //# end
        }
        //# repeat q in 0..QUERIES
        //# repeat j in 0..KEYS
        let p{q}_{j} = exp2(s{q}_{j} - around{q});
        sum{q} += p{q}_{j};
        //# end
        //# end
        //# repeat g in 0..GROUPS
        //# repeat c in 0..PART
        //# repeat j in 0..KEYS
        let v{g}_{c}_{j} = subgroupBroadcast(v{c}, {g}u * KEYS + {j}u);
        //# repeat q in 0..QUERIES
        o{q}_{g}_{c} += p{q}_{j} * v{g}_{c}_{j};
        //# end
        //# end
        //# end
        //# end
    }

    let out_start = image * params.tokens * width + (head % params.heads) * ITEMS;
    //# repeat q in 0..QUERIES
    if (query0 + {q}u * 8u <= last) {
        let inverse = 1.0 / sum{q};
        let query = query0 + {q}u * 8u;
        //# repeat g in 0..GROUPS
        //# repeat c in 0..PART
        out[out_start + query * width + {g}u * PART + {c}u] = o{q}_{g}_{c} * inverse;
        //# end
        //# end
        stats[head * params.tokens + query] = vec2(highest{q} * LN_2, inverse * exp2(highest{q} - around{q}));
    }
    //# end
}
