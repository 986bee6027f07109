//! The order of the house: every kernel has its twin and its test, arrows between layers point one way, files stay small.
//! Each rule is a function from a tree of texts to complaints, so that it can also be seen to fail.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

/// What each layer must not know. `ops` knows `gpu` alone; `model` also `ops` and `data`; `weights` `model` alone; the twins in `cpu` know no GPU,
/// and only tests and `doctor` know the twins.
const FORBIDDEN: [(&str, &[&str]); 8] = [
    (
        "gpu",
        &["ops", "model", "data", "cpu", "weights", "train", "eval", "cli"],
    ),
    ("ops", &["model", "data", "cpu", "weights", "train", "eval", "cli"]),
    ("model", &["cpu", "weights", "train", "eval", "cli"]),
    ("weights", &["gpu", "ops", "data", "cpu", "train", "eval", "cli"]),
    (
        "data",
        &["gpu", "ops", "model", "cpu", "weights", "train", "eval", "cli"],
    ),
    ("cpu", &["gpu", "ops", "train", "eval", "cli"]),
    ("train", &["cpu", "cli"]),
    ("eval", &["cpu", "cli"]),
];
/// The only file that may ask which processor it is built for.
const PLATFORM_FILE: &str = "src/gpu/device.rs";
const LONGEST_FILE: usize = 500;
/// What tools make in the checkout; git ignores it, too.
const MADE: [&str; 3] = ["web/node_modules", "web/pkg", "web/dist"];

/// Paths below the root, with `/`, and the text of each file.
type Tree = BTreeMap<String, String>;

fn every_word_of_a_shader_has_host_code_twin_and_test(tree: &Tree) -> Vec<String> {
    let stem = |path: &str, folder: &str| Some(path.strip_prefix(folder)?.split(['.', '/']).next()?.to_string());
    let known: BTreeSet<String> = ["src/ops/", "src/cpu/", "tests/ops/"]
        .iter()
        .flat_map(|folder| tree.keys().filter_map(|path| stem(path, folder)))
        .collect();
    // `gather_backward` and `matmul_tile` belong to the longest word that some layer already has, or stand for themselves.
    let words: BTreeSet<String> = tree
        .keys()
        .filter(|path| path.ends_with(".wgsl") && !path.starts_with("wgsl/shared/"))
        .filter_map(|path| stem(path, "wgsl/"))
        .map(|name| {
            let owner = known.iter().filter(|word| {
                name == **word
                    || name
                        .strip_prefix(word.as_str())
                        .is_some_and(|rest| rest.starts_with('_'))
            });
            owner.max_by_key(|word| word.len()).cloned().unwrap_or(name)
        })
        .collect();
    let mut complaints = Vec::new();
    for word in words {
        for file in [
            format!("src/ops/{word}.rs"),
            format!("src/cpu/{word}.rs"),
            format!("tests/ops/{word}.rs"),
        ] {
            if !tree.contains_key(&file) {
                complaints.push(format!("wgsl/ has the word {word}, but there is no {file}"));
            }
        }
        let line = format!("mod {word};");
        let listed = |text: &String| text.lines().any(|l| l.trim() == line);
        if !tree.get("tests/ops/main.rs").is_some_and(listed) {
            complaints.push(format!(
                "tests/ops/main.rs does not list `{line}`, so its test never runs"
            ));
        }
    }
    complaints
}

fn arrows_point_one_way(tree: &Tree) -> Vec<String> {
    let mut complaints = Vec::new();
    for (path, text) in rust(tree, &["src/"]) {
        let layer = path["src/".len()..].split(['/', '.']).next().unwrap_or_default();
        let Some((_, forbidden)) = FORBIDDEN.iter().find(|(name, _)| *name == layer) else {
            continue;
        };
        for known in parts_of_the_crate(&code(text)) {
            if forbidden.contains(&known.as_str()) {
                complaints.push(format!(
                    "{path} uses crate::{known}: the layer {layer} must not know {known}"
                ));
            }
        }
    }
    complaints
}

