//! Finds an adapter, opens a device on it, and says what kind of machine it is.

use super::kernel::PipelineCache;
use super::units::{self, Units, UnitsChoice};
use crate::{Error, Result};
use std::sync::{Arc, Mutex};

/// Which adapter to open.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum AdapterChoice {
    /// The first discrete GPU, else an integrated one, else whatever there is.
    #[default]
    Auto,
    /// A software driver (lavapipe, SwiftShader, WARP).
    Software,
    /// The number that `ijepa doctor` lists.
    Index(usize),
    /// Part of the adapter's name, in any case.
    Name(String),
}

impl std::str::FromStr for AdapterChoice {
    type Err = std::convert::Infallible;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Ok(match text {
            "auto" => Self::Auto,
            "software" => Self::Software,
            _ => text
                .parse()
                .map(Self::Index)
                .unwrap_or_else(|_| Self::Name(text.to_string())),
        })
    }
}

/// The families of kernels: see `ops::matmul`, whose variants have these names.
pub const VARIANTS: [&str; 4] = ["any", "tile", "broadcast", "quad"];

/// How to open a device.
#[derive(Clone, Debug)]
pub struct Options {
    pub adapter: AdapterChoice,
    /// What the adapter is called where it does not say itself: browsers describe it elsewhere.
    pub name: Option<String>,
    pub backends: wgpu::Backends,
    /// Ask for nothing beyond the plain limits of WebGPU, and use no feature.
    pub plain: bool,
    /// The device has subgroups although wgpu does not say so: whoever opens it has seen to that. In a browser wgpu 30
    /// neither asks for them nor reports them.
    pub subgroups: bool,
    /// Kernel family for matmul, attention and norms ([`VARIANTS`]); chosen from the adapter when `None`.
    pub variant: Option<String>,
    /// How lanes share the work in the other kernels; what the adapter is when `None`. Both ways run anywhere, so that
    /// each can be tested on the other's machine.
    pub kind: Option<Kind>,
    /// Bytes of the adapter's memory that plans may ask for; all there is when `None`.
    pub memory: Option<u64>,
    /// Matrix units for products of f16.
    pub units: UnitsChoice,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            adapter: AdapterChoice::Auto,
            name: None,
            backends: wgpu::Backends::all(),
            plain: false,
            subgroups: false,
            variant: None,
            kind: None,
            memory: None,
            units: UnitsChoice::Auto,
        }
    }
}

/// What a device comes to that another one, opened on the same adapter, may not.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Trouble {
    OutOfMemory,
    /// The device is gone, with all that lay in its memory: its driver began anew. Want of memory often looks like this.
    Lost,
}

/// The first thing that went wrong on a device.
pub(super) struct Failure {
    trouble: Option<Trouble>,
    text: String,
}

/// What the adapter is, as far as the choice of kernels goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Kind {
    /// A driver that runs shaders on the processor: short workgroups, no workgroup memory, loops inside the lane.
    Software,
    /// A real GPU: wide workgroups, workgroup memory, adjacent lanes at adjacent addresses.
    Hardware,
}

impl Kind {
    /// See [`Gpu::lanes`].
    pub fn lanes(self) -> u32 {
        match self {
            Kind::Software => 8,
            Kind::Hardware => 64,
        }
    }
}

/// An open device: a cheap handle, shared by everything that computes.
#[derive(Clone)]
pub struct Gpu {
    pub(super) inner: Arc<Inner>,
}

pub(super) struct Inner {
    pub device: wgpu::Device,
    pub queue: wgpu::Queue,
    pub info: wgpu::AdapterInfo,
    pub limits: wgpu::Limits,
    pub subgroups: bool,
    pub variant: Option<String>,
    pub kind: Kind,
    pub pipelines: Mutex<PipelineCache>,
    pub failure: Arc<Mutex<Option<Failure>>>,
    /// How it was opened.
    pub options: Options,
    /// Bytes of the adapter's own memory, where it says so.
    pub memory: Option<u64>,
    pub unused: std::sync::OnceLock<super::View>,
    pub tuned: std::sync::OnceLock<super::Tuned>,
    pub ones: std::sync::OnceLock<super::View>,
    pub units: Option<Units>,
    pub units_trusted: std::sync::OnceLock<bool>,
}

fn instance(backends: wgpu::Backends) -> wgpu::Instance {
    let mut descriptor = wgpu::InstanceDescriptor::new_without_display_handle();
    descriptor.backends = backends;
    wgpu::Instance::new(descriptor)
}

/// Every adapter of these backends, in the order that `--adapter <index>` counts.
pub async fn adapters(backends: wgpu::Backends) -> Vec<wgpu::Adapter> {
    instance(backends).enumerate_adapters(backends).await
}

/// Bytes that kernels can index: they count in u32, patchify even single bytes.
const INDEXED: u64 = u32::MAX as u64 & !255;

