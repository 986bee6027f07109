// The exact GELU, x * Phi(x), with Phi the normal distribution; WGSL has no erf.
//   Phi(x)              = 1/2 + c * P(c^2) / Q(c^2), c = x clamped to +-5.4
//   Phi(x) + x * phi(x) = the same form with its own P and Q, c = x clamped to +-5.6
// Both rational functions are within 1e-6 (absolute) of the truth everywhere.
fn gelu(x: Item) -> Item {
    let c = clamp(x, Item(-5.4), Item(5.4));
    let z = c * c;
    let p = ((((z * 2.33867156e-8 + Item(6.36002619e-6)) * z + Item(1.64322224e-4)) * z + Item(4.65085442e-3)) * z
        + Item(3.33722776e-2)) * z + Item(0.398942245);
    let q = ((((z * 1.21659089e-6 + Item(7.24003682e-5)) * z + Item(1.85898448e-3)) * z + Item(2.83787161e-2)) * z
        + Item(0.250317984)) * z + Item(1.0);
    return x * (Item(0.5) + c * p / q);
}
fn gelu_derivative(x: Item) -> Item {
    let c = clamp(x, Item(-5.6), Item(5.6));
    let z = c * c;
    let p = ((((z * 1.9216729e-7 + Item(3.58992888e-5)) * z + Item(1.97513605e-5)) * z + Item(1.42260685e-2)) * z
        - Item(3.09753569e-2)) * z + Item(0.797885345);
    let q = ((((z * 8.92817106e-6 + Item(1.9205182e-4)) * z + Item(3.52263758e-3)) * z + Item(4.09837418e-2)) * z
        + Item(0.29451958)) * z + Item(1.0);
    return Item(0.5) + c * p / q;
}
