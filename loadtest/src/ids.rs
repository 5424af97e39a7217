//! The users and items that requests are about: read from a file, drawn with a Zipf distribution
//! over their order, so that a file sorted by popularity gives lifelike traffic.

use std::path::Path;

use anyhow::{Context, bail};
use rand::{Rng, RngExt};

/// A non-empty list of ids with the weights that they are drawn by.
pub struct Ids {
    ids: Vec<String>,
    /// Cumulative weights, ascending; the last one is the total.
    cumulative: Vec<f64>,
}

impl Ids {
    /// Id number `r` (from 1) is drawn with a weight of `1 / r^exponent`; an exponent of 0 draws
    /// evenly. `None` when there are no ids.
    pub fn new(ids: Vec<String>, exponent: f64) -> Option<Self> {
        let mut total = 0.0;
        let cumulative = (1..=ids.len())
            .map(|rank| {
                total += (rank as f64).powf(-exponent);
                total
            })
            .collect();
        (!ids.is_empty()).then_some(Self { ids, cumulative })
    }

    /// Draws one id.
    pub fn draw(&self, rng: &mut impl Rng) -> &str {
        &self.ids[self.draw_index(rng)]
    }

    /// Draws two ids that differ, or the only one when there is just one.
    pub fn draw_pair(&self, rng: &mut impl Rng) -> Vec<&str> {
        let first = self.draw_index(rng);
        if self.ids.len() == 1 {
            return vec![&self.ids[first]];
        }
        let second = self.draw_index(rng);
        let second = if second == first { (first + 1) % self.ids.len() } else { second };
        vec![&self.ids[first], &self.ids[second]]
    }

    fn draw_index(&self, rng: &mut impl Rng) -> usize {
        let total = self.cumulative[self.cumulative.len() - 1];
        let mark = rng.random::<f64>() * total;
        // Rounding may put the mark on the total itself, which no weight lies above.
        self.cumulative.partition_point(|upper| *upper <= mark).min(self.ids.len() - 1)
    }
}

/// Reads one id a line; blank lines, white space around an id and a byte order mark are left out.
///
/// # Errors
/// The file cannot be read, is not UTF-8, or holds no id; the message names it.
pub fn read(path: &Path) -> anyhow::Result<Vec<String>> {
    let text =
        std::fs::read_to_string(path).with_context(|| format!("cannot read ids from {}", path.display()))?;
    let text = text.strip_prefix('\u{feff}').unwrap_or(&text);
    let ids: Vec<String> =
        text.lines().map(str::trim).filter(|id| !id.is_empty()).map(str::to_owned).collect();
    if ids.is_empty() {
        bail!("{} holds no ids; give one id a line", path.display());
    }
    Ok(ids)
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]
    use rand::SeedableRng;
    use rand_chacha::ChaCha8Rng;

    use super::*;

    fn ids(n: usize, exponent: f64) -> Ids {
        Ids::new((0..n).map(|ix| ix.to_string()).collect(), exponent).unwrap()
    }

    fn shares(ids: &Ids, draws: usize) -> Vec<f64> {
        let mut rng = ChaCha8Rng::seed_from_u64(3);
        let mut counts = vec![0.0; ids.ids.len()];
        for _ in 0..draws {
            counts[ids.draw_index(&mut rng)] += 1.0 / draws as f64;
        }
        counts
    }

    #[test]
    fn the_first_ids_are_drawn_as_often_as_zipf_says() {
        let shares = shares(&ids(100, 1.0), 200_000);
        let harmonic: f64 = (1..=100).map(|rank| 1.0 / f64::from(rank)).sum();
        for rank in [1, 2, 5, 20] {
            let want = 1.0 / rank as f64 / harmonic;
            assert!(
                (shares[rank - 1] - want).abs() < 0.1 * want,
                "rank {rank}: {} of {want}",
                shares[rank - 1]
            );
        }
    }

    #[test]
    fn an_exponent_of_zero_draws_evenly() {
        for share in shares(&ids(10, 0.0), 100_000) {
            assert!((share - 0.1).abs() < 0.01, "{share}");
        }
    }

    #[test]
    fn a_pair_never_repeats_an_id() {
        let mut rng = ChaCha8Rng::seed_from_u64(5);
        let (two, one) = (ids(2, 3.0), ids(1, 1.0));
        for _ in 0..1_000 {
            let pair = two.draw_pair(&mut rng);
            assert_ne!(pair[0], pair[1]);
        }
        assert_eq!(one.draw_pair(&mut rng), ["0"]);
    }

    #[test]
    fn blank_lines_line_ends_and_the_byte_order_mark_are_not_part_of_an_id() {
        let path = std::env::temp_dir().join(format!("qianmian-loadtest-ids-{}", std::process::id()));
        std::fs::write(&path, "\u{feff}a b\r\n\n  牙刷 \n").unwrap();
        let read_back = read(&path);
        std::fs::write(&path, "\n \n").unwrap();
        let empty = read(&path).unwrap_err().to_string();
        std::fs::remove_file(&path).unwrap();
        assert_eq!(read_back.unwrap(), ["a b", "牙刷"]);
        assert!(empty.contains("holds no ids"), "{empty}");
    }
}
