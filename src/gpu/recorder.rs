//! A step is data first: dispatches are recorded, then sent in as few submissions as the adapter bears.

use super::kernel::{Build, Kernel, Pipeline};
use super::readback::Spares;
use super::timing::{Label, Timer};
use super::{Gpu, Kind, View};
use crate::{Error, Result};
use std::collections::HashMap;
use std::sync::Arc;

/// Workgroups in x, y, z.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Grid(pub [u32; 3]);

/// WebGPU's limit of workgroups in one dimension.
pub const MOST_WORKGROUPS: usize = 65_535;

impl Grid {
    /// `count` workgroups, folded over y where x is not enough: the kernel's number is `wg.x + wg.y * groups.x`
    /// and what lies beyond `count` returns at once. None at all: the dispatch is left out.
    pub fn linear(count: usize) -> Grid {
        if count <= MOST_WORKGROUPS {
            return Grid([count as u32, 1, 1]);
        }
        let y = count.div_ceil(MOST_WORKGROUPS);
        Grid([count.div_ceil(y) as u32, y as u32, 1])
    }
}

/// What a dispatch costs at least: operations, and bytes read and written once.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Cost {
    pub flops: f64,
    pub bytes: f64,
}

impl Cost {
    /// `flops` operations, and `values` 4-byte values that go over the bus. Both are counted in f64: a product of a few
    /// thousand rows has more operations than 32 bits, which is all that a browser's `usize` has.
    pub fn new(flops: f64, values: f64) -> Cost {
        Cost {
            flops,
            bytes: 4.0 * values,
        }
    }

    /// The cost of so many of it, or of a part.
    pub fn times(self, factor: f64) -> Cost {
        Cost {
            flops: factor * self.flops,
            bytes: factor * self.bytes,
        }
    }
}

impl std::ops::AddAssign for Cost {
    fn add_assign(&mut self, other: Cost) {
        self.flops += other.flops;
        self.bytes += other.bytes;
    }
}

struct Dispatch {
    pipeline: Arc<Pipeline>,
    bindings: wgpu::BindGroup,
    params: u32,
    grid: Grid,
    /// Where dispatches are timed.
    label: Option<Label>,
}

enum Command {
    Dispatch(Dispatch),
    Copy { from: View, to: wgpu::Buffer, bytes: u64 },
    CopyView { from: View, to: View, bytes: u64 },
}

#[derive(PartialEq, Eq, Hash)]
struct BindKey {
    pipeline: usize,
    views: Vec<(wgpu::Buffer, u64, u64)>,
}

/// Bytes between the uniforms of two dispatches; the offset alignment that every adapter accepts.
const SLOT: usize = 256;
/// Dispatches in one submission.
const SLOTS: usize = 1024;
/// Bytes that a device takes with a recorder on it, whatever is computed: uniforms, and the zeros that wgpu keeps to clear buffers with.
pub const OWN_BYTES: u64 = (SLOT * SLOTS) as u64 + (512 << 10);

/// Records dispatches and copies, keeps bind groups, and submits.
pub struct Recorder {
    gpu: Gpu,
    uniforms: wgpu::Buffer,
    staged: Vec<u8>,
    commands: Vec<Command>,
    bind_groups: HashMap<BindKey, wgpu::BindGroup>,
    pending: Cost,
    /// Sum over everything recorded so far.
    pub total: Cost,
    /// Dispatches recorded so far.
    pub dispatches: usize,
    last: Option<wgpu::SubmissionIndex>,
    spares: Spares,
    timer: Option<Timer>,
}

impl Recorder {
    pub fn new(gpu: &Gpu) -> Recorder {
        let uniforms = gpu.device().create_buffer(&wgpu::BufferDescriptor {
            label: Some("params"),
            size: (SLOT * SLOTS) as u64,
            usage: wgpu::BufferUsages::UNIFORM | wgpu::BufferUsages::COPY_DST,
            mapped_at_creation: false,
        });
        Recorder {
            gpu: gpu.clone(),
            uniforms,
            staged: Vec::new(),
            commands: Vec::new(),
            bind_groups: HashMap::new(),
            pending: Cost::default(),
            total: Cost::default(),
            dispatches: 0,
            last: None,
            spares: Spares::default(),
            timer: None,
        }
    }

    pub fn gpu(&self) -> &Gpu {
        &self.gpu
    }

    /// Records one dispatch. `params` is the kernel's uniform struct, `views` its bindings in order.
    pub fn dispatch<P: bytemuck::Pod>(
        &mut self,
        kernel: &Kernel,
        build: &Build,
        params: &P,
        views: &[&View],
        grid: Grid,
        cost: Cost,
    ) -> Result<()> {
        if views.len() != kernel.bindings.len() {
            return Err(Error::run(format!(
                "{}: {} views for {} bindings",
                kernel.name,
                views.len(),
                kernel.bindings.len()
            )));
        }
        if let Some(n) = grid.0.iter().find(|&&n| n as usize > MOST_WORKGROUPS) {
            return Err(Error::run(format!(
                "{} needs {n} workgroups in one dimension, {MOST_WORKGROUPS} are the most: use a smaller batch",
                kernel.name
            )));
        }
        if grid.0.contains(&0) {
            return Ok(());
        }
        // Windows, browsers and software drivers lose a device that computes for two seconds in one submission: some 0.2
        // seconds at the rate of a driver that runs shaders on the processor, and of a weak GPU.
        let bearable = if self.gpu.kind() == Kind::Software { 5e9 } else { 5e10 };
        if self.staged.len() / SLOT == SLOTS || self.pending.flops + cost.flops > bearable {
            self.submit()?;
        }
        let pipeline = self.gpu.pipeline(kernel, build)?;
        let bindings = self.bind_group(&pipeline, views);
        let offset = self.staged.len();
        self.staged.extend_from_slice(bytemuck::bytes_of(params));
        self.staged.resize(offset + SLOT, 0);
        self.commands.push(Command::Dispatch(Dispatch {
            pipeline,
            bindings,
            params: offset as u32,
            grid,
            label: self.timer.as_ref().map(|_| Label::new(kernel, build, views, cost)),
        }));
        self.pending += cost;
        self.total += cost;
        self.dispatches += 1;
        Ok(())
    }

