//! Files that lie, that were cut short, or that were made to do harm: a sentence each, and no more memory than their size.

use super::made::{archive, model, moment, refused, safetensors, tensors, wish};
use ijepa::weights::fit::fit;
use ijepa::weights::open::open;
use ijepa::weights::write::reference;
use std::path::Path;

/// `{"patch_embed.proj.weight": tensor}` of these sizes in a storage that is said to have `count` values.
fn pickle(count: i32, offset: i32, shape: &[i32], strides: &[i32]) -> Vec<u8> {
    let mut p = b"\x80\x02}X\x17\0\0\0patch_embed.proj.weight".to_vec();
    p.extend(
        b"ctorch._utils\n_rebuild_tensor_v2\n((X\x07\0\0\0storagectorch\nFloatStorage\nX\x01\0\0\x000X\x03\0\0\0cpu",
    );
    let int = |value: i32| [&b"J"[..], &value.to_le_bytes()].concat();
    let tuple = |values: &[i32]| {
        let all: Vec<u8> = values.iter().flat_map(|&value| int(value)).collect();
        [b"(", &all[..], b"t"].concat()
    };
    p.extend(int(count));
    p.extend(b"tQ");
    p.extend(int(offset));
    p.extend(tuple(shape));
    p.extend(tuple(strides));
    p.extend(b"\x89ccollections\nOrderedDict\n)RtRs.");
    p
}

#[test]
fn the_pickle_of_these_tests_is_one_that_is_read() {
    let place = tempfile::tempdir().unwrap();
    let path = place.path().join("good.pth");
    archive(&path, &pickle(48, 0, &[1, 3, 4, 4], &[48, 16, 4, 1]), 192);
    let weights = open(&path).unwrap();
    assert_eq!((weights.architecture.embed_dim, weights.architecture.patch), (1, 4));
    archive(&path, &pickle(49, 1, &[1, 3, 4, 4], &[48, 16, 1, 4]), 196);
    assert_eq!(
        open(&path)
            .unwrap()
            .read("encoder.patch_embed.proj.weight")
            .unwrap()
            .values,
        [0.0; 48]
    );
}

#[test]
fn sizes_that_lie_are_refused() {
    let place = tempfile::tempdir().unwrap();
    let path = place.path().join("lies.pth");
    let square: &[i32] = &[1, 3, 4, 4];
    for (pickle, bytes, wanted) in [
        (
            pickle(48, 0, square, &[48, 16, 4, 1]),
            188,
            "another size than what is stored",
        ),
        (
            pickle(i32::MAX, 0, square, &[48, 16, 4, 1]),
            192,
            "another size than what is stored",
        ),
        (
            pickle(48, 1, square, &[48, 16, 4, 1]),
            192,
            "does not fit the 188 bytes",
        ),
        (pickle(48, 49, square, &[48, 16, 4, 1]), 192, "begins beyond the end"),
        (
            pickle(48, 0, square, &[48, 16, 5, 1]),
            192,
            "does not fit the 192 bytes",
        ),
        (pickle(48, 0, square, &[16, 4, 1]), 192, "does not fit the 192 bytes"),
        // One value, a billion times.
        (pickle(48, 0, &[1_000_000_000], &[0]), 192, "does not fit the 192 bytes"),
        (
            pickle(48, 0, &[i32::MAX, i32::MAX, i32::MAX], &[0, 0, 0]),
            192,
            "does not fit the 192 bytes",
        ),
        (
            pickle(-48, 0, square, &[48, 16, 4, 1]),
            192,
            "a size in its pickle is -48",
        ),
        (
            pickle(48, 0, &[1, 3, 4, -4], &[48, 16, 4, 1]),
            192,
            "a size in its pickle is -4",
        ),
        (pickle(48, 0, &[1; 9], &[1; 9]), 192, "has 9 axes"),
    ] {
        archive(&path, &pickle, bytes);
        let message = refused(&path);
        assert!(message.contains(wanted), "{wanted}: {message}");
    }
}

