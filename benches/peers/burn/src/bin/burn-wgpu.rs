fn main() {
    let language = if cfg!(feature = "spirv") { "SPIR-V" } else { "WGSL" };
    ijepa_peer_burn::run(
        &format!("wgpu ({language})"),
        burn::tensor::Device::wgpu(Default::default()),
    );
}
