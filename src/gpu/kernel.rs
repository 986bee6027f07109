//! A kernel is a WGSL file; a pipeline is that file with a handful of named constants in front, and its repeats written out.

use super::{Gpu, repeat};
use crate::{Error, Result};
use std::collections::HashMap;
use std::sync::Arc;

/// How a kernel uses a binding; the WGSL says `read` or `read_write`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Access {
    Read,
    Write,
}

/// WGSL that several kernels have in front of them: its word, as in `wgsl/shared/<word>.wgsl`, and its text; or several, one
/// behind the other, with a + between their words.
pub type Shared = (&'static str, &'static str);

/// One entry point `main` in one WGSL file. Binding 0 is the uniform `params`; `bindings` follow from 1 on.
///
/// `shared` and `constants` say which pipelines may be made of it. Tests make all of them, for every backend.
#[derive(Debug)]
pub struct Kernel {
    /// The word, as in `wgsl/<name>.wgsl`.
    pub name: &'static str,
    pub source: &'static str,
    pub bindings: &'static [Access],
    /// Groups of shared WGSL; each pipeline has one of each group.
    pub shared: &'static [&'static [Shared]],
    /// Constants, with the values that each may have; an empty list stands for any value (a size, or 0).
    pub constants: &'static [(&'static str, &'static [u32])],
}

/// What turns a kernel into a pipeline: shared WGSL and constants, written in front of the source.
#[derive(Clone, Debug, Default)]
pub struct Build<'a> {
    pub shared: &'a [Shared],
    pub constants: &'a [(&'static str, u32)],
}

impl Kernel {
    /// The WGSL text that the driver gets.
    pub fn text(&self, build: &Build) -> String {
        // What is enabled stands first of all.
        let shared: String = build.shared.iter().flat_map(|(_, text)| [*text, "\n"]).collect();
        let (enabled, shared): (Vec<&str>, Vec<&str>) = shared
            .split_inclusive('\n')
            .partition(|line| line.starts_with("enable "));
        let mut text = enabled.concat();
        for (name, value) in build.constants {
            text += &format!("const {name}: u32 = {value}u;\n");
        }
        text += &shared.concat();
        text + &repeat::expand(self.source, build.constants)
    }

    /// Checks that this pipeline is one of those that the kernel names.
    fn check(&self, build: &Build) -> Result<()> {
        let shared = self.shared.len() == build.shared.len()
            && self
                .shared
                .iter()
                .zip(build.shared)
                .all(|(group, one)| group.contains(one));
        let constants = self.constants.len() == build.constants.len()
            && self
                .constants
                .iter()
                .zip(build.constants)
                .all(|((name, values), (given, value))| name == given && (values.is_empty() || values.contains(value)));
        if shared && constants {
            return Ok(());
        }
        let given: Vec<&str> = build.shared.iter().map(|(name, _)| *name).collect();
        Err(Error::run(format!(
            "{}: no pipeline with {} and {:?} is among those that its kernel names",
            self.name,
            given.join(", "),
            build.constants
        )))
    }
}

pub(super) type PipelineCache = HashMap<Key, Arc<Pipeline>>;

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Key {
    name: &'static str,
    shared: Vec<&'static str>,
    constants: Vec<(&'static str, u32)>,
}

pub(super) struct Pipeline {
    pub raw: wgpu::ComputePipeline,
    pub layout: wgpu::BindGroupLayout,
}

impl Gpu {
    /// The pipeline of a kernel with these constants; made once, kept for the life of the device.
    pub(super) fn pipeline(&self, kernel: &Kernel, build: &Build) -> Result<Arc<Pipeline>> {
        let key = Key {
            name: kernel.name,
            shared: build.shared.iter().map(|(name, _)| *name).collect(),
            constants: build.constants.to_vec(),
        };
        let mut cache = self
            .inner
            .pipelines
            .lock()
            .map_err(|_| Error::run("a thread that made pipelines has panicked"))?;
        if let Some(pipeline) = cache.get(&key) {
            return Ok(pipeline.clone());
        }
        kernel.check(build)?;
        let text = format!("{}{}", self.directives(), kernel.text(build));
        let pipeline = Arc::new(self.make_pipeline(kernel, &text));
        cache.insert(key, pipeline.clone());
        Ok(pipeline)
    }

    fn make_pipeline(&self, kernel: &Kernel, text: &str) -> Pipeline {
        let device = self.device();
        let descriptor = wgpu::ShaderModuleDescriptor {
            label: Some(kernel.name),
            source: wgpu::ShaderSource::Wgsl(text.into()),
        };
        // SAFETY: every kernel clamps or guards each index by the sizes in `params`, which its host code checks against
        // the bound views (`ops::expect`), and every loop is bounded by those sizes. Index lists (masks) are checked
        // on the host before they are uploaded. Injected checks cost a fifth of the speed on software drivers.
        let module = unsafe { device.create_shader_module_trusted(descriptor, wgpu::ShaderRuntimeChecks::unchecked()) };
        let mut entries = vec![wgpu::BindGroupLayoutEntry {
            binding: 0,
            visibility: wgpu::ShaderStages::COMPUTE,
            ty: wgpu::BindingType::Buffer {
                ty: wgpu::BufferBindingType::Uniform,
                has_dynamic_offset: true,
                min_binding_size: None,
            },
            count: None,
        }];
        for (i, access) in kernel.bindings.iter().enumerate() {
            entries.push(wgpu::BindGroupLayoutEntry {
                binding: i as u32 + 1,
                visibility: wgpu::ShaderStages::COMPUTE,
                ty: wgpu::BindingType::Buffer {
                    ty: wgpu::BufferBindingType::Storage {
                        read_only: *access == Access::Read,
                    },
                    has_dynamic_offset: false,
                    min_binding_size: None,
                },
                count: None,
            });
        }
        let layout = device.create_bind_group_layout(&wgpu::BindGroupLayoutDescriptor {
            label: Some(kernel.name),
            entries: &entries,
        });
        let pipeline_layout = device.create_pipeline_layout(&wgpu::PipelineLayoutDescriptor {
            label: Some(kernel.name),
            bind_group_layouts: &[Some(&layout)],
            immediate_size: 0,
        });
        let raw = device.create_compute_pipeline(&wgpu::ComputePipelineDescriptor {
            label: Some(kernel.name),
            layout: Some(&pipeline_layout),
            module: &module,
            entry_point: Some("main"),
            compilation_options: wgpu::PipelineCompilationOptions {
                zero_initialize_workgroup_memory: false,
                ..Default::default()
            },
            cache: None,
        });
        Pipeline { raw, layout }
    }
}