fn no_test_is_switched_off(tree: &Tree) -> Vec<String> {
    finds(
        rust(tree, &["src/", "tests/"]),
        &[concat!("#[", "ignore")],
        "a test that is switched off proves nothing",
    )
}

fn no_path_belongs_to_one_machine(tree: &Tree) -> Vec<String> {
    let places = [
        concat!("/ro", "ot/"),
        concat!("/ho", "me/"),
        concat!("/wo", "rk/"),
        concat!("/tm", "p/"),
        concat!("/Us", "ers/"),
    ];
    finds(tree.iter(), &places, "this path exists on one machine only")
}

fn the_library_neither_prints_nor_exits(tree: &Tree) -> Vec<String> {
    let library = rust(tree, &["src/"]).filter(|(path, _)| *path != "src/main.rs" && !path.starts_with("src/cli/"));
    let code: Tree = library.map(|(path, text)| (path.clone(), code(text))).collect();
    let words = [
        "print!(",
        "println!(",
        "eprint!(",
        "eprintln!(",
        "dbg!(",
        "process::exit",
    ];
    finds(code.iter(), &words, "the library returns what it has to say")
}

fn files_stay_small(tree: &Tree) -> Vec<String> {
    let sources = tree.iter().filter(|(path, _)| !path.ends_with(".md"));
    sources
        .map(|(path, text)| (path, text.lines().count()))
        .filter(|(_, lines)| *lines > LONGEST_FILE)
        .map(|(path, lines)| format!("{path} has {lines} lines, more than {LONGEST_FILE}: which two words is it?"))
        .collect()
}

fn one_file_knows_the_platform(tree: &Tree) -> Vec<String> {
    let others = rust(tree, &["src/"]).filter(|(path, _)| *path != PLATFORM_FILE);
    finds(
        others,
        &["target_arch"],
        &format!("only {PLATFORM_FILE} asks for the platform"),
    )
}

fn documents_name_the_declared_rust(tree: &Tree) -> Vec<String> {
    let manifest = tree.get("Cargo.toml").map(String::as_str).unwrap_or_default();
    let declared = manifest
        .lines()
        .find_map(|line| line.strip_prefix("rust-version = \"")?.strip_suffix('"'));
    let Some(declared) = declared else {
        return vec!["Cargo.toml declares no rust-version".into()];
    };
    let mut complaints = Vec::new();
    for (path, text) in tree.iter().filter(|(path, _)| path.ends_with(".md")) {
        for after in text.split("Rust 1.").skip(1) {
            let minor: String = after.chars().take_while(|c| c.is_ascii_digit() || *c == '.').collect();
            let named = format!("1.{}", minor.trim_end_matches('.'));
            if named != declared {
                complaints.push(format!("{path} says Rust {named}, but Cargo.toml declares {declared}"));
            }
        }
    }
    complaints
}

/// A claim about the house.
type Rule = fn(&Tree) -> Vec<String>;

const RULES: [(&str, Rule); 8] = [
    ("words", every_word_of_a_shader_has_host_code_twin_and_test),
    ("arrows", arrows_point_one_way),
    ("tests", no_test_is_switched_off),
    ("paths", no_path_belongs_to_one_machine),
    ("silence", the_library_neither_prints_nor_exits),
    ("length", files_stay_small),
    ("platform", one_file_knows_the_platform),
    ("version", documents_name_the_declared_rust),
];

#[test]
fn this_house_is_in_order() {
    let tree = checkout();
    assert!(
        tree.contains_key("src/lib.rs") && tree.contains_key("Cargo.toml"),
        "the checkout was not read"
    );
    let complaints: Vec<String> = RULES.iter().flat_map(|(_, rule)| rule(&tree)).collect();
    assert!(complaints.is_empty(), "{}", complaints.join("\n"));
}

