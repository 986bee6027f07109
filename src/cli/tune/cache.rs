//! The file in which `ijepa tune` keeps what it found. Whoever computes reads it at the start; one that is broken, or from another
//! adapter, driver or version of the program, is not used, and a line says so.

use super::super::draft::Draft;
use ijepa::gpu::{Gpu, Product, Tuned};
use ijepa::ops::cast::Bits;
use ijepa::ops::matmul::Variant;
use ijepa::ops::ways::{WAYS, Way, ways};
use ijepa::{Error, Result, ordinary};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, HashMap};
use std::io::{ErrorKind, Write};
use std::path::{Path, PathBuf};

/// Names the file, where it isn't in the user's cache folder; empty: there is none.
pub const VARIABLE: &str = "IJEPA_TUNE";
const FORMAT: &str = "ijepa tune";
const VERSION: u32 = 1;
/// More bytes than any such file has.
const MOST_BYTES: u64 = 1 << 20;
/// Bits of operands and forms by their numbers in `Product`.
const OPERANDS: [&str; 3] = ["f32", "bf16", "f16"];
pub const FORMS: [&str; 3] = ["nn", "nt", "tn"];

#[derive(Serialize, Deserialize)]
struct Contents {
    format: String,
    version: u32,
    program: String,
    adapters: Vec<Adapter>,
}

/// What was found on one adapter.
#[derive(Serialize, Deserialize)]
struct Adapter {
    adapter: String,
    backend: String,
    driver: String,
    products: Vec<Entry>,
}

/// A product that is computed quicker in another way than the adapter would choose.
#[derive(Serialize, Deserialize)]
struct Entry {
    #[serde(default = "f32")]
    operands: String,
    form: String,
    m: usize,
    n: usize,
    k: usize,
    way: String,
}

fn f32() -> String {
    operands(None).to_string()
}

/// How operands of these bits are called.
pub fn operands(bits: Option<Bits>) -> &'static str {
    match bits {
        None => OPERANDS[0],
        Some(Bits::Bf16) => OPERANDS[1],
        Some(Bits::F16) => OPERANDS[2],
    }
}

impl Contents {
    fn empty() -> Contents {
        Contents {
            format: FORMAT.to_string(),
            version: VERSION,
            program: env!("CARGO_PKG_VERSION").to_string(),
            adapters: vec![],
        }
    }

    fn place(&self, gpu: &Gpu) -> Option<usize> {
        let [adapter, backend, driver] = key(gpu);
        let own = |of: &Adapter| of.adapter == adapter && of.backend == backend && of.driver == driver;
        self.adapters.iter().position(own)
    }
}

/// Name, graphics interface and driver.
fn key(gpu: &Gpu) -> [String; 3] {
    let info = gpu.info();
    let driver = format!("{} {}", info.driver, info.driver_info).trim().to_string();
    [info.name.clone(), info.backend.to_string(), driver]
}

/// The file: `given`, else what the environment names, else the one in the user's cache folder. `None` where there is no such
/// folder, or the environment wants none.
pub fn path(given: Option<&Path>) -> Option<PathBuf> {
    match (given, std::env::var_os(VARIABLE)) {
        (Some(path), _) => Some(path.to_path_buf()),
        (None, Some(named)) => (!named.is_empty()).then(|| named.into()),
        (None, None) => Some(dirs::cache_dir()?.join("ijepa").join("tune.json")),
    }
}