#[test]
fn code_in_a_pickle_is_refused_by_its_name_and_not_run() {
    let place = tempfile::tempdir().unwrap();
    let path = place.path().join("code.pth");
    let proof = place.path().join("proof");
    let shell = format!("touch {}", proof.display());
    let call = [
        &b"\x80\x02cposix\nsystem\nX"[..],
        &(shell.len() as u32).to_le_bytes(),
        shell.as_bytes(),
        b"\x85R.",
    ]
    .concat();
    for (pickle, wanted) in [
        (call, "names \"posix.system\", which is no part of weights"),
        (
            b"\x80\x02cbuiltins\neval\nX\x01\0\0\x001\x85R.".to_vec(),
            "names \"builtins.eval\"",
        ),
        (b"\x80\x02ctorch\nload\n.".to_vec(), "names \"torch.load\""),
        (
            b"\x80\x02ctorch._utils\n_rebuild_tensor_v2\n)R.".to_vec(),
            "in a way that torch.save does not write",
        ),
        (
            b"\x80\x02X\x01\0\0\x001)R.".to_vec(),
            "in a way that torch.save does not write",
        ),
        // What could make objects in other ways.
        (b"\x80\x02(iposix\nsystem\n.".to_vec(), "an instruction 0x69"),
        (
            b"\x80\x02X\x05\0\0\0posixX\x06\0\0\0system\x93.".to_vec(),
            "an instruction 0x93",
        ),
        (
            b"\x80\x02ccollections\nOrderedDict\n)\x81.".to_vec(),
            "an instruction 0x81",
        ),
        (b"\x80\x02Pname\n.".to_vec(), "an instruction 0x50"),
        (b"\x80\x04}.".to_vec(), "is of version 4"),
        (
            b"\x80\x02ccollections\nOrderedDict\n}b.".to_vec(),
            "gives a state to what has none",
        ),
        (
            b"\x80\x02X\x01\0\0\x001Q.".to_vec(),
            "refers to something that is no storage",
        ),
        (b"\x80\x02]}a.".to_vec(), "no dictionary of weights"),
        (b"\x80\x02}.".to_vec(), "no weights of I-JEPA or of a ViT"),
        (b"\x80\x02.".to_vec(), "takes more values than it has"),
        (b"\x80\x02}(0u.".to_vec(), "an instruction 0x30"),
        (b"\x80\x02}(su.".to_vec(), "takes more values than it has"),
        (b"\x80\x02}u.".to_vec(), "no mark"),
        (b"\x80\x02h\x07.".to_vec(), "recalls what it never had"),
        (b"\x80\x02X\xff\xff\xff\xff.".to_vec(), "ends too early"),
        (b"\x80\x02X\x01\0\0\0\xff.".to_vec(), "no UTF-8"),
        (b"\x80\x02\x8a\xff.".to_vec(), "ends too early"),
    ] {
        archive(&path, &pickle, 4);
        let message = refused(&path);
        assert!(message.contains(wanted), "{wanted}: {message}");
        assert!(message.starts_with(&path.display().to_string()), "{message}");
    }
    assert!(!proof.exists());
}

#[test]
fn a_list_in_itself_and_endless_recalls_end() {
    let place = tempfile::tempdir().unwrap();
    let path = place.path().join("odd.pth");
    // state: a dictionary whose values are itself, and one list of groups recalled 100,000 times.
    let mut pickle =
        b"\x80\x02}q\0(X\x05\0\0\0modelh\0X\x03\0\0\0opth\0X\x05\0\0\0stateh\0X\x0c\0\0\0param_groups]q\x01(".to_vec();
    pickle.extend(b"h\x01".repeat(100_000));
    pickle.extend(b"eu.");
    archive(&path, &pickle, 4);
    assert!(refused(&path).contains("no weights of I-JEPA or of a ViT"));
    // Deeply nested tuples are no deep recursion here.
    archive(&path, &[&b"\x80\x02N"[..], &vec![0x85; 1 << 20], b"."].concat(), 4);
    assert!(refused(&path).contains("no dictionary of weights"));
    archive(&path, &vec![b'N'; (2 << 20) + 1], 4);
    assert!(refused(&path).contains("larger than 2097152 bytes"));
}

