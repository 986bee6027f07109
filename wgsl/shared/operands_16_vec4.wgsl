// matmul's operands in 16 bits, four values at a time; see bf16.wgsl, f16.wgsl.
alias Operand = vec2<u32>;
fn item_of_a(at: u32) -> vec4<f32> { let words = a[at]; return vec4(wide_pair(words.x), wide_pair(words.y)); }
fn item_of_b(at: u32) -> vec4<f32> { let words = b[at]; return vec4(wide_pair(words.x), wide_pair(words.y)); }
fn value_of_a(at: u32) -> f32 { return wide_pair(a[at / 4u][at / 2u % 2u])[at % 2u]; }
fn value_of_b(at: u32) -> f32 { return wide_pair(b[at / 4u][at / 2u % 2u])[at % 2u]; }
fn unscaled(sum: Item) -> Item {
    if (NARROW_RANGE) { return sum * bias[0]; }
    return sum;
}