/// Makes the GPU compute as was found for operands of these bits, if something was found on it by this program; `say` gets at most
/// one line.
pub fn apply(gpu: &Gpu, bits: Option<Bits>, say: &dyn Fn(&str)) {
    let Some(path) = path(None) else { return };
    if gpu.variant().is_some() {
        return; // asked for, and stronger than what was found
    }
    let show = path.display();
    match read(&path).and_then(|contents| contents.map(|contents| findings(&contents, gpu, bits)).transpose()) {
        Ok(Some(tuned)) if !tuned.is_empty() => {
            let (count, operands) = (tuned.len(), operands(bits));
            say(&format!("matrix products in {operands} as tuned: {count} of {show}"));
            gpu.tune(tuned.into_iter().collect::<Tuned>());
        }
        Ok(_) => {}
        Err(why) => say(&match is_own(&path) {
            Ok(_) => format!("{show} {why}: not used; `ijepa tune` measures anew, `ijepa tune --forget` removes it"),
            // Nor does `ijepa tune` touch it.
            Err(_) => format!("{show} {why}: not used; name another file by {VARIABLE}, or move this one away"),
        }),
    }
}

/// `Ok(None)` where there is no file; `Err` with what is wrong with it.
fn read(path: &Path) -> Result<Option<Contents>, String> {
    let text = match ordinary::text(path, MOST_BYTES) {
        Ok(text) => text,
        Err(e) if e.kind() == ErrorKind::NotFound => return Ok(None),
        Err(e) => return Err(format!("can't be read ({e})")),
    };
    // Other versions may have other contents: what they say of themselves is looked at first.
    let value: serde_json::Value = serde_json::from_str(&text).map_err(|_| "is no file of `ijepa tune`")?;
    if value["format"] != FORMAT {
        return Err("is no file of `ijepa tune`".to_string());
    }
    let (version, program, own) = (&value["version"], &value["program"], env!("CARGO_PKG_VERSION"));
    let short = |text: &str| text.chars().take(20).collect::<String>();
    if *program != own {
        let program = short(program.as_str().unwrap_or("?"));
        return Err(format!("was written by ijepa {program}, and this is {own}"));
    }
    if *version != VERSION {
        let version = short(&version.to_string());
        return Err(format!(
            "is of version {version}, and this ijepa reads version {VERSION}"
        ));
    }
    serde_path_to_error::deserialize(value)
        .map(Some)
        .map_err(|e| format!("is damaged (at {})", e.path()))
}

const UNKNOWN: &str = "is damaged (it names operands, forms or kernels that there are not)";

fn findings(contents: &Contents, gpu: &Gpu, bits: Option<Bits>) -> Result<Tuned, String> {
    let Some(place) = contents.place(gpu) else {
        let [adapter, backend, driver] = key(gpu);
        return Err(format!("has nothing on {adapter} ({backend}, {driver})"));
    };
    let numbers: HashMap<String, usize> = ways(gpu, bits).map(|way| way.to_string()).zip(0..).collect();
    let mut tuned = Tuned::new();
    for entry in &contents.adapters[place].products {
        let product = entry.product().ok_or(UNKNOWN)?;
        if entry.operands != operands(bits) {
            continue;
        }
        match numbers.get(&entry.way) {
            Some(&number) => drop(tuned.insert(product, number)),
            None if entry.is_known() => {} // of units that are not used now
            None => return Err(UNKNOWN.to_string()),
        }
    }
    Ok(tuned)
}

impl Entry {
    fn new(product: &Product, way: Way) -> Entry {
        let Product { bits, form, m, n, k } = *product;
        let word =
            |words: [&str; 3], number: u8| words.get(usize::from(number)).copied().unwrap_or_default().to_string();
        Entry {
            operands: word(OPERANDS, bits),
            form: word(FORMS, form),
            m,
            n,
            k,
            way: way.to_string(),
        }
    }

    fn product(&self) -> Option<Product> {
        let number = |words: [&str; 3], word: &str| words.iter().position(|known| *known == word).map(|at| at as u8);
        let Entry { m, n, k, .. } = *self;
        let (bits, form) = (number(OPERANDS, &self.operands)?, number(FORMS, &self.form)?);
        Some(Product { bits, form, m, n, k })
    }

    /// Whether it names a way that there is, if only on other adapters.
    fn is_known(&self) -> bool {
        self.way.starts_with(Variant::Fragments.name()) || WAYS.iter().any(|way| way.to_string() == self.way)
    }
}

