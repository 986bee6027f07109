//! The search index beyond a few images: its graph, what comes and goes, its file.

use ijepa::data::draw::Draw;
use ijepa::eval::search::file::{self, Settings};
use ijepa::eval::search::groups::{Group, grouped, pairs};
use ijepa::eval::search::index::{Index, Item};

const WIDTH: usize = 24;
const ROWS: usize = 3_000;

fn item(i: usize) -> Item {
    Item {
        name: format!("{i}.png"),
        raw: None,
        size: i as u64,
        at: 7,
        digest: format!("{i:032x}"),
    }
}

/// A vector beside one of 40 centres, all of them far from 0.
fn vector(i: usize) -> Vec<f32> {
    let mut centre = Draw::keyed("centre", 0, (i % 40) as u64, 0);
    let mut draw = Draw::keyed("vector", 0, i as u64, 0);
    let value = |_| 5.0 + centre.normals()[0] + 0.3 * draw.normals()[0];
    (0..WIDTH).map(value).map(|value| value as f32).collect()
}

fn index() -> Index {
    let mut index = Index::new(WIDTH);
    (0..ROWS).for_each(|i| index.add(item(i), &vector(i)));
    index.settle();
    assert!(index.has_graph());
    index
}

/// Of the ten nearest of 100 vectors, which share is found.
fn recall(index: &Index) -> f64 {
    let found = (0..100).map(|i| {
        let row = index.query(&vector(100_000 + i));
        let (exact, near) = (index.exact(&row, 10), index.nearest(&row, 10));
        assert!(near.len() == 10 && near.windows(2).all(|two| two[0].cosine >= two[1].cosine));
        exact.iter().filter(|hit| near.contains(hit)).count()
    });
    found.sum::<usize>() as f64 / 1000.0
}

#[test]
fn a_graph_finds_what_comparing_all_finds_while_images_come_and_go() {
    let mut index = index();
    assert!(recall(&index) >= 0.98, "{}", recall(&index));
    // 200 leave and 300 come: the graph stays, and nobody who left is found.
    index.retain(|i| i % 15 != 0);
    (ROWS..ROWS + 300).for_each(|i| index.add(item(i), &vector(i)));
    assert!(!index.is_due() && index.len() == ROWS - 200 + 300);
    assert!(recall(&index) >= 0.98, "{}", recall(&index));
    for i in [1, 1499, ROWS + 299] {
        let hits = index.nearest(&index.query(&vector(i)), 3);
        assert_eq!(index.items()[hits[0].image], item(i));
        assert!(hits[0].cosine > 0.9999);
    }
    let hits = index.nearest(&index.query(&vector(15)), 50);
    assert!(hits.iter().all(|hit| index.items()[hit.image] != item(15)));
    // So many are gone that it is made anew.
    index.retain(|i| i < 2_300);
    assert!(index.is_due());
    index.settle();
    assert!(index.has_graph() && !index.is_due() && index.len() == 2_300);
    assert!(recall(&index) >= 0.98, "{}", recall(&index));
}

/// Rows that are all the same: whatever the graph makes of them, nothing is lost.
#[test]
fn thousands_of_copies_hide_nobody() {
    let mut index = Index::new(WIDTH);
    (0..2_000).for_each(|i| index.add(item(i), &vector(0)));
    (2_000..3_000).for_each(|i| index.add(item(i), &vector(i)));
    index.settle();
    let lost = (2_000..3_000)
        .filter(|&i| index.nearest(index.row(i), 1)[0].cosine < 0.9999)
        .count();
    assert!(lost <= 20, "{lost} of 1000 do not find themselves");
    let mut same = Index::new(WIDTH);
    (0..2_500).for_each(|i| same.add(item(i), &vector(0)));
    same.settle();
    assert_eq!(same.nearest(same.row(0), 5).len(), 5);
}

#[test]
fn a_file_gives_the_same_index_and_one_that_is_damaged_gives_a_sentence() {
    let mut index = index();
    index.retain(|i| i % 15 != 0);
    (ROWS..ROWS + 50).for_each(|i| index.add(item(i), &vector(i)));
    let like = index.row(5).to_vec();
    index.add(item(9_999), &like); // not the same place, but near its like
    let settings: Settings = [("weights".to_string(), "a".to_string())].into();
    let mut bytes = vec![];
    file::write(&index, &settings, &mut bytes).unwrap();
    let place = tempfile::tempdir().unwrap();
    let path = place.path().join("a.ijepa-index");
    assert!(file::read(&path).unwrap().is_none());
    std::fs::write(&path, &bytes).unwrap();
    let (again, texts) = file::read(&path).unwrap().unwrap();
    assert_eq!(
        (again.len(), again.items(), &texts),
        (index.len(), index.items(), &settings)
    );
    for i in [0, 77, 2_800, 2_840] {
        assert_eq!(again.row(i), index.row(i));
        assert_eq!(again.nearest(again.row(i), 20), index.nearest(index.row(i), 20));
    }
    let mut draw = Draw::keyed("damage", 0, 0, 0);
    for i in 0..60 {
        let mut damaged = bytes.clone();
        match i % 3 {
            0 => damaged.truncate(draw.below(bytes.len())),
            1 => damaged[draw.below(bytes.len())] ^= 1 << draw.below(8),
            _ => damaged.insert(draw.below(bytes.len()), 0),
        }
        // With a checksum that is right all the same, as somebody would make it up, anything may be read but a panic.
        let mut signed = damaged.clone();
        if let Some(body) = signed.len().checked_sub(4) {
            let checksum = crc32fast::hash(&signed[..body]).to_le_bytes();
            signed[body..].copy_from_slice(&checksum);
        }
        std::fs::write(&path, &damaged).unwrap();
        let error = file::read(&path)
            .err()
            .unwrap_or_else(|| panic!("damage {i} went unseen"));
        assert_eq!(error.exit_code(), 2);
        std::fs::write(&path, &signed).unwrap();
        if let Ok(Some((made_up, _))) = file::read(&path)
            && !made_up.is_empty()
        {
            let row = made_up.row(0).to_vec();
            assert!(made_up.nearest(&row, 10).len() <= 10);
        }
    }
}

