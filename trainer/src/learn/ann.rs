//! HNSW graphs over vectors, built by hnsw_rs and flattened for the reader in models.
//!
//! One added dimension turns the inner product into a metric (Bachrach et al. 2014): with `m` the length of the longest
//! vector, `[x, sqrt(m^2 - |x|^2)] / m` is a unit vector whose inner product with `[q, 0]` orders rows as `q x` does.
//! Rows are inserted one by one, so a graph is reproducible; that makes building slow.

use hnsw_rs::prelude::{Distance, Hnsw};
use qianmian_models::error::Result;
use qianmian_models::index::ann::{Graph, Links};
use qianmian_models::index::factors::Factors;
use qianmian_models::kernels::simd;

/// Links of a row on every layer above the lowest; on the lowest twice as many (decision 4).
const LINKS: usize = 16;
/// Candidates kept while a row is linked (decision 4).
const EF_CONSTRUCTION: usize = 100;
const MAX_LAYERS: usize = 16;

/// One minus the inner product of unit vectors.
struct Angular;

impl Distance<f32> for Angular {
    fn eval(&self, a: &[f32], b: &[f32]) -> f32 {
        let dot = simd::dispatch(
            #[inline(always)]
            || simd::dot(a, b),
        );
        // hnsw_rs needs distances of at least zero; rounding may leave one slightly below.
        (1.0 - dot).max(0.0)
    }
}

/// The graph of `factors`; `progress` is called for every row.
pub fn learn(section: &str, factors: &Factors, progress: &(dyn Fn(u64) + Sync)) -> Result<Graph> {
    let rows = augmented(factors);
    let dim = factors.dim() + 1;
    let hnsw = Hnsw::<f32, Angular>::new(LINKS, factors.rows(), MAX_LAYERS, EF_CONSTRUCTION, Angular);
    for (ix, row) in rows.chunks_exact(dim).enumerate() {
        hnsw.insert((row, ix));
        progress(1);
    }
    let mut links: Links = vec![Vec::new(); factors.rows()];
    for point in hnsw.get_point_indexation() {
        let mut layers: Vec<Vec<u32>> = point
            .get_neighborhood_id()
            .into_iter()
            .take(usize::from(point.get_point_id().0) + 1)
            .map(|layer| layer.into_iter().map(|n| n.d_id as u32).collect())
            .collect();
        layers.iter_mut().for_each(|layer| layer.dedup());
        links[point.get_origin_id()] = layers;
    }
    Graph::new(section, &links)
}

fn augmented(factors: &Factors) -> Vec<f32> {
    let squares = |ix: u32| factors.row(ix).iter().map(|v| v * v).sum::<f32>();
    let n = factors.rows() as u32;
    let longest = (0..n).map(squares).fold(0.0f32, f32::max).sqrt().max(f32::MIN_POSITIVE);
    let mut rows = Vec::with_capacity((factors.dim() + 1) * n as usize);
    for ix in 0..n {
        rows.extend(factors.row(ix).iter().map(|v| v / longest));
        rows.push((1.0 - squares(ix) / (longest * longest)).max(0.0).sqrt());
    }
    rows
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]
    use super::*;
    use rand::RngExt;
    use rand::SeedableRng;
    use rand_chacha::ChaCha8Rng;

    fn clustered(rows: usize, dim: usize) -> Factors {
        let mut rng = ChaCha8Rng::seed_from_u64(3);
        let centers: Vec<f32> = (0..32 * dim).map(|_| rng.random_range(-1.0..1.0)).collect();
        let mut values = Vec::with_capacity(rows * dim);
        for row in 0..rows {
            let center = &centers[row % 32 * dim..][..dim];
            values.extend(center.iter().map(|c| c + rng.random_range(-0.5f32..0.5)));
        }
        Factors::new(dim, values)
    }

    #[test]
    fn graph_search_finds_what_an_exact_scan_finds() {
        let factors = clustered(3_000, 16);
        let graph = learn("item_graph", &factors, &|_| ()).unwrap();
        let mut hits = 0;
        for query in (0..100u32).map(|n| factors.row(n * 17)) {
            let exact = factors.scan(query, 20);
            let found = graph.search(&factors, query, 20, 100);
            hits += exact.iter().filter(|e| found.iter().any(|f| f.ix == e.ix)).count();
        }
        assert!(hits >= 1_960, "recall@20 {}", hits as f64 / 2_000.0);
    }

    #[test]
    fn a_graph_is_reproducible() {
        let factors = clustered(500, 8);
        let once = learn("item_graph", &factors, &|_| ()).unwrap();
        let twice = learn("item_graph", &factors, &|_| ()).unwrap();
        assert_eq!(format!("{once:?}"), format!("{twice:?}"));
    }
}
