// What a lane of cast handles at once: here two values, the last of them alone where their number is odd.
alias Wide = f32;
alias Narrow = u32;
fn narrowed(at: u32) -> Narrow {
    let second = min(2u * at + 1u, params.values - 1u);
    return narrow_pair(scaled(vec2(x[2u * at], select(0.0, x[second], second == 2u * at + 1u))));
}