#[test]
fn lengths_that_an_empty_axis_hides_and_numbers_without_axes_do_no_harm() {
    let place = tempfile::tempdir().unwrap();
    let path = place.path().join("empty.pth");
    // [0, 2^62, 2^62], with the strides of rows that follow each other.
    let mut bytes = pickle(0, 0, &[], &[]);
    let end = bytes.split_off(bytes.len() - b"(t(t\x89ccollections\nOrderedDict\n)RtRs.".len());
    assert!(end.starts_with(b"(t(t"));
    let long = [&[0x8a, 8][..], &(1i64 << 62).to_le_bytes()].concat();
    let shape = [b"(K\0", &long[..], &long, b"t"].concat();
    let strides = [b"(K\x01", &long[..], b"K\x01t"].concat();
    let bytes = [&bytes[..], &shape, &strides, &end[4..]].concat();
    archive(&path, &bytes, 0);
    assert!(refused(&path).contains("has no patch embedding"));

    let path = place.path().join("model.safetensors");
    let names = ["query", "key", "value"].map(|third| format!("encoder.layer.0.attention.attention.{third}.weight"));
    let mut header = serde_json::Map::new();
    for (i, name) in names.iter().enumerate() {
        let entry = serde_json::json!({"dtype": "F32", "shape": [], "data_offsets": [4 * i, 4 * i + 4]});
        header.insert(name.clone(), entry);
    }
    let patches = serde_json::json!({"dtype": "F32", "shape": [1, 3, 1, 1], "data_offsets": [12, 24]});
    header.insert("embeddings.patch_embeddings.projection.weight".into(), patches);
    safetensors(&path, &serde_json::Value::from(header).to_string(), 24);
    let weights = open(&path).unwrap();
    assert_eq!(weights.shape("encoder.blocks.0.attn.qkv.weight"), None);
    assert!(fit(&weights, &model(), wish()).is_err());
}

#[test]
fn tensors_that_share_one_storage_a_thousand_times_are_refused() {
    let place = tempfile::tempdir().unwrap();
    let path = place.path().join("shared.pth");
    let one = pickle(4800, 0, &[100, 3, 4, 4], &[48, 16, 4, 1]);
    // The tensor of the one entry, under a thousand more names.
    let start = one.windows(6).position(|window| window == b"ctorch").unwrap();
    let tensor = &one[start..one.len() - 2];
    let mut many = one[..one.len() - 1].to_vec();
    for i in 0..1000 {
        many.extend([&b"X\x04\0\0\0"[..], format!("{i:04}").as_bytes(), tensor, b"s"].concat());
    }
    many.push(b'.');
    archive(&path, &many, 19_200);
    assert!(refused(&path).contains("more than 4 times over"), "{}", refused(&path));
}

/// Few bytes of pickle name one dictionary of tensors again and again: what is counted is bounded, not only what is kept.
#[test]
fn a_dictionary_that_is_recalled_many_times_is_refused() {
    let place = tempfile::tempdir().unwrap();
    let path = place.path().join("recalled.pth");
    let one = pickle(4800, 0, &[100, 3, 4, 4], &[48, 16, 4, 1]);
    let start = one.windows(6).position(|window| window == b"ctorch").unwrap();
    let tensor = &one[start..one.len() - 2];
    let name = |i: usize| [&b"X\x04\0\0\0"[..], format!("{i:04}").as_bytes()].concat();
    let inner: Vec<u8> = (0..300).flat_map(|i| [&name(i)[..], tensor].concat()).collect();
    let mut bytes = [&b"\x80\x02}(X\x01\0\0\0a}q\x05("[..], &inner, b"u"].concat();
    bytes.extend((0..400).flat_map(|i| [&name(i)[..], b"h\x05"].concat()));
    bytes.extend(b"u.");
    archive(&path, &bytes, 19_200);
    assert!(
        refused(&path).contains("more than 100000 tensors"),
        "{}",
        refused(&path)
    );
}

