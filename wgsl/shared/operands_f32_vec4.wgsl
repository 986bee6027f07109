// matmul's operands in f32, four values at a time.
alias Operand = vec4<f32>;
fn item_of_a(at: u32) -> vec4<f32> { return a[at]; }
fn item_of_b(at: u32) -> vec4<f32> { return b[at]; }
fn value_of_a(at: u32) -> f32 { return a[at / 4u][at % 4u]; }
fn value_of_b(at: u32) -> f32 { return b[at / 4u][at % 4u]; }
fn unscaled(sum: Item) -> Item { return sum; }
