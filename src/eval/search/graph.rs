//! An approximate index: the HNSW graph (Malkov and Yashunin 2016) of the crate `instant-distance`.

use super::index::{Hit, dot};
use instant_distance::{Builder, Hnsw, Point, Search};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::sync::Arc;

/// Candidates that are kept while a point is put in.
const CONSTRUCTION: usize = 100;
/// Candidates that are kept in a search; with them come no more hits than that.
pub const SEARCH: usize = 200;
/// A point whose image is no longer there.
pub const GONE: u32 = u32::MAX;

/// A row of length 1, shared by the graph and who lists the rows.
#[derive(Clone)]
pub struct Vector(pub Arc<[f32]>);

impl Point for Vector {
    fn distance(&self, other: &Self) -> f32 {
        1.0 - dot(&self.0, &other.0)
    }
}

impl Serialize for Vector {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        let bytes: Vec<u8> = self.0.iter().flat_map(|value| value.to_le_bytes()).collect();
        to.serialize_bytes(&bytes)
    }
}

impl<'de> Deserialize<'de> for Vector {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        let bytes = <&[u8]>::deserialize(from)?;
        let value = |four: &[u8]| f32::from_le_bytes([four[0], four[1], four[2], four[3]]);
        Ok(Vector(bytes.chunks_exact(4).map(value).collect()))
    }
}

/// The graph over the rows that were there when it was made.
pub struct Graph {
    hnsw: Hnsw<Vector>,
    /// Of each point the row that it is, or [`GONE`].
    rows: Vec<u32>,
    /// How many are not gone; rows below this number are in the graph, those from it on came later.
    there: usize,
}

impl Graph {
    /// Takes seconds to minutes: see `benches/RESULTS.md`.
    pub fn build(rows: &[Vector]) -> Graph {
        // The paper's heuristic choice of neighbours takes five times as long, and finds half a per cent more (20,000 rows of 96).
        let builder = Builder::default().seed(0).select_heuristic(None);
        let builder = builder.ef_construction(CONSTRUCTION).ef_search(SEARCH);
        let (hnsw, points) = builder.build_hnsw(rows.to_vec());
        let mut of = vec![GONE; rows.len()];
        for (row, point) in points.into_iter().enumerate() {
            of[point.into_inner() as usize] = row as u32;
        }
        let there = rows.len();
        Graph { hnsw, rows: of, there }
    }

    /// The rows nearest to `row`, of those that are still there: at most [`SEARCH`], the nearest first.
    pub fn nearest(&self, row: &[f32]) -> Vec<Hit> {
        let mut search = Search::default();
        let found = self.hnsw.search(&Vector(row.into()), &mut search);
        let hits = found.map(|item| (self.rows[item.pid.into_inner() as usize], 1.0 - item.distance));
        let there = hits.filter(|(row, _)| *row != GONE);
        there
            .map(|(row, cosine)| Hit {
                image: row as usize,
                cosine,
            })
            .collect()
    }

    /// Of each point the row that it is, or [`GONE`].
    pub fn rows(&self) -> &[u32] {
        &self.rows
    }

    /// How many are not gone; rows below this number are in the graph, those from it on came later.
    pub fn there(&self) -> usize {
        self.there
    }

    /// Rows got other numbers in the same order, or are [`GONE`].
    pub fn renumber(&mut self, new: impl Fn(u32) -> u32) {
        for row in self.rows.iter_mut().filter(|row| **row != GONE) {
            *row = new(*row);
            self.there -= usize::from(*row == GONE);
        }
    }

    /// As bytes; the vectors are in them.
    pub fn write(&self, to: &mut impl std::io::Write) -> std::io::Result<()> {
        postcard::to_io(&self.hnsw, to)
            .map(|_| ())
            .map_err(std::io::Error::other)
    }

    /// The graph again, with the rows of its points as they were, and these rows' vectors; `None` where that can't be.
    pub fn read(bytes: &[u8], rows: Vec<u32>) -> Option<(Graph, Vec<Vector>)> {
        let hnsw: Hnsw<Vector> = postcard::from_bytes(bytes).ok()?;
        let there = rows.iter().filter(|row| **row != GONE).count();
        let mut vectors: Vec<Option<Vector>> = vec![None; there];
        let points = hnsw.iter().count();
        for ((_, vector), &row) in hnsw.iter().zip(&rows).filter(|(_, row)| **row != GONE) {
            *vectors.get_mut(row as usize)? = Some(vector.clone());
        }
        let vectors: Option<Vec<Vector>> = vectors.into_iter().collect();
        (points == rows.len()).then_some((Graph { hnsw, rows, there }, vectors?))
    }
}
