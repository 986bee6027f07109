//! Matrix units (cooperative matrices): what an adapter has of them that kernels here can use, and whether they were found to
//! compute right on this very device. They do not before someone has tried: drivers differ in what the same WGSL means.

use super::{Gpu, Options};

/// Which matrix units a device may use.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum UnitsChoice {
    /// The adapter's, once a test has passed on the device.
    #[default]
    Auto,
    Off,
    /// None; their kernels compute with plain WGSL in their stead, on any adapter. For tests.
    Plain,
}

/// Matrix units that multiply f16 and add in f32.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Units {
    /// Rows, columns and length of a fragment: 8 or 16.
    pub side: u32,
    /// Lanes of a subgroup, to which a fragment belongs.
    pub width: u32,
    /// See [`UnitsChoice::Plain`].
    pub plain: bool,
}

impl Units {
    const PLAIN: Units = Units {
        side: 8,
        width: 8,
        plain: true,
    };
}

/// Widths of subgroups that kernels are made for: four of them are a workgroup.
pub const WIDTHS: [u32; 4] = [8, 16, 32, 64];
/// Sides of fragments, the better one first.
const SIDES: [u32; 2] = [16, 8];

/// What a device has to be opened with for its matrix units.
fn features() -> wgpu::Features {
    wgpu::Features::EXPERIMENTAL_COOPERATIVE_MATRIX | wgpu::Features::SHADER_F16
}

/// Opens a device as `descriptor` says, with its matrix units where it has some that `options` want; without, where it does not
/// open with them.
pub(super) async fn open(
    adapter: &wgpu::Adapter,
    mut descriptor: wgpu::DeviceDescriptor<'_>,
    options: &Options,
) -> Result<((wgpu::Device, wgpu::Queue), Option<Units>), wgpu::RequestDeviceError> {
    let units = match options.units {
        UnitsChoice::Auto if !options.plain => of(adapter),
        UnitsChoice::Plain => return Ok((adapter.request_device(&descriptor).await?, Some(Units::PLAIN))),
        UnitsChoice::Auto | UnitsChoice::Off => None,
    };
    if units.is_some() {
        let without = (descriptor.required_features, descriptor.experimental_features);
        descriptor.required_features |= features();
        // SAFETY: what is experimental in wgpu are cooperative matrices. Two kernels use them: the one for products, which gets
        // them only when it was seen to compute right on this device, and the one that measures the rate, which runs only then.
        descriptor.experimental_features = unsafe { wgpu::ExperimentalFeatures::enabled() };
        if let Ok(opened) = adapter.request_device(&descriptor).await {
            return Ok((opened, units));
        }
        (descriptor.required_features, descriptor.experimental_features) = without;
    }
    Ok((adapter.request_device(&descriptor).await?, None))
}

/// What the adapter has; in browsers none has any.
fn of(adapter: &wgpu::Adapter) -> Option<Units> {
    use wgpu::CooperativeScalarType::{F16, F32};
    let info = adapter.get_info();
    let width = info.subgroup_min_size;
    let usable = adapter.features().contains(features()) && width == info.subgroup_max_size && WIDTHS.contains(&width);
    let properties = adapter.cooperative_matrix_properties();
    let has = |side: u32| {
        properties
            .iter()
            .any(|has| [has.m_size, has.n_size, has.k_size] == [side; 3] && (has.ab_type, has.cr_type) == (F16, F32))
    };
    let side = SIDES.into_iter().find(|&side| has(side))?;
    usable.then_some(Units {
        side,
        width,
        plain: false,
    })
}

impl Gpu {
    /// What the device was opened with, tried or not.
    pub fn units_offered(&self) -> Option<Units> {
        self.inner.units
    }

    /// Says whether they compute right, once and for the device's life; and for the one that takes its place.
    pub fn trust_units(&self, right: bool) {
        self.inner.units_trusted.get_or_init(|| right);
    }

    /// Whether that has been said already.
    pub fn units_tried(&self) -> bool {
        self.inner.units_trusted.get().is_some()
    }

    /// The units that kernels may use.
    pub fn units(&self) -> Option<Units> {
        let right = self.inner.units_trusted.get().copied().unwrap_or(false);
        self.inner.units.filter(|units| right || units.plain)
    }
}