/// Each rule, a tree that breaks it, and what the complaint must name.
#[test]
fn every_rule_can_fail() {
    let long = "\n".repeat(LONGEST_FILE + 1);
    let switched_off = concat!("#[test]\n#[", "ignore]\nfn f() {}");
    let someones = concat!("const DATA: &str = \"/ho", "me/ann/photos\";");
    type Broken<'a> = (&'a str, &'a [(&'a str, &'a str)], &'a str);
    let broken: [Broken; 18] = [
        ("words", &[("wgsl/gelu.wgsl", "")], "src/cpu/gelu.rs"),
        (
            "words",
            &[("wgsl/gelu.wgsl", ""), ("src/ops/gelu.rs", ""), ("src/cpu/gelu.rs", "")],
            "tests/ops/gelu.rs",
        ),
        ("words", &[("wgsl/gelu.wgsl", ""), ("src/ops/gelu.rs", "")], "mod gelu;"),
        ("words", &[("wgsl/matmul/tile.wgsl", "")], "src/ops/matmul.rs"),
        (
            "words",
            &[("wgsl/gelu_backward.wgsl", ""), ("src/ops/gelu.rs", "")],
            "no src/cpu/gelu.rs",
        ),
        (
            "arrows",
            &[("src/gpu/memory.rs", "use crate::model::config::ModelConfig;")],
            "must not know model",
        ),
        (
            "arrows",
            &[(
                "src/ops/gelu.rs",
                "use crate::{\n    Result,\n    gpu::Gpu,\n    cpu::gelu,\n};",
            )],
            "must not know cpu",
        ),
        (
            "arrows",
            &[("src/data.rs", "fn f() { crate::gpu::open() }")],
            "must not know gpu",
        ),
        (
            "arrows",
            &[("src/train/run.rs", "use super::super::cpu::adamw;")],
            "must not know cpu",
        ),
        ("tests", &[("tests/model.rs", switched_off)], "tests/model.rs:2"),
        ("paths", &[("src/data/tar.rs", someones)], "src/data/tar.rs:1"),
        (
            "silence",
            &[("src/train/run.rs", "fn f() {\n    println!(\"step\");\n}")],
            "src/train/run.rs:2",
        ),
        (
            "silence",
            &[("src/lib.rs", "fn f() { std::process::exit(1) }")],
            "src/lib.rs:1",
        ),
        ("length", &[("src/train/run.rs", &long)], "501 lines"),
        ("length", &[("wgsl/gelu.wgsl", &long)], "501 lines"),
        (
            "platform",
            &[("src/eval/knn.rs", "#[cfg(target_arch = \"wasm32\")]")],
            "src/eval/knn.rs:1",
        ),
        (
            "version",
            &[
                ("Cargo.toml", "rust-version = \"1.95\"\n"),
                ("README.md", "needs Rust 1.80."),
            ],
            "says Rust 1.80",
        ),
        (
            "version",
            &[("Cargo.toml", "name = \"ijepa\"")],
            "declares no rust-version",
        ),
    ];
    for (name, files, named) in broken {
        let tree: Tree = files
            .iter()
            .map(|(path, text)| (path.to_string(), text.to_string()))
            .collect();
        let (_, rule) = RULES
            .iter()
            .find(|(rule, _)| *rule == name)
            .expect("a rule of this name");
        let complaints = rule(&tree).join("\n");
        assert!(
            complaints.contains(named),
            "{name} should name \"{named}\", and says \"{complaints}\""
        );
    }
    for (name, _) in RULES {
        assert!(
            broken.iter().any(|(rule, ..)| *rule == name),
            "the rule {name} was never seen to fail"
        );
    }
}

#[test]
fn rules_let_pass_what_is_right() {
    let files = [
        ("Cargo.toml", "rust-version = \"1.95\"\n"),
        ("README.md", "Rust 1.95 or newer."),
        ("wgsl/shared/erf.wgsl", ""),
        ("wgsl/gather.wgsl", ""),
        ("wgsl/gather_backward.wgsl", ""),
        ("wgsl/gather/rows.wgsl", ""),
        (
            "src/ops/gather.rs",
            "use crate::gpu::Recorder; // crate::cpu has the twin",
        ),
        (
            "src/cpu/gather.rs",
            "//! ```\n//! println!(\"{}\", 1);\n//! ```\nuse crate::data::masks::Masks;",
        ),
        ("tests/ops/gather.rs", "use ijepa::cpu::gather;"),
        ("tests/ops/main.rs", "mod gather;"),
        (
            "src/main.rs",
            "fn main() { println!(\"hello\"); std::process::exit(0) }",
        ),
        (PLATFORM_FILE, "#[cfg(target_arch = \"wasm32\")]"),
    ];
    let tree: Tree = files
        .iter()
        .map(|(path, text)| (path.to_string(), text.to_string()))
        .collect();
    for (name, rule) in RULES {
        assert_eq!(rule(&tree), Vec::<String>::new(), "{name}");
    }
}

