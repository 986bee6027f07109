//! Every pipeline that the kernels name: valid by plain WebGPU's rules, and translated for Vulkan, Metal and DX12. The
//! evidence for backends that this machine does not have.

use ijepa::gpu::{Access, Build, Kernel, Shared};
use ijepa::ops::KERNELS;
use naga::back::{hlsl, msl, spv};
use naga::valid::{Capabilities, ModuleInfo, ValidationFlags, Validator};
use naga::{AddressSpace, Block, Module, Statement, StorageAccess};
use std::collections::{BTreeMap, BTreeSet};

/// What plain WebGPU guarantees, and what a slot of the recorder's uniforms holds.
const MOST_STORAGE_BUFFERS: usize = 8;
const MOST_WORKGROUP_MEMORY: u32 = 16_384;
const MOST_INVOCATIONS: u32 = 256;
const MOST_PARAMS: u32 = 256;

/// All values where a kernel names them; where any will do, none ("it comes from params") and one that is a multiple
/// of four.
fn values(named: &'static [u32]) -> &'static [u32] {
    if named.is_empty() { &[0, 384] } else { named }
}

/// Every choice of one from each list.
fn choices<T: Copy>(lists: &[Vec<T>]) -> Vec<Vec<T>> {
    lists.iter().fold(vec![vec![]], |made, list| {
        let longer = |head: &Vec<T>| {
            list.iter()
                .map(|&one| [head.as_slice(), &[one]].concat())
                .collect::<Vec<_>>()
        };
        made.iter().flat_map(longer).collect()
    })
}

/// Name and text of each pipeline that a kernel names.
fn texts(kernel: &Kernel) -> Vec<(String, String)> {
    let shared: Vec<Vec<Shared>> = kernel.shared.iter().map(|group| group.to_vec()).collect();
    let constants: Vec<Vec<(&str, u32)>> = kernel
        .constants
        .iter()
        .map(|&(name, named)| values(named).iter().map(|&v| (name, v)).collect())
        .collect();
    let mut texts = vec![];
    for shared in choices(&shared) {
        for constants in choices(&constants) {
            let build = Build {
                shared: &shared,
                constants: &constants,
            };
            let words: Vec<&str> = shared.iter().map(|(word, _)| *word).collect();
            let numbers: Vec<String> = constants
                .iter()
                .map(|(name, value)| format!("{name} {value}"))
                .collect();
            let label = format!("{} ({}; {})", kernel.name, words.join(", "), numbers.join(", "));
            texts.push((label, kernel.text(&build)));
        }
    }
    texts
}

/// What a pipeline asks of an adapter, beyond what plain WebGPU has: one of these, never both (drivers crash).
#[derive(Clone, Copy, PartialEq, Eq)]
enum Asks {
    Nothing,
    /// Chosen where the driver that has them is.
    Subgroups,
    /// With values of f16; on Vulkan and Metal alone.
    MatrixUnits,
}

impl Asks {
    fn of(kernel: &Kernel, text: &str) -> Asks {
        let by_subgroups = [
            "attention_broadcast",
            "layer_norm_subgroup",
            "matmul_broadcast",
            "matmul_quad",
        ];
        if text.starts_with("enable f16;\nenable wgpu_cooperative_matrix;\n") {
            Asks::MatrixUnits
        } else if by_subgroups.iter().any(|name| kernel.name.starts_with(name)) {
            Asks::Subgroups
        } else {
            Asks::Nothing
        }
    }
}

/// The module, if it is valid with what it may ask for and nothing else.
fn validate(text: &str, asks: Asks) -> Result<(Module, ModuleInfo), String> {
    let module = naga::front::wgsl::parse_str(text).map_err(|e| e.emit_to_string(text))?;
    // Pairs of f16 packed into a word are core WGSL; values of type f16 are not.
    let plain = Capabilities::SHADER_FLOAT16_IN_FLOAT32;
    let capabilities = match asks {
        Asks::Nothing => plain,
        Asks::Subgroups => plain | Capabilities::SUBGROUP,
        Asks::MatrixUnits => plain | Capabilities::SHADER_FLOAT16 | Capabilities::COOPERATIVE_MATRIX,
    };
    let info = Validator::new(ValidationFlags::all(), capabilities)
        .validate(&module)
        .map_err(|e| e.emit_to_string(text))?;
    Ok((module, info))
}

/// What plain WebGPU would refuse, and bindings that aren't used as the kernel says.
fn complaints(kernel: &Kernel, module: &Module) -> Vec<String> {
    let mut complaints = vec![];
    let mut at_most = |what: &str, value: u32, limit: u32| {
        if value > limit {
            complaints.push(format!("{what}: {value}, more than {limit}"));
        }
    };
    let [entry] = module.entry_points.as_slice() else {
        return vec![format!("{} entry points", module.entry_points.len())];
    };
    at_most("invocations", entry.workgroup_size.iter().product(), MOST_INVOCATIONS);
    let size = |space: AddressSpace| -> u32 {
        let of_space = module.global_variables.iter().filter(|(_, v)| v.space == space);
        of_space
            .map(|(_, v)| module.types[v.ty].inner.size(module.to_ctx()))
            .sum()
    };
    at_most(
        "bytes of workgroup memory",
        size(AddressSpace::WorkGroup),
        MOST_WORKGROUP_MEMORY,
    );
    at_most("bytes of params", size(AddressSpace::Uniform), MOST_PARAMS);
    at_most(
        "storage buffers",
        kernel.bindings.len() as u32,
        MOST_STORAGE_BUFFERS as u32,
    );
    if entry.name != "main" {
        complaints.push(format!("the entry point is {}", entry.name));
    }
    for (_, variable) in module.global_variables.iter() {
        let Some(binding) = variable.binding else { continue };
        let named = variable.name.as_deref().unwrap_or("?");
        let access = match variable.space {
            AddressSpace::Storage { access } if access.contains(StorageAccess::STORE) => Some(Access::Write),
            AddressSpace::Storage { .. } => Some(Access::Read),
            _ => None,
        };
        let said = (binding.binding as usize)
            .checked_sub(1)
            .and_then(|i| kernel.bindings.get(i).copied());
        if binding.group != 0 || access != said || (said.is_none() && binding.binding != 0) {
            complaints.push(format!(
                "binding {} ({named}) is not what the kernel says",
                binding.binding
            ));
        }
    }
    if let Err(text) = barriers(module, &entry.function.body, &mut false) {
        complaints.push(text);
    }
    let bound = module
        .global_variables
        .iter()
        .filter(|(_, v)| v.binding.is_some())
        .count();
    if bound != kernel.bindings.len() + 1 {
        complaints.push(format!(
            "{bound} bindings, the kernel says {} and params",
            kernel.bindings.len()
        ));
    }
    complaints
}

/// Whether a block has a barrier, its own or that of a function it calls; `Err` where not all lanes may reach it:
/// inside a condition, or after a lane may have returned. Naga leaves this to the author, browsers refuse it.
fn barriers(module: &Module, block: &Block, left: &mut bool) -> Result<bool, String> {
    let mut found = false;
    for statement in block.iter() {
        let own = match statement {
            Statement::ControlBarrier(_) => true,
            Statement::Call { function, .. } => barriers(module, &module.functions[*function].body, &mut false)?,
            Statement::Block(inner) => barriers(module, inner, left)?,
            // Loops end by a condition; that it is the same for all lanes is not looked at.
            Statement::Loop { body, continuing, .. } => {
                barriers(module, body, left)? | barriers(module, continuing, left)?
            }
            Statement::If { accept, reject, .. } => {
                if barriers(module, accept, left)? | barriers(module, reject, left)? {
                    return Err("a barrier inside a condition".to_string());
                }
                false
            }
            Statement::Return { .. } => {
                *left = true;
                false
            }
            _ => false,
        };
        if own && *left {
            return Err("a barrier after lanes may have returned".to_string());
        }
        found |= own;
    }
    Ok(found)
}

/// Writes the module for Vulkan, Metal and DX12, as wgpu would; what needs matrix units not for DX12, which is given no such.
fn translate(module: &Module, info: &ModuleInfo, asks: Asks) -> Result<(), String> {
    let options = spv::Options {
        lang_version: (1, 3),
        ..Default::default()
    };
    spv::write_vec(module, info, &options, None).map_err(|e| format!("SPIR-V: {e}"))?;
    let options = msl::Options {
        lang_version: if asks == Asks::MatrixUnits { (3, 0) } else { (2, 1) },
        ..Default::default()
    };
    msl::write_string(module, info, &options, &Default::default()).map_err(|e| format!("MSL: {e}"))?;
    if asks == Asks::MatrixUnits {
        return Ok(());
    }
    let options = hlsl::Options {
        // What DX12 compiles without a newer compiler beside it; subgroups need that.
        shader_model: match asks {
            Asks::Subgroups => hlsl::ShaderModel::V6_0,
            _ => hlsl::ShaderModel::V5_1,
        },
        // DX12 has no number of workgroups; wgpu passes it in this buffer.
        special_constants_binding: Some(hlsl::BindTarget {
            space: 255,
            ..Default::default()
        }),
        ..Default::default()
    };
    let (mut text, pipeline) = (String::new(), hlsl::PipelineOptions::default());
    let written = hlsl::Writer::new(&mut text, &options, &pipeline)
        .write(module, info, None)
        .map_err(|e| format!("HLSL: {e}"))?;
    for name in written.entry_point_names {
        name.map_err(|e| format!("HLSL: {e}"))?;
    }
    Ok(())
}

#[test]
fn every_pipeline_is_valid_within_plain_limits_and_translates() {
    let (mut count, mut wrong) = (0, vec![]);
    for kernel in KERNELS {
        for (label, text) in texts(kernel) {
            count += 1;
            let asks = Asks::of(kernel, &text);
            let verdict = validate(&text, asks).and_then(|(module, info)| {
                let complaints = complaints(kernel, &module);
                if !complaints.is_empty() {
                    return Err(complaints.join("; "));
                }
                translate(&module, &info, asks)
            });
            if let Err(text) = verdict {
                wrong.push(format!("{label}: {text}"));
            }
        }
    }
    println!("{count} pipelines of {} kernels", KERNELS.len());
    assert!(wrong.is_empty(), "{} of {count}:\n{}", wrong.len(), wrong.join("\n"));
}

/// The words and texts of the `.wgsl` files in a folder.
fn files(folder: &str) -> BTreeSet<(String, String)> {
    let folder = format!("{}/{folder}", env!("CARGO_MANIFEST_DIR"));
    let paths = std::fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().path());
    paths
        .filter(|path| path.extension().is_some_and(|e| e == "wgsl"))
        .map(|path| {
            (
                path.file_stem().unwrap().to_string_lossy().into(),
                std::fs::read_to_string(&path).unwrap(),
            )
        })
        .collect()
}

