// matmul's operands in f32.
alias Operand = Item;
fn item_of_a(at: u32) -> Item { return a[at]; }
fn item_of_b(at: u32) -> Item { return b[at]; }
fn unscaled(sum: Item) -> Item { return sum; }
