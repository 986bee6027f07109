//! Packed sets: what they keep of a folder or a tar, and that no damage goes unnoticed.

use std::fs;
use std::io::{Seek, SeekFrom, Write};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use ijepa::data::Split::{Test, Train};
use ijepa::data::batch::Batches;
use ijepa::data::decode::MAX_PIXELS;
use ijepa::data::image::Image;
use ijepa::data::pack::{Encoding, Scale, Source, Writer};
use ijepa::data::source::Dataset;
use ijepa::{Error, Result};
use image::ImageFormat;
use tempfile::TempDir;

use crate::decode::{picture, written};
use crate::loader::recipe;
use crate::source::{folder, names, open};

const TAIL: usize = 24;

fn packed(source: &Path, scale: Scale, encoding: Encoding) -> Result<Vec<u8>> {
    let source = Source::open(source.to_str().unwrap(), MAX_PIXELS)?;
    let mut writer = Writer::new(vec![]).unwrap();
    source.pack(scale, encoding, &AtomicBool::new(false), |name, image| {
        writer.add(name, &image).unwrap();
        Ok(())
    })?;
    Ok(writer.finish().unwrap())
}

/// `bytes` as a file, opened; and the folder that it lies in.
fn opened(bytes: &[u8]) -> (Result<Dataset>, TempDir) {
    let root = folder([("a.ijepa-pack", bytes.to_vec())]);
    (open(&root.path().join("a.ijepa-pack"), Train), root)
}

/// Photos of several shapes and formats, of two classes and both splits; one of 32 is broken, one file is none.
fn photos() -> TempDir {
    let mut files = vec![("train/notes.txt".to_string(), b"words".to_vec())];
    for i in 0..32u32 {
        let (split, class) = (["train", "test"][i as usize / 24], ["cat", "dög"][i as usize % 2]);
        let format = [ImageFormat::Png, ImageFormat::Jpeg][i as usize % 3 / 2];
        let mut bytes = written(&picture(20 + i, 60 - i), format);
        if i == 7 {
            bytes.truncate(bytes.len() / 2);
        }
        files.push((format!("{split}/{class}/{i}.image"), bytes));
    }
    folder(files)
}

fn batches(data: Dataset) -> Vec<Vec<u8>> {
    let config = recipe(4, 5);
    let data = Arc::new(data);
    let mut batches = Batches::new(data.clone(), config, Arc::default()).unwrap();
    (0..9)
        .map(|step| Batches::take(&data, batches.make(step)).unwrap().images)
        .collect()
}

/// With a broken file among them, which keeps its place; from a folder, a tar and another packed set.
#[test]
fn full_size_gives_the_batches_of_the_source() {
    let root = photos();
    let want = batches(open(root.path(), Train).unwrap());
    let pixels = packed(root.path(), Scale::Full, Encoding::Pixels).unwrap();
    let png = packed(root.path(), Scale::Full, Encoding::Png).unwrap();
    let place = tempfile::tempdir().unwrap();
    let again = place.path().join("again.ijepa-pack");
    fs::write(&again, &png).unwrap();
    let mut tar = tar::Builder::new(vec![]);
    tar.append_dir_all(".", root.path()).unwrap();
    let tar_file = place.path().join("a.tar");
    fs::write(&tar_file, tar.into_inner().unwrap()).unwrap();
    assert_eq!(packed(&again, Scale::Full, Encoding::Pixels).unwrap(), pixels);
    assert_eq!(packed(&tar_file, Scale::Full, Encoding::Pixels).unwrap(), pixels);
    for bytes in [&pixels, &png] {
        let (data, _root) = opened(bytes);
        assert!(batches(data.unwrap()) == want);
    }
    let other = packed(root.path(), Scale::Short(18), Encoding::Pixels).unwrap();
    assert!(batches(opened(&other).0.unwrap()) != want, "scaled images are others");
}

