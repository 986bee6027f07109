//! Which adapters there are, and what of them matters here.

use super::super::number::size;
use ijepa::gpu::{Gpu, Kind, adapters};
use ijepa::ops::matmul::{self, Form};

/// Every adapter with its index for `--adapter`.
pub fn list(backends: wgpu::Backends) -> String {
    let mut text = "adapters\n".to_string();
    for (index, adapter) in pollster::block_on(adapters(backends)).iter().enumerate() {
        let (info, limits, features) = (adapter.get_info(), adapter.limits(), adapter.features());
        let driver = [info.driver.as_str(), info.driver_info.as_str()].join(" ");
        text += &format!("  {index}  {}\n", info.name);
        let (backend, kind) = (info.backend, device_type(info.device_type));
        text += &format!("     {backend}, {kind}, driver {}\n", or_unknown(driver.trim()));
        text += &format!("     {}\n", sizes(&limits));
        let subgroups = match (
            features.contains(wgpu::Features::SUBGROUP),
            info.subgroup_min_size == info.subgroup_max_size,
        ) {
            (false, _) => "no subgroups".to_string(),
            (_, true) => format!("subgroups of {}", info.subgroup_min_size),
            (_, false) => format!("subgroups of {} to {}", info.subgroup_min_size, info.subgroup_max_size),
        };
        let timestamps = match features.contains(wgpu::Features::TIMESTAMP_QUERY) {
            true => "timestamps",
            false => "no timestamps",
        };
        text += &format!("     {subgroups}, {timestamps}\n");
    }
    text + "\n"
}

fn sizes(limits: &wgpu::Limits) -> String {
    format!(
        "binding {}, buffer {}, {} bindings a stage, workgroups of {} with {} KiB",
        size(limits.max_storage_buffer_binding_size),
        size(limits.max_buffer_size),
        limits.max_storage_buffers_per_shader_stage,
        limits.max_compute_invocations_per_workgroup,
        limits.max_compute_workgroup_storage_size >> 10,
    )
}

/// What the chosen adapter was opened with, and which kernels it gets.
pub fn chosen(gpu: &Gpu) -> String {
    let (whole, ragged) = ([64, 64, 64], [63, 63, 63]);
    let variant = |[m, n, k]: [usize; 3]| matmul::variant(gpu, Form::Nn, m, n, k).name();
    let products = match (variant(whole), variant(ragged)) {
        (one, other) if one == other => one.to_string(),
        (one, other) => format!("{one} ({other} where sizes are no multiples of 4)"),
    };
    let lanes = match gpu.kind() {
        Kind::Software => "a lane for each row, as on a driver that computes on the processor",
        Kind::Hardware => "64 lanes for each row, as on a GPU",
    };
    format!(
        "testing \"{}\"\n  opened with {}\n  matrix products and attention: {products}\n  other kernels: {lanes}\n\n  {:<34} {:>9}  {:>9}\n",
        gpu.info().name,
        sizes(gpu.limits()),
        "known answers",
        "error",
        "allowed"
    )
}

fn device_type(kind: wgpu::DeviceType) -> &'static str {
    match kind {
        wgpu::DeviceType::DiscreteGpu => "discrete GPU",
        wgpu::DeviceType::IntegratedGpu => "integrated GPU",
        wgpu::DeviceType::VirtualGpu => "virtual GPU",
        wgpu::DeviceType::Cpu => "software",
        wgpu::DeviceType::Other => "of unknown type",
    }
}

fn or_unknown(text: &str) -> &str {
    if text.is_empty() { "unknown" } else { text }
}