fn duplicates(index: &Index, above: f32) -> Vec<Group> {
    grouped(pairs(index, above, &mut |_, _| {}), index.len())
}

#[test]
fn copies_are_found_in_a_graph_too() {
    let mut index = Index::new(WIDTH);
    (0..ROWS).for_each(|i| index.add(item(i), &vector(i)));
    for i in 0..20 {
        let nearly = vector(100 * i)
            .into_iter()
            .enumerate()
            .map(|(j, value)| value + 0.004 * (j % 3) as f32);
        index.add(item(ROWS + i), &nearly.collect::<Vec<f32>>());
    }
    index.settle();
    let groups = duplicates(&index, 0.9995);
    assert_eq!(groups.len(), 20);
    for group in groups {
        let [a, b] = group.images[..] else { panic!("{group:?}") };
        assert_eq!(b, ROWS + a / 100);
    }
}

/// Less their mean, images that are all the same, or two, have nothing left to be compared by.
#[test]
fn few_images_and_uniform_ones_are_compared_as_they_are() {
    let of = |vectors: &[Vec<f32>]| {
        let mut index = Index::new(WIDTH);
        vectors.iter().enumerate().for_each(|(i, v)| index.add(item(i), v));
        index.settle();
        index
    };
    let nearly: Vec<f32> = vector(1)
        .iter()
        .enumerate()
        .map(|(i, v)| v + 1e-3 * (i % 3) as f32)
        .collect();
    for vectors in [
        vec![vector(1)],
        vec![vector(1), nearly],
        vec![vector(1); 2],
        vec![vector(1); 40],
    ] {
        let index = of(&vectors);
        let hits = index.nearest(&index.query(&vectors[0]), vectors.len());
        assert!(hits.iter().all(|hit| hit.cosine > 0.999), "{hits:?}");
        let groups = duplicates(&index, 0.95);
        assert_eq!(groups.len(), usize::from(vectors.len() > 1));
        assert!(groups.iter().all(|group| group.images.len() == vectors.len()));
    }
    // All of them far from 0, others are about at right angles all the same.
    let index = of(&(0..200).map(vector).collect::<Vec<_>>());
    let cosine = |i: usize| -> f32 { index.row(i).iter().zip(index.row(i + 1)).map(|(a, b)| a * b).sum() };
    let mean = (0..199).map(cosine).sum::<f32>() / 199.0;
    assert!(mean.abs() < 0.2, "{mean}");
}

/// Whatever the encoder makes of them, and though one file has nothing but the mean.
#[test]
fn files_of_the_same_bytes_are_duplicates() {
    let mut index = Index::new(WIDTH);
    (0..30).for_each(|i| index.add(item(i), &vector(i)));
    for (i, far) in [(30, 31), (31, 35)] {
        let digest = item(7).digest;
        index.add(Item { digest, ..item(i) }, &vector(far));
    }
    index.settle();
    let groups = duplicates(&index, 0.9999);
    assert_eq!(groups.len(), 1, "{groups:?}");
    assert_eq!(groups[0].images, [7, 30, 31]);
    assert!(groups[0].pairs.iter().all(|pair| pair.cosine == 1.0));
}

/// Who was stopped has rows less their mean, and the graph is made by the next one, but not again and again.
#[test]
fn what_was_stopped_is_centred_and_gets_its_graph_later() {
    let mut index = Index::new(WIDTH);
    (0..ROWS).for_each(|i| index.add(item(i), &vector(i)));
    index.centre_if_due();
    assert!(!index.has_graph() && index.is_due());
    let mut sums = [0f32; WIDTH];
    (0..ROWS).for_each(|i| index.row(i).iter().zip(&mut sums).for_each(|(x, sum)| *sum += x));
    assert!(sums.iter().all(|sum| sum.abs() < 0.1 * ROWS as f32), "{sums:?}");
    let place = tempfile::tempdir().unwrap();
    let path = place.path().join("a.ijepa-index");
    let again = |index: &Index| {
        let mut bytes = vec![];
        file::write(index, &Settings::new(), &mut bytes).unwrap();
        std::fs::write(&path, &bytes).unwrap();
        file::read(&path).unwrap().unwrap().0
    };
    let mut index = again(&index);
    assert!(index.is_due());
    index.settle();
    assert!(index.has_graph() && !again(&index).is_due());
    let mut few = Index::new(WIDTH);
    (0..20).for_each(|i| few.add(item(i), &vector(i)));
    few.settle();
    assert!(!few.has_graph() && !again(&few).is_due());
}

/// One of 17 GB that is no index is known by its first bytes.
#[cfg(unix)]
#[test]
fn what_is_no_index_is_not_read_to_its_end() {
    let place = tempfile::tempdir().unwrap();
    let path = place.path().join("a.ijepa-index");
    std::fs::File::create(&path).unwrap().set_len(17 << 30).unwrap();
    let error = file::read(&path).err().unwrap().to_string();
    assert!(error.contains("is no index of"), "{error}");
}