#[test]
fn no_shader_file_is_missing_from_the_list_of_kernels() {
    let listed = KERNELS.iter().map(|k| (k.name.to_string(), k.source.to_string()));
    assert_eq!(listed.collect::<BTreeSet<_>>(), files("wgsl"));
    let texts: BTreeMap<String, String> = files("wgsl/shared").into_iter().collect();
    let mut used = BTreeSet::new();
    for (words, text) in KERNELS.iter().flat_map(|k| k.shared.iter().copied().flatten()) {
        let joined: String = words.split('+').map(|word| texts[word].as_str()).collect();
        assert_eq!(&joined, text, "{words}");
        used.extend(words.split('+'));
    }
    assert_eq!(used, texts.keys().map(String::as_str).collect());
}

fn kernel(source: &'static str) -> Kernel {
    Kernel {
        name: "wrong",
        source,
        bindings: &[Access::Read],
        shared: &[],
        constants: &[],
    }
}

#[test]
fn what_is_wrong_is_seen() {
    const HEAD: &str = "@group(0) @binding(0) var<uniform> params: vec4<u32>;\n";
    let validated = |source: &str| validate(&format!("{HEAD}{source}"), Asks::Nothing);
    let store = "@group(0) @binding(1) var<storage, read> x: array<f32>;
        @compute @workgroup_size(1) fn main() { x[0] = 1.0; }";
    assert!(validated(store).is_err(), "a store to a binding that is read");
    let subgroup = "@compute @workgroup_size(8) fn main(@builtin(local_invocation_index) lane: u32) {
        let x = subgroupBroadcast(lane, 0u); }";
    assert!(
        validated(subgroup).is_err(),
        "a subgroup operation where none may be used"
    );

    let complaints = |source: &'static str| {
        let module = naga::front::wgsl::parse_str(&format!("{HEAD}{source}")).unwrap();
        complaints(&kernel(source), &module).join("; ")
    };
    let large = complaints(
        "var<workgroup> w: array<f32, 4097>;
        @group(0) @binding(1) var<storage, read_write> x: array<f32>;
        @compute @workgroup_size(257) fn main() { w[0] = 1.0; x[0] = w[0]; }",
    );
    for part in ["invocations: 257", "workgroup memory: 16388", "binding 1 (x)"] {
        assert!(large.contains(part), "{large}");
    }
    let conditional = complaints(
        "fn all() { workgroupBarrier(); }
        @compute @workgroup_size(8) fn main(@builtin(local_invocation_index) lane: u32) { if (lane == 0u) { all(); } }",
    );
    assert!(conditional.contains("inside a condition"), "{conditional}");
    let late = complaints(
        "@compute @workgroup_size(8) fn main(@builtin(local_invocation_index) lane: u32) {
            if (lane == 0u) { return; }
            workgroupBarrier();
        }",
    );
    assert!(late.contains("may have returned"), "{late}");
}
