// matmul's operands in 16 bits, value by value; see bf16.wgsl, f16.wgsl.
alias Operand = u32;
fn item_of_a(at: u32) -> Item { return wide_pair(a[at / 2u])[at % 2u]; }
fn item_of_b(at: u32) -> Item { return wide_pair(b[at / 2u])[at % 2u]; }
fn unscaled(sum: Item) -> Item {
    if (NARROW_RANGE) { return sum * bias[0]; }
    return sum;
}
