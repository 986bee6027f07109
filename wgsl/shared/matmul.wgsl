// What the variants of matmul share: sizes, bindings, and what happens to a finished sum (the epilogue).
// Strides and offsets are counted in Items. Matrix number z of a batch starts at
//   offset + (z / inner) * outer_stride + (z % inner) * inner_stride      (outer: image, inner: head)
struct Place { offset: u32, row: u32, outer: u32, inner: u32 }
struct Params { m: u32, n: u32, k: u32, inner: u32, a: Place, b: Place, c: Place }
@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> a: array<Operand>;
@group(0) @binding(2) var<storage, read> b: array<Operand>;
@group(0) @binding(3) var<storage, read> bias: array<Item>;
@group(0) @binding(4) var<storage, read_write> c: array<Item>;
@group(0) @binding(5) var<storage, read_write> aux: array<Item>;

const NN: u32 = 0u; // A[M,K]   B[K,N]
const NT: u32 = 1u; // A[M,K]   B[N,K], read as its transpose
const TN: u32 = 2u; // A[K,M], read as its transpose   B[K,N]

fn start(place: Place, number: u32) -> u32 {
    return place.offset + (number / params.inner) * place.outer + (number % params.inner) * place.inner;
}

// Where A was cast with a factor, `bias` holds its inverse: only gradients are, and no bias is added to these.
// EPILOGUE is a constant: what becomes of a sum before it is stored. `aux` lies like C.
const PLAIN: u32 = 0u;         // c = sum
const BIAS: u32 = 1u;          // c = sum + bias
const BIAS_GELU: u32 = 2u;     // aux = sum + bias, c = gelu(aux)
const BIAS_RESIDUAL: u32 = 3u; // c = aux + sum + bias
const GELU_BACKWARD: u32 = 4u; // c = sum * gelu'(aux)
const ACCUMULATE: u32 = 5u;    // c += sum
const BIAS_GELU_ONLY: u32 = 6u; // c = gelu(sum + bias), where no gradient asks for what was before
fn finish(at: u32, column: u32, sum: Item) {
    var value = sum;
    if (EPILOGUE == BIAS || EPILOGUE == BIAS_GELU || EPILOGUE == BIAS_RESIDUAL || EPILOGUE == BIAS_GELU_ONLY) { value += bias[column]; }
    if (EPILOGUE == BIAS_GELU) { aux[at] = value; }
    if (EPILOGUE == BIAS_GELU || EPILOGUE == BIAS_GELU_ONLY) { value = gelu(value); }
    if (EPILOGUE == BIAS_RESIDUAL) { value += aux[at]; }
    if (EPILOGUE == PLAIN || EPILOGUE == GELU_BACKWARD || EPILOGUE == ACCUMULATE) { value = unscaled(value); }
    if (EPILOGUE == GELU_BACKWARD) { value *= gelu_derivative(aux[at]); }
    if (EPILOGUE == ACCUMULATE) { value += c[at]; }
    c[at] = value;
}
