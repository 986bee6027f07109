// Item: what a lane handles at once. Here one value, for lengths that are no multiple of four.
alias Item = f32;
const ITEM: u32 = 1u;
fn item_sum(x: Item) -> f32 { return x; }
fn item_max(x: Item) -> f32 { return x; }
fn item_from(four: vec4<f32>, i: u32) -> Item { return four[i]; }
fn item_most_bits(x: Item) -> u32 { return bitcast<u32>(x) & 0x7fffffffu; }
