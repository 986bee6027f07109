//! Which weights made something: a digest of an encoder's tensors.

use crate::model::tensors::Tensors;

/// 16 hexadecimal digits of the target encoder's tensors, of the context encoder's where there is no other: names, shapes and
/// bits. A file of another kind that holds the same numbers has the same.
pub fn of_encoder(tensors: &Tensors) -> String {
    let mut names: Vec<(&str, &String)> = names(tensors, "target_encoder.");
    if names.is_empty() {
        names = self::names(tensors, "encoder.");
    }
    names.sort_unstable();
    let mut digest = blake3::Hasher::new();
    for (name, whole) in names {
        let tensor = &tensors[whole];
        digest.update(format!("{name} {:?}\n", tensor.shape).as_bytes());
        digest.update(bytemuck::cast_slice(&tensor.values));
    }
    digest.finalize().to_hex()[..16].to_string()
}

/// Positions are computed where a file has none, so they are not looked at.
fn names<'a>(tensors: &'a Tensors, network: &str) -> Vec<(&'a str, &'a String)> {
    let named = tensors
        .keys()
        .filter_map(|name| Some((name.strip_prefix(network)?, name)));
    named.filter(|(name, _)| *name != "pos_embed").collect()
}