/// The files of this checkout that people wrote: sources, shaders, scripts and documents.
fn checkout() -> Tree {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut tree = Tree::new();
    for entry in std::fs::read_dir(root).expect("the checkout") {
        let path = entry.expect("an entry").path();
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        if path.is_dir()
            && ["src", "tests", "wgsl", "tools", "benches", "examples", "web", ".ci"].contains(&name.as_str())
        {
            read_folder(&path, &name, &mut tree);
        } else if name == "Makefile" || name == "Cargo.toml" || name.ends_with(".md") {
            tree.insert(name, std::fs::read_to_string(path).expect("a text"));
        }
    }
    tree
}

fn read_folder(folder: &Path, name: &str, tree: &mut Tree) {
    for entry in std::fs::read_dir(folder).expect("a folder") {
        let path = entry.expect("an entry").path();
        let name = format!("{name}/{}", path.file_name().unwrap_or_default().to_string_lossy());
        let extension = path.extension().map(|e| e.to_string_lossy().into_owned());
        if path.is_dir() {
            if !MADE.contains(&name.as_str()) {
                read_folder(&path, &name, tree);
            }
        } else if matches!(
            extension.as_deref(),
            None | Some("rs" | "wgsl" | "md" | "sh" | "c" | "py" | "js" | "mjs" | "ts" | "css" | "html" | "yaml")
        ) {
            tree.insert(name, std::fs::read_to_string(&path).expect("a text"));
        }
    }
}

fn rust<'a>(tree: &'a Tree, folders: &'a [&str]) -> impl Iterator<Item = (&'a String, &'a String)> {
    let inside = |path: &str| path.ends_with(".rs") && folders.iter().any(|folder| path.starts_with(folder));
    tree.iter().filter(move |(path, _)| inside(path))
}

/// The text without its line comments, doc comments among them.
fn code(text: &str) -> String {
    text.lines()
        .map(|line| line.split("//").next().unwrap_or_default())
        .collect::<Vec<_>>()
        .join("\n")
}

/// The first words after `crate::`, `use crate::{...}` opened, and after `super::super::`, which means the same one folder down.
fn parts_of_the_crate(code: &str) -> BTreeSet<String> {
    let mut parts = BTreeSet::new();
    let word = |text: &str| {
        text.chars()
            .take_while(|c| c.is_alphanumeric() || *c == '_')
            .collect::<String>()
    };
    for start in ["crate::", "super::super::"] {
        for after in code.split(start).skip(1) {
            let Some(group) = after.strip_prefix('{') else {
                parts.insert(word(after));
                continue;
            };
            let mut depth = 1;
            let mut outer = String::new();
            for c in group.chars() {
                depth += i32::from(c == '{') - i32::from(c == '}');
                if depth == 0 {
                    break;
                }
                if depth == 1 {
                    outer.push(c);
                }
            }
            parts.extend(outer.split(',').map(|item| word(item.trim())));
        }
    }
    parts
}

/// `path:line has "needle": why` for every line that has one.
fn finds<'a>(files: impl Iterator<Item = (&'a String, &'a String)>, needles: &[&str], why: &str) -> Vec<String> {
    let mut complaints = Vec::new();
    for (path, text) in files {
        for (number, line) in text.lines().enumerate() {
            if let Some(needle) = needles.iter().find(|needle| line.contains(*needle)) {
                complaints.push(format!("{path}:{} has \"{needle}\": {why}", number + 1));
            }
        }
    }
    complaints
}
