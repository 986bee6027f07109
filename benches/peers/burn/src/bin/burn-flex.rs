fn main() {
    ijepa_peer_burn::run("flex", burn::tensor::Device::flex());
}