#[cfg(not(target_arch = "wasm32"))]
const HOW_TO_GET_ONE: &str = "install the graphics driver of your GPU, or a software one (on Debian: \
    `make setup`, which installs mesa-vulkan-drivers and libvulkan1), and see `ijepa doctor`";

#[cfg(not(target_arch = "wasm32"))]
const ANOTHER_WAY: &str = "try another --adapter";
#[cfg(target_arch = "wasm32")]
const ANOTHER_WAY: &str = "close what else uses the GPU, then reload the page";

#[cfg(not(target_arch = "wasm32"))]
fn choose(mut found: Vec<wgpu::Adapter>, options: &Options) -> Result<wgpu::Adapter> {
    let choice = &options.adapter;
    if found.is_empty() && options.backends != wgpu::Backends::all() {
        let message = "no GPU adapter is reached by this --backend: leave it out to use whichever there is";
        return Err(Error::usage(message));
    }
    if found.is_empty() {
        return Err(Error::usage(format!("no GPU adapter found: {HOW_TO_GET_ONE}")));
    }
    let names = || {
        let list: Vec<String> = found
            .iter()
            .enumerate()
            .map(|(i, a)| format!("{i} \"{}\"", a.get_info().name))
            .collect();
        list.join(", ")
    };
    let rank = |adapter: &wgpu::Adapter| match adapter.get_info().device_type {
        wgpu::DeviceType::DiscreteGpu => 0,
        wgpu::DeviceType::IntegratedGpu => 1,
        wgpu::DeviceType::VirtualGpu => 2,
        wgpu::DeviceType::Other => 3,
        wgpu::DeviceType::Cpu => 4,
    };
    let index = match choice {
        AdapterChoice::Auto => (0..found.len()).min_by_key(|&i| (rank(&found[i]), i)),
        AdapterChoice::Software => (0..found.len()).find(|&i| rank(&found[i]) == 4),
        AdapterChoice::Index(i) => (*i < found.len()).then_some(*i),
        AdapterChoice::Name(part) => {
            let part = part.to_lowercase();
            (0..found.len()).find(|&i| found[i].get_info().name.to_lowercase().contains(&part))
        }
    };
    match index {
        Some(index) => Ok(found.swap_remove(index)),
        None => {
            let asked = match choice {
                AdapterChoice::Auto => "auto".to_string(),
                AdapterChoice::Software => "software".to_string(),
                AdapterChoice::Index(i) => i.to_string(),
                AdapterChoice::Name(name) => format!("\"{name}\""),
            };
            Err(Error::usage(format!(
                "no adapter matches {asked}; there are: {}",
                names()
            )))
        }
    }
}

impl Gpu {
    /// Opens the device. Larger buffers and subgroups are used where the adapter has them; neither is required.
    pub async fn open(options: &Options) -> Result<Self> {
        if let Some(variant) = &options.variant
            && !VARIANTS.contains(&variant.as_str())
        {
            let hint = crate::error::did_you_mean(variant, VARIANTS);
            return Err(Error::usage(format!(
                "no kernel variant \"{variant}\": use one of {}{hint}",
                VARIANTS.join(", ")
            )));
        }
        #[cfg(not(target_arch = "wasm32"))]
        let adapter = choose(adapters(options.backends).await, options)?;
        #[cfg(target_arch = "wasm32")]
        let adapter = instance(options.backends)
            .request_adapter(&wgpu::RequestAdapterOptions::default())
            .await
            .map_err(|e| Error::usage(format!("no WebGPU adapter: {e}")))?;
        Self::from_adapter(adapter, options).await
    }