#[test]
fn names_splits_labels_and_reasons_stay() {
    let root = photos();
    let bytes = packed(root.path(), Scale::Full, Encoding::Pixels).unwrap();
    let (train, place) = opened(&bytes);
    let train = train.unwrap();
    let test = open(&place.path().join("a.ijepa-pack"), Test).unwrap();
    for (data, split) in [(&train, Train), (&test, Test)] {
        let want = open(root.path(), split).unwrap();
        assert_eq!(names(data), names(&want));
        assert_eq!((data.labels(), data.split()), (want.labels(), Some(split)));
        assert_eq!(data.class_names(), ["cat", "dög"]);
        for index in 0..want.len() {
            assert_eq!(data.image(index), want.image(index), "{}", want.name(index));
        }
    }
    let broken = names(&train)
        .iter()
        .position(|name| name == "train/dög/7.image")
        .unwrap();
    assert!(train.image(broken).unwrap_err().contains("cannot be decoded"));
    // What was never taken for an image is not in it.
    assert_eq!(train.bad().count(), 0);
}

#[test]
fn images_are_scaled_down_and_never_up() {
    let root = folder([
        ("a.png", written(&picture(300, 201), ImageFormat::Png)),
        ("b.png", written(&picture(40, 900), ImageFormat::Png)),
    ]);
    let sizes = |scale, encoding| {
        let (data, _place) = opened(&packed(root.path(), scale, encoding).unwrap());
        let data = data.unwrap();
        [0, 1].map(|index| data.image(index).map(|image| (image.width, image.height)).unwrap())
    };
    for encoding in [Encoding::Pixels, Encoding::Jpeg(90), Encoding::Png] {
        assert_eq!(sizes(Scale::Full, encoding), [(300, 201), (40, 900)]);
        assert_eq!(sizes(Scale::Short(50), encoding), [(74, 50), (40, 900)]);
        assert_eq!(sizes(Scale::Short(4), encoding), [(5, 4), (4, 90)]);
        assert_eq!(sizes(Scale::Within(100), encoding), [(100, 67), (4, 100)]);
        assert_eq!(sizes(Scale::Within(10), encoding), [(10, 6), (1, 10)]);
        assert_eq!(sizes(Scale::Short(u32::MAX), encoding), [(300, 201), (40, 900)]);
    }
}

#[test]
fn jpeg_loses_little_and_png_nothing() {
    let smooth = image::RgbImage::from_fn(64, 48, |x, y| image::Rgb([(x * 3) as u8, (y * 5) as u8, (x + y) as u8]));
    let pixels = smooth.as_raw().clone();
    let root = folder([("a.png", written(&smooth.into(), ImageFormat::Png))]);
    let read = |encoding| {
        let bytes = packed(root.path(), Scale::Full, encoding).unwrap();
        let (data, _place) = opened(&bytes);
        (data.unwrap().image(0).unwrap().pixels, bytes.len())
    };
    let off =
        |got: &[u8]| got.iter().zip(&pixels).map(|(a, b)| a.abs_diff(*b) as f64).sum::<f64>() / pixels.len() as f64;
    let ((good, good_size), (poor, poor_size)) = (read(Encoding::Jpeg(95)), read(Encoding::Jpeg(20)));
    assert!(off(&good) > 0.0 && off(&good) < 2.0 && off(&poor) > off(&good) && poor_size < good_size);
    let (exact, size) = read(Encoding::Png);
    assert!(exact == pixels && size < pixels.len());
}

/// However a set is cut, it is refused with a sentence.
#[test]
fn what_was_cut_short_is_refused() {
    let root = folder((0..3).map(|i| (format!("{i}.png"), written(&picture(5, 4), ImageFormat::Png))));
    let whole = packed(root.path(), Scale::Full, Encoding::Pixels).unwrap();
    assert!(opened(&whole).0.is_ok());
    for length in 12..whole.len() {
        match opened(&whole[..length]).0 {
            Err(Error::Usage(text)) => assert!(
                text.contains("a.ijepa-pack is a packed set that is damaged: it ")
                    && text.ends_with("pack the images again"),
                "{length}: {text}"
            ),
            other => panic!("{length}: {other:?}"),
        }
    }
    let longer = [whole.as_slice(), b"more"].concat();
    assert!(opened(&longer).0.is_err());
    let (text, _root) = opened(&whole[..11]);
    assert!(text.unwrap_err().to_string().contains("nor a packed set"));
}