    /// Copies the first `from.len()` values of one view to another buffer's view.
    pub fn copy(&mut self, from: &View, to: &View) -> Result<()> {
        let bytes = from.len() as u64 * 4;
        if bytes > to.bytes {
            return Err(Error::run(format!("copy of {bytes} bytes into a view of {}", to.bytes)));
        }
        self.commands.push(Command::CopyView {
            from: from.clone(),
            to: to.clone(),
            bytes,
        });
        Ok(())
    }

    pub(super) fn copy_out(&mut self, from: &View, to: &wgpu::Buffer, bytes: u64) {
        self.commands.push(Command::Copy {
            from: from.clone(),
            to: to.clone(),
            bytes,
        });
    }

    fn bind_group(&mut self, pipeline: &Arc<Pipeline>, views: &[&View]) -> wgpu::BindGroup {
        let key = BindKey {
            pipeline: Arc::as_ptr(pipeline) as usize,
            views: views.iter().map(|v| (v.buffer.clone(), v.offset, v.bytes)).collect(),
        };
        if let Some(group) = self.bind_groups.get(&key) {
            return group.clone();
        }
        let binding = |buffer, offset, size| {
            wgpu::BindingResource::Buffer(wgpu::BufferBinding {
                buffer,
                offset,
                size: std::num::NonZeroU64::new(size),
            })
        };
        let mut entries = vec![wgpu::BindGroupEntry {
            binding: 0,
            resource: binding(&self.uniforms, 0, SLOT as u64),
        }];
        for (i, view) in views.iter().enumerate() {
            entries.push(wgpu::BindGroupEntry {
                binding: i as u32 + 1,
                resource: binding(&view.buffer, view.offset, view.bytes),
            });
        }
        let group = self.gpu.device().create_bind_group(&wgpu::BindGroupDescriptor {
            label: None,
            layout: &pipeline.layout,
            entries: &entries,
        });
        self.bind_groups.insert(key, group.clone());
        group
    }

    /// Forgets bind groups (and with them the buffers they hold): after a new memory plan.
    pub fn forget_bindings(&mut self) {
        self.bind_groups.clear();
    }

    /// Sends what was recorded. Waits for nothing.
    pub fn submit(&mut self) -> Result<()> {
        if !self.staged.is_empty() {
            self.gpu.queue().write_buffer(&self.uniforms, 0, &self.staged);
        }
        let mut encoder = self.gpu.device().create_command_encoder(&Default::default());
        let mut commands = std::mem::take(&mut self.commands).into_iter().peekable();
        while let Some(command) = commands.next() {
            match command {
                Command::Copy { from, to, bytes } => {
                    encoder.copy_buffer_to_buffer(&from.buffer, from.offset, &to, 0, bytes)
                }
                Command::CopyView { from, to, bytes } => {
                    encoder.copy_buffer_to_buffer(&from.buffer, from.offset, &to.buffer, to.offset, bytes)
                }
                Command::Dispatch(mut first) => {
                    let stamps = self.timer.as_mut().zip(first.label.take());
                    let timed = stamps.is_some();
                    let mut pass = encoder.begin_compute_pass(&wgpu::ComputePassDescriptor {
                        label: None,
                        timestamp_writes: stamps.map(|(timer, label)| timer.stamps(label)),
                    });
                    run(&mut pass, &first);
                    if timed {
                        continue;
                    }
                    while let Some(Command::Dispatch(_)) = commands.peek() {
                        if let Some(Command::Dispatch(next)) = commands.next() {
                            run(&mut pass, &next);
                        }
                    }
                }
            }
        }
        if let Some(timer) = &mut self.timer {
            timer.keep(&self.gpu, &mut encoder);
        }
        self.last = Some(self.gpu.queue().submit([encoder.finish()]));
        self.staged.clear();
        self.pending = Cost::default();
        Ok(())
    }

    /// Times every dispatch from now on; see [`Recorder::times`].
    ///
    /// Errors: usage, where the adapter has no timestamps.
    pub fn start_timing(&mut self) -> Result<()> {
        self.submit()?;
        self.timer = Some(Timer::new(&self.gpu, SLOTS)?);
        Ok(())
    }

    pub(super) fn take_stamps(&mut self) -> Vec<(Vec<Label>, View)> {
        self.timer.as_mut().map(Timer::take).unwrap_or_default()
    }

    pub(super) fn spares(&self) -> Spares {
        self.spares.clone()
    }

    pub(super) fn last_submission(&self) -> Option<wgpu::SubmissionIndex> {
        self.last.clone()
    }
}

fn run(pass: &mut wgpu::ComputePass, dispatch: &Dispatch) {
    pass.set_pipeline(&dispatch.pipeline.raw);
    pass.set_bind_group(0, &dispatch.bindings, &[dispatch.params]);
    let Grid([x, y, z]) = dispatch.grid;
    pass.dispatch_workgroups(x, y, z);
}
