// What a lane of cast handles at once: here four values.
alias Wide = vec4<f32>;
alias Narrow = vec2<u32>;
fn narrowed(at: u32) -> Narrow { return vec2(narrow_pair(scaled(x[at].xy)), narrow_pair(scaled(x[at].zw))); }
