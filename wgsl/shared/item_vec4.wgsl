// Item: what a lane handles at once. Here four neighbours of a row; lengths and strides are counted in Items.
alias Item = vec4<f32>;
const ITEM: u32 = 4u;
fn item_sum(x: Item) -> f32 { return (x.x + x.y) + (x.z + x.w); }
fn item_max(x: Item) -> f32 { return max(max(x.x, x.y), max(x.z, x.w)); }
fn item_from(four: vec4<f32>, i: u32) -> Item { return four; }
fn item_most_bits(x: Item) -> u32 {
    let bits = bitcast<vec4<u32>>(x) & vec4(0x7fffffffu);
    return max(max(bits.x, bits.y), max(bits.z, bits.w));
}