/// A flipped bit is found wherever it is: the image is skipped and named, or the set refused. No wrong pixel is ever given.
#[test]
fn no_flipped_bit_goes_unnoticed() {
    let root = folder((0..12).map(|i| (format!("{i:02}.png"), written(&picture(4, 3 + i), ImageFormat::Png))));
    for encoding in [Encoding::Pixels, Encoding::Png] {
        let whole = packed(root.path(), Scale::Full, encoding).unwrap();
        let (data, _root) = opened(&whole);
        let data = data.unwrap();
        let want: Vec<Image> = (0..12).map(|index| data.image(index).unwrap()).collect();
        let (mut refused, mut skipped) = (0, 0);
        for bit in (0..whole.len()).map(|byte| 8 * byte + byte % 8) {
            let mut damaged = whole.clone();
            damaged[bit / 8] ^= 1 << (bit % 8);
            let (data, _root) = opened(&damaged);
            let Ok(data) = data else {
                refused += 1;
                continue;
            };
            let got: Vec<_> = (0..12).map(|index| data.image(index)).collect();
            let bad: Vec<_> = got.iter().filter_map(|image| image.as_ref().err()).collect();
            assert_eq!(bad, ["is damaged: its checksum is wrong"], "bit {bit}");
            assert!(
                got.iter()
                    .zip(&want)
                    .all(|(got, want)| got.is_err() || got.as_ref() == Ok(want))
            );
            skipped += 1;
        }
        assert!(refused > 12 * 33 && skipped > 12 * 36, "{refused} {skipped}");
    }
}

/// `whole`, its index changed and its checksums made right again.
fn forged(whole: &[u8], change: impl FnOnce(&mut Vec<u8>, &mut [u8])) -> Vec<u8> {
    let (rest, tail) = whole.split_at(whole.len() - TAIL);
    let mut tail = tail.to_vec();
    let start = u64::from_le_bytes(tail[..8].try_into().unwrap()) as usize;
    let (images, index) = rest.split_at(start);
    let mut index = index.to_vec();
    change(&mut index, &mut tail);
    let sum = |bytes: &[u8]| {
        crc::Crc::<u32>::new(&crc::CRC_32_ISO_HDLC)
            .checksum(bytes)
            .to_le_bytes()
    };
    tail[16..20].copy_from_slice(&sum(&index));
    let whole = sum(&tail[..20]);
    tail[20..].copy_from_slice(&whole);
    [images, &index, &tail].concat()
}