    /// Opens a device on this adapter; `options.adapter` has no say any more.
    pub async fn from_adapter(adapter: wgpu::Adapter, options: &Options) -> Result<Self> {
        let (mut info, memory) = (adapter.get_info(), memory_of(&adapter));
        if let Some(name) = options.name.as_ref().filter(|_| info.name.is_empty()) {
            info.name = name.clone();
        }
        let mut limits = wgpu::Limits::default();
        let mut features = wgpu::Features::empty();
        if !options.plain {
            let has = adapter.limits();
            limits.max_buffer_size = has.max_buffer_size;
            limits.max_storage_buffer_binding_size = has.max_storage_buffer_binding_size.min(INDEXED);
            features = adapter.features() & (wgpu::Features::SUBGROUP | wgpu::Features::TIMESTAMP_QUERY);
        }
        let descriptor = wgpu::DeviceDescriptor {
            label: Some("ijepa"),
            required_features: features,
            required_limits: limits.clone(),
            ..Default::default()
        };
        let ((device, queue), units) = units::open(&adapter, descriptor, options)
            .await
            .map_err(|e| Error::run(format!("adapter \"{}\" did not open: {e}; {ANOTHER_WAY}", info.name)))?;
        // The first failure is kept for whoever waits for a result; nothing panics in a callback.
        let failure: Arc<Mutex<Option<Failure>>> = Arc::default();
        let (on_error, on_loss) = (failure.clone(), failure.clone());
        device.on_uncaptured_error(Arc::new(move |error: wgpu::Error| {
            let trouble = match error {
                wgpu::Error::OutOfMemory { .. } => Some(Trouble::OutOfMemory),
                _ => None,
            };
            note(&on_error, trouble, error.to_string());
        }));
        device.set_device_lost_callback(move |_, text| {
            // A driver that finds no memory for work that was submitted loses the device, and says why.
            let trouble = match text.to_lowercase().contains("out of memory") {
                true => Trouble::OutOfMemory,
                false => Trouble::Lost,
            };
            note(&on_loss, Some(trouble), format!("the device was lost: {text}"));
        });
        let kind = options.kind.unwrap_or(match info.device_type {
            wgpu::DeviceType::Cpu => Kind::Software,
            _ => Kind::Hardware,
        });
        let inner = Inner {
            device,
            queue,
            info,
            limits,
            subgroups: features.contains(wgpu::Features::SUBGROUP) || options.subgroups && !options.plain,
            variant: options.variant.clone(),
            kind,
            pipelines: Mutex::default(),
            failure,
            options: options.clone(),
            memory,
            unused: std::sync::OnceLock::new(),
            tuned: std::sync::OnceLock::new(),
            ones: std::sync::OnceLock::new(),
            units,
            units_trusted: std::sync::OnceLock::new(),
        };
        // In a browser handles stay on the thread that made them.
        #[cfg_attr(target_arch = "wasm32", allow(clippy::arc_with_non_send_sync))]
        let inner = Arc::new(inner);
        Ok(Self { inner })
    }

    pub fn info(&self) -> &wgpu::AdapterInfo {
        &self.inner.info
    }

    pub fn limits(&self) -> &wgpu::Limits {
        &self.inner.limits
    }

    /// Bytes that one tensor may have.
    pub fn most_bytes(&self) -> u64 {
        let limits = self.limits();
        limits.max_storage_buffer_binding_size.min(limits.max_buffer_size)
    }

    pub fn device(&self) -> &wgpu::Device {
        &self.inner.device
    }

    pub fn queue(&self) -> &wgpu::Queue {
        &self.inner.queue
    }

    /// The kernel family that the user asked for, if any.
    pub fn variant(&self) -> Option<&str> {
        self.inner.variant.as_deref()
    }

    /// What the adapter is, or what it was opened as.
    pub fn kind(&self) -> Kind {
        self.inner.kind
    }

    /// The subgroup width, where subgroups may be used and every subgroup has this one width.
    pub fn subgroup_width(&self) -> Option<u32> {
        let info = &self.inner.info;
        let fixed = info.subgroup_min_size == info.subgroup_max_size;
        (self.inner.subgroups && fixed).then_some(info.subgroup_min_size)
    }

