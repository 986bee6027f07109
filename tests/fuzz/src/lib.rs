//! What each fuzz target does with its bytes: a file is made of them, and read as far as it can be. Nothing may panic, whatever
//! they are; what must not be read is an error. The same functions go through the kept corpus in `cargo test`
//! (tests/weights/corpus.rs).

use ijepa::data::Split;
use ijepa::data::image::Size;
use ijepa::data::pack::{Encoding, Scale, Source, Writer};
use ijepa::data::source::Dataset;
use ijepa::eval::search::file;
use ijepa::eval::search::index::Index;
use ijepa::model::config::{Init, ModelConfig};
use ijepa::model::init;
use ijepa::model::tensors::{Tensor, Tensors};
use ijepa::train::config::Config;
use ijepa::weights::fit::{Wish, fit, moments};
use ijepa::weights::open::open;
use ijepa::weights::write::hub::{self, Processor};
use ijepa::weights::write::reference::{self, Moment};
use instant_distance::{Builder, Point};
use std::io::{Read, Write};
use std::path::Path;
use std::sync::LazyLock;
use tempfile::TempDir;

/// A function of bytes, by the name of its target and of its folder in `corpus/`.
pub type Target = (&'static str, fn(&[u8]));

pub const TARGETS: [Target; 9] = [
    ("torch", torch),
    ("pickle", pickle),
    ("safetensors", safetensors),
    ("header", header),
    ("index", index),
    ("beside", beside),
    ("pack", pack),
    ("search", search),
    ("yaml", yaml),
];

/// What an index of `ijepa search` begins with: its magic and version.
const INDEX_HEAD: &[u8] = b"ijepa search index\n\x01\0\0\0";
/// More bytes of tensors than a header is given.
const MOST_DATA: usize = 1 << 20;

/// As small as an I-JEPA can be.
pub fn model() -> ModelConfig {
    ModelConfig {
        image: Size::square(8),
        patch: 4,
        embed_dim: 4,
        depth: 1,
        num_heads: 1,
        mlp_ratio: 1.0,
        pred_emb_dim: 4,
        pred_depth: 1,
    }
}

/// Its networks, positions and moments.
pub fn tensors() -> Tensors {
    let model = model();
    let mut tensors = init::draw(&model, Init::Reference, 0);
    let trained = tensors
        .clone()
        .into_iter()
        .filter(|(name, _)| !name.starts_with("target_encoder."));
    let moments =
        trained.flat_map(|(name, tensor)| ["mean", "square"].map(|kind| (format!("{kind}.{name}"), tensor.clone())));
    tensors.extend(moments.collect::<Vec<_>>());
    for (name, width) in [
        ("encoder.pos_embed", model.embed_dim),
        ("target_encoder.pos_embed", model.embed_dim),
        ("predictor.predictor_pos_embed", model.pred_emb_dim),
    ] {
        let shape = vec![1, model.num_patches(), width];
        let values = vec![0.0; shape.iter().product()];
        tensors.insert(name.to_string(), Tensor { shape, values });
    }
    tensors
}

/// The reference's checkpoint of the model.
pub fn checkpoint(path: &Path) {
    let moment = Moment {
        epoch: 1,
        step: 2,
        loss: 0.5,
        batch_size: 2,
        lr: 1e-3,
        weight_decay: 0.04,
        heads: Some(1),
        texts: vec![("note".to_string(), "ours".to_string())],
    };
    reference::checkpoint(path, &model(), &tensors(), &moment).expect("a checkpoint");
}

/// Hugging Face's folder of the model.
pub fn hugging_face(folder: &Path) {
    let processor = Processor {
        short: 9,
        crop: 8,
        mean: [0.5; 3],
        std: [0.5; 3],
    };
    hub::hugging_face(folder, &model(), &tensors(), "encoder", processor, None).expect("a folder");
}

/// A file of `torch.save` is these bytes.
pub fn torch(bytes: &[u8]) {
    PLACE.with(|place| {
        let path = place.path().join("weights.pth.tar");
        write(&path, bytes);
        weights(&path);
    });
}

/// The pickle in a file of `torch.save` is these bytes; the rest of it is whole.
pub fn pickle(bytes: &[u8]) {
    let mut zip = zip::ZipWriter::new(std::io::Cursor::new(vec![]));
    let plain = zip::write::SimpleFileOptions::default().compression_method(zip::CompressionMethod::Stored);
    for (name, whole) in &*ARCHIVE {
        let bytes = if name.ends_with("/data.pkl") { bytes } else { whole };
        zip.start_file(name.as_str(), plain).expect("an entry");
        zip.write_all(bytes).expect("its bytes");
    }
    torch(&zip.finish().expect("an archive").into_inner());
}

/// What is in a checkpoint's archive, by name.
pub static ARCHIVE: LazyLock<Vec<(String, Vec<u8>)>> = LazyLock::new(|| {
    let place = place();
    let path = place.path().join("whole.pth.tar");
    checkpoint(&path);
    let mut archive = zip::ZipArchive::new(std::fs::File::open(&path).expect("a file")).expect("an archive");
    let entries = (0..archive.len()).map(|i| {
        let mut entry = archive.by_index(i).expect("an entry");
        let mut bytes = vec![];
        entry.read_to_end(&mut bytes).expect("its bytes");
        (entry.name().expect("a name").to_string(), bytes)
    });
    entries.collect()
});

/// A safetensors file is these bytes.
pub fn safetensors(bytes: &[u8]) {
    PLACE.with(|place| {
        let path = place.path().join("weights.safetensors");
        write(&path, bytes);
        weights(&path);
    });
}

/// The header of a safetensors file is these bytes, and as much follows as it says.
pub fn header(bytes: &[u8]) {
    let mut file = (bytes.len() as u64).to_le_bytes().to_vec();
    file.extend(bytes);
    let data = safetensors::SafeTensors::read_metadata(&file).map(|(_, header)| {
        let tensors = header.tensors();
        tensors.values().map(|tensor| tensor.data_offsets.1).max().unwrap_or(0)
    });
    file.resize(file.len() + data.unwrap_or(0).min(MOST_DATA), 1);
    self::safetensors(&file);
}

/// The index of a model in several files is these bytes; one of its files is there.
pub fn index(bytes: &[u8]) {
    PARTS.with(|place| {
        write(&place.path().join("model.safetensors.index.json"), bytes);
        weights(place.path());
    });
}

/// The `config.json` beside a model is these bytes.
pub fn beside(bytes: &[u8]) {
    MODEL.with(|place| {
        write(&place.path().join("config.json"), bytes);
        weights(place.path());
    });
}

/// A packed set is these bytes, with the head and the checksums that it must have.
pub fn pack(bytes: &[u8]) {
    let mut bytes = bytes.to_vec();
    if let Some(tail) = bytes.len().checked_sub(24).filter(|tail| *tail >= 16) {
        bytes[..16].copy_from_slice(b"ijepa-pack\r\n\x01\0\0\0");
        let start = u64::from_le_bytes(bytes[tail..tail + 8].try_into().expect("eight bytes")) as usize;
        let index = crc32fast::hash(bytes.get(start..tail).unwrap_or_default());
        bytes[tail + 16..tail + 20].copy_from_slice(&index.to_le_bytes());
        let whole = crc32fast::hash(&bytes[tail..tail + 20]);
        bytes[tail + 20..].copy_from_slice(&whole.to_le_bytes());
    }
    PLACE.with(|place| {
        let path = place.path().join("set.ijepa-pack");
        write(&path, &bytes);
        let Ok(data) = Dataset::open(path.to_str().expect("a name"), Split::Train, 0, 1 << 16) else {
            return;
        };
        for image in 0..data.len().min(64) {
            let _ = data.image(image);
            let _ = data.name(image);
        }
    });
}

/// An index of `ijepa search` is these bytes, with the head and the checksum that it must have.
pub fn search(bytes: &[u8]) {
    if let Some(index) = searchable(bytes) {
        let row = index.query(&vec![1.0; index.width()]);
        let _ = index.nearest(&row, 3);
    }
}

pub fn searchable(bytes: &[u8]) -> Option<Index> {
    let mut bytes = bytes.to_vec();
    if let Some(tail) = bytes.len().checked_sub(4).filter(|tail| *tail >= INDEX_HEAD.len()) {
        bytes[..INDEX_HEAD.len()].copy_from_slice(INDEX_HEAD);
        let whole = crc32fast::hash(&bytes[..tail]);
        bytes[tail..].copy_from_slice(&whole.to_le_bytes());
    }
    PLACE.with(|place| {
        let path = place.path().join("photos.ijepa-index");
        write(&path, &bytes);
        file::read(&path).ok()?.map(|(index, _)| index)
    })
}

/// A configuration is these bytes.
pub fn yaml(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else {
        return;
    };
    if let Ok(config) = Config::from_yaml(text, "fuzzed.yaml") {
        let _ = config.validate();
        let again = Config::from_yaml(&config.to_yaml(), "again.yaml").expect("what is written is read");
        assert!(
            again == config || text.contains("nan"),
            "what is written is what was read"
        );
    }
}

thread_local! {
    // Made once: most of the time would go into folders that come and go.
    static PLACE: TempDir = place();
    static MODEL: TempDir = {
        let place = place();
        hugging_face(place.path());
        place
    };
    static PARTS: TempDir = {
        let place = place();
        hugging_face(place.path());
        let [one, part] = ["model.safetensors", "model-00001-of-00001.safetensors"].map(|name| place.path().join(name));
        std::fs::rename(one, part).expect("a file");
        place
    };
}

fn place() -> TempDir {
    tempfile::tempdir().expect("a folder")
}

fn write(path: &Path, bytes: &[u8]) {
    std::fs::write(path, bytes).expect("a file");
}

/// Opens weights, reads every tensor, and fits them into the model.
fn weights(path: &Path) {
    let Ok(weights) = open(path) else {
        return;
    };
    let names: Vec<String> = weights.names().map(String::from).collect();
    for name in names.iter().take(256) {
        let Some(shape) = weights.shape(name) else {
            assert!(
                weights.thirds(name).is_some(),
                "a tensor that is named has a shape, or parts"
            );
            continue;
        };
        if let Some(tensor) = weights.read(name) {
            assert_eq!(tensor.shape, shape);
            assert_eq!(tensor.values.len(), shape.iter().product::<usize>());
        }
    }
    let _ = weights.architecture.name();
    for partial in [false, true] {
        let wish = Wish {
            init: Init::Reference,
            seed: 0,
            partial,
            encoders: false,
        };
        let _ = fit(&weights, &model(), wish);
    }
    if weights.has_moments() {
        let _ = moments(&weights, &model());
    }
}

/// What a target begins with: a small file as this program writes it.
pub fn seed(target: &str) -> Vec<u8> {
    let place = place();
    let at = |name: &str| place.path().join(name);
    let read = |path: &Path| std::fs::read(path).expect("a file");
    hugging_face(place.path());
    let safetensors = read(&at("model.safetensors"));
    let length = u64::from_le_bytes(safetensors[..8].try_into().expect("eight bytes")) as usize;
    let header = &safetensors[8..8 + length];
    match target {
        "torch" => {
            checkpoint(&at("whole.pth.tar"));
            read(&at("whole.pth.tar"))
        }
        "pickle" => {
            let mut entries = ARCHIVE.iter();
            entries
                .find(|(name, _)| name.ends_with("/data.pkl"))
                .expect("a pickle")
                .1
                .clone()
        }
        "safetensors" => safetensors,
        "header" => header.to_vec(),
        "index" => {
            let tensors: serde_json::Map<String, serde_json::Value> = serde_json::from_slice(header).expect("a header");
            let names = tensors.keys().filter(|name| *name != "__metadata__");
            let files: serde_json::Map<String, serde_json::Value> = names
                .map(|name| (name.clone(), "model-00001-of-00001.safetensors".into()))
                .collect();
            serde_json::json!({"metadata": {"total_size": 1}, "weight_map": files})
                .to_string()
                .into_bytes()
        }
        "beside" => read(&at("config.json")),
        "pack" => {
            packed(&at("set.ijepa-pack"));
            read(&at("set.ijepa-pack"))
        }
        "search" => searched(),
        "yaml" => Config::default().to_yaml().into_bytes(),
        other => panic!("there is no target {other}"),
    }
}

/// An index of eight images by two values, six of them in its graph. The program makes graphs of many images alone, so that this
/// one is put together as `eval/search/file.rs` says.
fn searched() -> Vec<u8> {
    let rows: Vec<Row> = (0..8).map(|i| Row((i as f32).sin_cos().into())).collect();
    let (hnsw, points) = Builder::default().seed(0).build_hnsw(rows[..6].to_vec());
    let mut of = vec![0; 6];
    (0..6).for_each(|row| of[points[row].into_inner() as usize] = row);
    let graph = postcard::to_stdvec(&hnsw).expect("a graph");
    let items: Vec<_> = (0..8)
        .map(|i| serde_json::json!({"name": format!("{i}.png"), "size": i, "at": 7, "digest": "00"}))
        .collect();
    let header = serde_json::json!({
        "settings": {"weights": "ours"}, "mean": [0.5, -0.5], "items": items, "lengths": vec![1.0; 8], "points": of, "settled": true,
    });
    let header = header.to_string();
    let lengths = [header.len() as u64, graph.len() as u64].map(u64::to_le_bytes);
    let later: Vec<u8> = rows[6..].iter().flat_map(Row::bytes).collect();
    [
        INDEX_HEAD,
        &lengths.concat(),
        header.as_bytes(),
        &graph,
        &later,
        &[0; 4],
    ]
    .concat()
}

/// A row of the index, written as the index's own.
#[derive(Clone)]
struct Row([f32; 2]);

impl Row {
    fn bytes(&self) -> Vec<u8> {
        self.0.iter().flat_map(|value| value.to_le_bytes()).collect()
    }
}

impl Point for Row {
    fn distance(&self, other: &Row) -> f32 {
        1.0 - self.0[0] * other.0[0] - self.0[1] * other.0[1]
    }
}

impl serde::Serialize for Row {
    fn serialize<S: serde::Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.serialize_bytes(&self.bytes())
    }
}

/// A packed set of two images of two pixels' side.
fn packed(path: &Path) {
    let photos = path.with_extension("photos");
    std::fs::create_dir_all(&photos).expect("a folder");
    for (name, level) in [("1.ppm", 7), ("2.ppm", 200)] {
        std::fs::write(photos.join(name), [&b"P6 2 2 255\n"[..], &[level; 12]].concat()).expect("an image");
    }
    let source = Source::open(photos.to_str().expect("a name"), 1 << 16).expect("images");
    let mut set = Writer::new(std::fs::File::create(path).expect("a file")).expect("its head");
    let stop = std::sync::atomic::AtomicBool::new(false);
    let each = |name: &[u8], image| {
        set.add(name, &image).expect("an image");
        Ok(())
    };
    source
        .pack(Scale::Full, Encoding::Pixels, &stop, each)
        .expect("all of them");
    set.finish().expect("a set");
}
