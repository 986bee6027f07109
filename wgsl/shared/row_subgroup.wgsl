// A row of `params.items` vec4 in the registers of a subgroup: lane l has the vec4 l, LANES + l ..., ITEMS at most.
// Whether a lane's vec4 of this number is one of its row's. Only the last may not be, and that only where TAIL is 1.
fn inside(i: u32, lane: u32) -> bool { return TAIL == 0u || i + 1u < ITEMS || i * LANES + lane < params.items; }

fn row_mean(v: vec4<f32>) -> f32 { return subgroupAdd((v.x + v.y) + (v.z + v.w)) * params.inverse; }