/// A small checkpoint of the reference.
fn checkpoint(path: &Path) -> Vec<u8> {
    reference::checkpoint(path, &model(), &tensors(), &moment()).unwrap();
    std::fs::read(path).unwrap()
}

/// Opens, and reads every tensor of what is not refused.
fn opens(path: &Path) -> bool {
    open(path).is_ok_and(|weights| {
        let names: Vec<String> = weights.names().map(str::to_string).collect();
        names.iter().for_each(|name| drop(weights.read(name)));
        true
    })
}

#[test]
fn a_checkpoint_cut_short_anywhere_is_refused() {
    let place = tempfile::tempdir().unwrap();
    let path = place.path().join("cut.pth.tar");
    let whole = checkpoint(&path);
    assert!(opens(&path));
    let ends = (0..whole.len())
        .step_by(997)
        .chain([whole.len() - 1, whole.len() - 22, 3, 4, 5]);
    for end in ends {
        std::fs::write(&path, &whole[..end]).unwrap();
        refused(&path);
    }
}

#[test]
fn one_flipped_bit_anywhere_is_refused_or_does_no_harm() {
    let place = tempfile::tempdir().unwrap();
    let path = place.path().join("flipped.pth.tar");
    let mut bytes = checkpoint(&path);
    let length = bytes.len();
    let mut refusals = 0;
    // The pickle is at the front and the directory at the end; numbers between are numbers.
    for i in (0..6000).step_by(5).chain((length - 12_000..length).step_by(13)) {
        bytes[i] ^= 1 << (i % 8);
        std::fs::write(&path, &bytes).unwrap();
        refusals += usize::from(!opens(&path));
        bytes[i] ^= 1 << (i % 8);
    }
    assert!(refusals > 500, "{refusals} of what was damaged were refused");
}

#[test]
fn archives_that_are_none_of_torch_save_are_refused() {
    let place = tempfile::tempdir().unwrap();
    let path = place.path().join("other.pth");
    let mut compressed = checkpoint(&path);
    // The method in each header: 8 is deflate.
    for i in 0..compressed.len() - 12 {
        match &compressed[i..i + 4] {
            b"PK\x03\x04" => compressed[i + 8] = 8,
            b"PK\x01\x02" => compressed[i + 10] = 8,
            _ => {}
        }
    }
    let mut zip = zip::ZipWriter::new(std::io::Cursor::new(vec![]));
    let plain = zip::write::SimpleFileOptions::default().compression_method(zip::CompressionMethod::Stored);
    zip.start_file("words.txt", plain).unwrap();
    let words = zip.finish().unwrap().into_inner();
    let mut zip = zip::ZipWriter::new(std::io::Cursor::new(vec![]));
    for name in ["a/data.pkl", "a/constants.pkl"] {
        zip.start_file(name, plain).unwrap();
    }
    let program = zip.finish().unwrap().into_inner();
    for (bytes, wanted) in [
        (compressed, ""),
        (words, "is an archive, but none of torch.save"),
        (program, "is a TorchScript program"),
        (
            b"\x80\x02\x8a\x0a\x6c\xfc\x9c\x46".to_vec(),
            "the format that torch had before its version 1.6",
        ),
        (b"PK\x03\x04".to_vec(), "is no archive that can be read"),
    ] {
        std::fs::write(&path, bytes).unwrap();
        let message = refused(&path);
        assert!(message.contains(wanted), "{wanted}: {message}");
    }
}