    /// What stands in front of every shader of this device: browsers want the use of subgroups declared, naga refuses the
    /// declaration.
    pub(super) fn directives(&self) -> &'static str {
        match self.subgroup_width() {
            Some(_) if cfg!(target_arch = "wasm32") => "enable subgroups;\n",
            _ => "",
        }
    }

    /// Invocations of a workgroup in kernels without workgroup memory: 8 on a software driver, 64 on a GPU.
    pub fn lanes(&self) -> u32 {
        self.kind().lanes()
    }

    /// Number of pipelines made so far.
    pub fn pipeline_count(&self) -> usize {
        self.inner.pipelines.lock().map(|cache| cache.len()).unwrap_or(0)
    }

    /// The first error that the driver reported, if any.
    pub fn check(&self) -> Result<()> {
        match self.inner.failure.lock() {
            Ok(guard) => match guard.as_ref() {
                None => Ok(()),
                Some(Failure { text, .. }) => Err(Error::run(format!("GPU \"{}\": {text}", self.inner.info.name))),
            },
            Err(_) => Err(Error::run("a thread that used the GPU has panicked")),
        }
    }

    /// What the first error was, where another device may fare better: see [`Gpu::again`].
    pub fn trouble(&self) -> Option<Trouble> {
        let _ = self.poll(wgpu::PollType::Poll); // a lost device says so when it is asked
        let failure = self.inner.failure.lock().ok()?;
        failure.as_ref()?.trouble
    }

    /// Takes the device for failed, as its driver's reports do: for plans beyond what may be asked for, and for those who
    /// want to see what becomes of a run.
    pub fn fail(&self, trouble: Trouble, text: &str) {
        note(&self.inner.failure, Some(trouble), text.to_string());
    }

    /// Bytes of the adapter's memory that plans may ask for, where there is such a limit.
    pub fn memory_limit(&self) -> Option<u64> {
        self.inner.options.memory
    }

    /// Bytes that a plan may look for by itself: the limit, or nine tenths of the adapter's memory; half of it, where that is
    /// the machine's own. `None` where neither is known.
    pub fn memory_budget(&self) -> Option<u64> {
        let share = |bytes: u64| match self.inner.info.device_type {
            wgpu::DeviceType::Cpu | wgpu::DeviceType::IntegratedGpu => bytes / 2,
            _ => bytes / 10 * 9,
        };
        self.memory_limit().or(self.inner.memory.map(share))
    }

    /// Bytes that the device's buffers take now, as its allocator counts them; `None` where it doesn't say (Metal, browsers).
    pub fn allocated(&self) -> Option<u64> {
        Some(self.inner.device.generate_allocator_report()?.total_allocated_bytes)
    }

    /// The same adapter once more, as it was opened; what lay in this device's memory is not there.
    ///
    /// Errors: run, where the adapter is gone or does not open.
    #[cfg(not(target_arch = "wasm32"))]
    pub async fn again(&self) -> Result<Gpu> {
        let (info, options) = (self.info(), &self.inner.options);
        let same = |adapter: &wgpu::Adapter| adapter.get_info() == *info;
        let found = adapters(options.backends).await.into_iter().find(same);
        let adapter = found.ok_or_else(|| Error::run(format!("adapter \"{}\" is gone", info.name)))?;
        Ok(Gpu::from_adapter(adapter, options).await?.tuned_as(self))
    }

    /// Gives back what is no longer used (buffers, the driver's copies of what was written) before more is asked for:
    /// waits for all that was submitted on native platforms, which no training step does; a browser sees to it itself.
    #[cfg(not(target_arch = "wasm32"))]
    pub fn reclaim(&self) -> Result<()> {
        let submission = self.inner.queue.submit([]);
        self.wait_for(&submission)
    }

    #[cfg(target_arch = "wasm32")]
    pub fn reclaim(&self) -> Result<()> {
        self.inner.queue.submit([]);
        Ok(())
    }

    /// Lets the device get on with its callbacks: waits for this submission on native platforms; the browser's event
    /// loop does it by itself.
    #[cfg(not(target_arch = "wasm32"))]
    pub(super) fn wait_for(&self, submission: &wgpu::SubmissionIndex) -> Result<()> {
        let wait = wgpu::PollType::Wait {
            submission_index: Some(submission.clone()),
            timeout: None,
        };
        self.poll(wait)
    }

    /// wgpu panics where a device turns out to be lost while it is waited for; its callback has been called by then.
    #[cfg(not(target_arch = "wasm32"))]
    fn poll(&self, what: wgpu::PollType) -> Result<()> {
        let poll = || self.inner.device.poll(what);
        match std::panic::catch_unwind(std::panic::AssertUnwindSafe(poll)) {
            Ok(Ok(_)) => Ok(()),
            Ok(Err(e)) => self
                .check()
                .and_then(|()| Err(Error::run(format!("waiting for the GPU failed: {e}")))),
            Err(_) => self
                .check()
                .and_then(|()| Err(Error::run("the GPU was lost while it was waited for"))),
        }
    }

    #[cfg(target_arch = "wasm32")]
    fn poll(&self, _what: wgpu::PollType) -> Result<()> {
        Ok(())
    }

    #[cfg(target_arch = "wasm32")]
    pub(super) fn wait_for(&self, _submission: &wgpu::SubmissionIndex) -> Result<()> {
        Ok(())
    }
}

fn note(place: &Mutex<Option<Failure>>, trouble: Option<Trouble>, text: String) {
    if let Ok(mut first) = place.lock() {
        first.get_or_insert(Failure { trouble, text });
    }
}

/// Bytes of the largest of the adapter's own heaps, where its driver tells of them (Vulkan).
#[cfg(not(any(target_arch = "wasm32", target_vendor = "apple")))]
fn memory_of(adapter: &wgpu::Adapter) -> Option<u64> {
    const DEVICE_LOCAL: u32 = 1;
    // SAFETY: the handles are asked for their properties alone, while `adapter` keeps them alive.
    let properties = unsafe {
        let adapter = adapter.as_hal::<wgpu::hal::api::Vulkan>()?;
        let instance = adapter.shared_instance().raw_instance();
        instance.get_physical_device_memory_properties(adapter.raw_physical_device())
    };
    let heaps = properties.memory_heaps_as_slice().iter();
    let own = heaps.filter(|heap| heap.flags.as_raw() & DEVICE_LOCAL != 0);
    own.map(|heap| heap.size).max()
}

#[cfg(any(target_arch = "wasm32", target_vendor = "apple"))]
fn memory_of(_adapter: &wgpu::Adapter) -> Option<u64> {
    None
}