/// Right checksums over lies: nothing panics, nothing large is asked for.
#[test]
fn a_hostile_index_is_refused() {
    let root = folder((0..3).map(|i| (format!("{i}.png"), written(&picture(5, 4), ImageFormat::Png))));
    let whole = packed(root.path(), Scale::Full, Encoding::Pixels).unwrap();
    let at = |field: usize, bytes: &'static [u8]| {
        move |index: &mut Vec<u8>, _: &mut [u8]| index[field..field + bytes.len()].copy_from_slice(bytes)
    };
    let tail = |field: usize, number: u64| {
        move |_: &mut Vec<u8>, tail: &mut [u8]| tail[field..field + 8].copy_from_slice(&number.to_le_bytes())
    };
    type Lie = Box<dyn FnOnce(&mut Vec<u8>, &mut [u8])>;
    let lies: [(Lie, &str); 16] = [
        (Box::new(at(0, &[9])), "cannot be read"),             // a form that is none
        (Box::new(at(1, &[0xff; 4])), "cannot be read"),       // a name of 4 GiB
        (Box::new(at(5, &[0xff; 8])), "where none can be"),    // 2^64 pixels
        (Box::new(at(5, &[0, 0, 0, 0])), "where none can be"), // no width
        (Box::new(at(5, &[6])), "where none can be"),          // another width
        (Box::new(at(13, &[0xff; 8])), "where none can be"),   // past the end, by addition beyond 64 bits
        (Box::new(at(13, &[0; 8])), "where none can be"),      // in the head
        (Box::new(at(13, &[200])), "where none can be"),       // into the index
        (Box::new(at(21, &[0xff; 8])), "where none can be"),   // a length beyond 64 bits
        (Box::new(|index, _| index.truncate(40)), "cannot be read"), // half a line
        (Box::new(|index, _| index.extend([0; 20])), "cannot be read"), // a line too many
        (Box::new(|index, _| index.rotate_left(33 + 5)), "out of order"),
        (Box::new(|index, _| index.copy_within(..38, 38)), "out of order"), // a name twice
        (Box::new(tail(0, u64::MAX)), "lies outside of it"),
        (Box::new(tail(0, 3)), "lies outside of it"),
        (Box::new(tail(8, 4)), "not as many images as it says"),
    ];
    for (number, (lie, why)) in lies.into_iter().enumerate() {
        let (data, _root) = opened(&forged(&whole, lie));
        let text = data.map(|_| ()).unwrap_err().to_string();
        assert!(text.contains(why), "{number}: {text}");
    }
    // Larger than any that is written: a sparse file has it without taking room.
    let place = tempfile::tempdir().unwrap();
    let path = place.path().join("large.ijepa-pack");
    let large = forged(&whole, |_, tail| tail[..8].copy_from_slice(&16u64.to_le_bytes()));
    let (start, end) = large.split_at(large.len() - TAIL);
    let mut file = fs::File::create(&path).unwrap();
    file.write_all(start).unwrap();
    file.seek(SeekFrom::Current(3 << 30)).unwrap();
    file.write_all(end).unwrap();
    let text = open(&path, Train).map(|_| ()).unwrap_err().to_string();
    assert!(text.contains("larger than any that is written"), "{text}");
}

#[test]
fn other_versions_and_limits_are_told() {
    let root = folder((0..12).map(|i| (format!("{i:02}.png"), written(&picture(4, 30 + i), ImageFormat::Png))));
    let whole = packed(root.path(), Scale::Full, Encoding::Pixels).unwrap();
    let mut newer = whole.clone();
    newer[12] = 2;
    let text = opened(&newer).0.map(|_| ()).unwrap_err().to_string();
    assert!(
        text.contains("version 2, and this ijepa reads version 1: pack the images again"),
        "{text}"
    );
    // The limit of pixels holds for what is packed, too.
    let (_, place) = opened(&whole);
    let path = place.path().join("a.ijepa-pack");
    let data = Dataset::open(path.to_str().unwrap(), Train, 0, 4 * 40).unwrap();
    assert!(data.image(10).is_ok());
    assert_eq!(
        data.image(11).unwrap_err(),
        "claims 4x41 pixels, more than the limit of 160"
    );
}

#[test]
fn what_has_no_images_is_not_packed() {
    let words = folder([("a.txt", b"words".to_vec())]);
    let rubbish = folder((0..12).map(|i| {
        (
            format!("{i}.png"),
            if i < 2 {
                b"words".to_vec()
            } else {
                written(&picture(4, 4), ImageFormat::Png)
            },
        )
    }));
    let said = |path: &Path| packed(path, Scale::Full, Encoding::Pixels).map(|_| ()).unwrap_err();
    assert!(matches!(said(words.path()), Error::Usage(text) if text.contains("none of its 1 files is one")));
    assert!(matches!(said(rubbish.path()), Error::Run(text) if text.contains("2 of the 12 files")));
    assert!(matches!(said(Path::new("generated:glyphs")), Error::Usage(text) if text.contains("nothing to pack")));
    let stopped = Source::open(photos().path().to_str().unwrap(), MAX_PIXELS);
    let stopped = stopped
        .unwrap()
        .pack(Scale::Full, Encoding::Pixels, &AtomicBool::new(true), |_, _| Ok(()));
    assert!(stopped.unwrap_err().to_string().contains("stopped before"));
}