#[test]
fn safetensors_that_lie_are_refused() {
    let place = tempfile::tempdir().unwrap();
    let path = place.path().join("lies.safetensors");
    let one = |dtype: &str, shape: &str, from: u64, to: u64| {
        format!(r#"{{"a":{{"dtype":"{dtype}","shape":{shape},"data_offsets":[{from},{to}]}}}}"#)
    };
    for (header, data, wanted) in [
        (one("F32", "[2]", 0, 8), 4, "can be read"),
        (one("F32", "[2]", 0, 8), 12, "can be read"),
        (one("F32", "[3]", 0, 8), 8, "can be read"),
        (one("F32", "[2]", 8, 16), 16, "can be read"),
        (one("F32", "[2]", 8, 0), 8, "can be read"),
        (one("F32", "[4294967296,4294967296,4294967296]", 0, 8), 8, "can be read"),
        (one("F32", "[1000000000000]", 0, 4_000_000_000_000), 8, "can be read"),
        (
            one("F8_E4M3", "[8]", 0, 8),
            8,
            "is F8_E4M3; F64, F32, F16 and BF16 are read",
        ),
        (
            one("F32", "[2]", 0, 8),
            8,
            "no weights of I-JEPA or of a ViT that are known here; its first tensors are: a",
        ),
        ("{}".into(), 0, "no weights of I-JEPA"),
        ("[]".into(), 0, "can be read"),
    ] {
        safetensors(&path, &header, data);
        let message = refused(&path);
        assert!(message.contains(wanted), "{header}: {message}");
    }
    for bytes in [
        (1u64 << 62).to_le_bytes(),
        (1u64 << 30).to_le_bytes(),
        u64::MAX.to_le_bytes(),
    ] {
        std::fs::write(&path, [&bytes[..], b"{}"].concat()).unwrap();
        assert!(refused(&path).contains("can be read"));
    }
    std::fs::write(&path, "").unwrap();
    assert!(refused(&path).contains("can be read"));
}

#[test]
fn an_index_leads_to_files_beside_it_alone() {
    let place = tempfile::tempdir().unwrap();
    let index = place.path().join("model.safetensors.index.json");
    let file = place.path().join("one.safetensors");
    safetensors(&file, r#"{"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}}"#, 4);
    for (text, wanted) in [
        (
            r#"{"weight_map":{"a":"../one.safetensors"}}"#,
            "that does not lie beside it",
        ),
        (r#"{"weight_map":{"a":"/etc/passwd"}}"#, "that does not lie beside it"),
        (r#"{"weight_map":{"a":".."}}"#, "that does not lie beside it"),
        (r#"{"weight_map":{"a":"two.safetensors"}}"#, "no weights at "),
        (
            r#"{"weight_map":{"b":"one.safetensors"}}"#,
            "says that \"b\" is in one.safetensors, but it is not",
        ),
        (r#"{"weight_map":{"a":"one.safetensors"}}"#, "no weights of I-JEPA"),
        (r#"{"weight_map":3}"#, "is no index"),
        ("", "is no index"),
    ] {
        std::fs::write(&index, text).unwrap();
        let message = refused(place.path());
        assert!(message.contains(wanted), "{text}: {message}");
    }
}

#[test]
fn a_configuration_beside_that_is_another_network_is_refused() {
    let place = tempfile::tempdir().unwrap();
    let path = place.path().join("model.safetensors");
    let header = r#"{"patch_embed.proj.weight":{"dtype":"F32","shape":[1,3,1,1],"data_offsets":[0,12]}}"#;
    safetensors(&path, header, 12);
    for (config, wanted) in [
        ("{", "config.json: "),
        (
            r#"{"layer_norm_eps": 0.001}"#,
            "layer_norm_eps is 0.001; I-JEPA's norms have 1e-6",
        ),
        (r#"{"hidden_act": "relu"}"#, "hidden_act is \"relu\""),
    ] {
        std::fs::write(place.path().join("config.json"), config).unwrap();
        let message = refused(&path);
        assert!(message.contains(wanted), "{message}");
    }
    std::fs::write(
        place.path().join("config.json"),
        r#"{"layer_norm_eps": 1e-12, "num_attention_heads": 1}"#,
    )
    .unwrap();
    let weights = open(&path).unwrap();
    assert_eq!(weights.architecture.heads, Some(1));
    assert!(
        weights.remarks[0].contains("made with eps 1e-12"),
        "{:?}",
        weights.remarks
    );
}