/// The file that is being made: what stays of one that is there already, and a place beside it to write to.
pub struct Findings<'a> {
    path: &'a Path,
    draft: Draft,
}

impl Findings<'_> {
    /// Errors: usage, where nothing can be written there, and where another process writes there.
    pub fn create(path: &Path) -> Result<Findings<'_>> {
        let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
        let made = folder.map_or(Ok(()), std::fs::create_dir_all);
        let refused = |e: std::io::Error| {
            let show = path.display();
            Error::usage(format!("{show} can't be written: {e}; name another file by --cache"))
        };
        if path.is_dir() {
            return Err(refused(ErrorKind::IsADirectory.into()));
        }
        made.map_err(refused)?;
        is_own(path)?;
        let draft = Draft::create(path, "name another file by --cache")?;
        Ok(Findings { path, draft })
    }

    /// Writes what was found on this adapter, `None` where its own choice is best, over what the file has on the same products,
    /// and beside all else that it has; but for what is damaged there, which would keep the rest from being used.
    pub fn write(mut self, gpu: &Gpu, found: &BTreeMap<Product, Option<Way>>) -> Result<()> {
        let mut contents = read(self.path).ok().flatten().unwrap_or_else(Contents::empty);
        let place = contents.place(gpu).unwrap_or_else(|| {
            let [adapter, backend, driver] = key(gpu);
            contents.adapters.push(Adapter {
                adapter,
                backend,
                driver,
                products: vec![],
            });
            contents.adapters.len() - 1
        });
        let products = &mut contents.adapters[place].products;
        let is_old = |entry: &Entry| entry.product().is_some_and(|product| !found.contains_key(&product));
        products.retain(|entry| is_old(entry) && entry.is_known());
        let new = found
            .iter()
            .filter_map(|(product, way)| Some(Entry::new(product, (*way)?)));
        products.extend(new);
        products.sort_by_key(Entry::product);
        let failed = |e: &dyn std::fmt::Display| Error::run(format!("{}: {e}", self.path.display()));
        let text = serde_json::to_string_pretty(&contents).map_err(|e| failed(&e))?;
        let file = &mut self.draft.file;
        let put = file.write_all(text.as_bytes()).and_then(|()| file.write_all(b"\n"));
        put.and_then(|()| self.draft.publish()).map_err(|e| failed(&e))?;
        Ok(())
    }
}

/// Whether there is a file, which then must be one that `ijepa tune` wrote: of any version, and even where its end is missing.
fn is_own(path: &Path) -> Result<bool> {
    let head = format!("\"format\": \"{FORMAT}\"");
    let own = |text: &str| match serde_json::from_str::<serde_json::Value>(text) {
        Ok(value) => value["format"] == FORMAT,
        Err(_) => text
            .strip_prefix('{')
            .is_some_and(|rest| rest.trim_start().starts_with(&head)),
    };
    let why = match ordinary::text(path, MOST_BYTES) {
        Err(e) if e.kind() == ErrorKind::NotFound => return Ok(false),
        Ok(text) if own(&text) => return Ok(true),
        Err(e) if !is_another(e.kind()) => format!("can't be read ({e})"),
        _ => "is no file of `ijepa tune`".to_string(),
    };
    Err(Error::usage(format!(
        "{} {why}, and is left as it is: name another file by --cache, or remove it yourself, if it may go",
        path.display()
    )))
}

/// Whether it is for what the file is that it can't be read: no file, no text, too large.
fn is_another(kind: ErrorKind) -> bool {
    matches!(
        kind,
        ErrorKind::InvalidInput | ErrorKind::InvalidData | ErrorKind::FileTooLarge
    )
}

/// Removes the file; whether there was one.
///
/// Errors: usage, where it is not one that `ijepa tune` wrote (any version).
pub fn forget(path: &Path) -> Result<bool> {
    let show = path.display();
    if !is_own(path)? {
        return Ok(false);
    }
    std::fs::remove_file(path).map_err(|e| Error::run(format!("{show} can't be removed: {e}")))?;
    Ok(true)
}
