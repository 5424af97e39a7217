//! The users and items of calls: read from a file, drawn with a Zipf distribution over their order, so that a file
//! sorted by popularity gives realistic traffic. A draw is one bisection.

use std::path::Path;

use anyhow::{Context, bail};
use rand::{Rng, RngExt};

/// A non-empty list of ids with their weights in the draw.
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

    /// Draws `n` different ids, or all of them if there are no more.
    pub fn draw_distinct(&self, n: usize, rng: &mut impl Rng) -> Vec<&str> {
        let mut drawn: Vec<usize> = Vec::with_capacity(n);
        while drawn.len() < n.min(self.ids.len()) {
            let mut index = self.draw_index(rng);
            // The next free id instead of another draw: bounded work even if one id has all the weight.
            while drawn.contains(&index) {
                index = (index + 1) % self.ids.len();
            }
            drawn.push(index);
        }
        drawn.into_iter().map(|index| self.ids[index].as_str()).collect()
    }

    fn draw_index(&self, rng: &mut impl Rng) -> usize {
        let total = self.cumulative[self.cumulative.len() - 1];
        let mark = rng.random::<f64>() * total;
        // Rounding may put the mark on the total itself, above all weights.
        self.cumulative.partition_point(|upper| *upper <= mark).min(self.ids.len() - 1)
    }
}

/// Reads one id per line, as plain text or as a JSON string; blank lines, white space around an id and a byte order
/// mark are left out. `qianmian-trainer inspect --examples` writes such files.
///
/// # Errors
/// The file cannot be read, is not UTF-8, holds no id, or a line that begins with a quotation mark is not a JSON
/// string; the message names the file and the line.
pub fn read(path: &Path) -> anyhow::Result<Vec<String>> {
    let text =
        std::fs::read_to_string(path).with_context(|| format!("cannot read ids from {}", path.display()))?;
    let text = text.strip_prefix('\u{feff}').unwrap_or(&text);
    let mut ids = Vec::new();
    for (n, line) in text.lines().map(str::trim).enumerate().filter(|(_, line)| !line.is_empty()) {
        let id = if line.starts_with('"') {
            serde_json::from_str(line).with_context(|| {
                format!("{}:{}: a line that begins with \" must be one JSON string", path.display(), n + 1)
            })?
        } else {
            line.to_owned()
        };
        ids.push(id);
    }
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
    fn draws_follow_the_zipf_distribution() {
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
    fn distinct_draws_never_repeat_an_id() {
        let mut rng = ChaCha8Rng::seed_from_u64(5);
        let three = ids(3, 5.0);
        for _ in 0..1_000 {
            let mut drawn = three.draw_distinct(2, &mut rng);
            drawn.dedup();
            assert_eq!(drawn.len(), 2);
        }
        let mut all = three.draw_distinct(9, &mut rng);
        all.sort_unstable();
        assert_eq!(all, ["0", "1", "2"]);
    }

    #[test]
    fn ids_are_read_as_text_and_as_json_strings() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("ids.txt");
        let read_text = |text: &str| {
            std::fs::write(&path, text).unwrap();
            read(&path).map_err(|error| format!("{error:#}"))
        };
        assert_eq!(read_text("\u{feff}a b\r\n\n  牙刷 \n").unwrap(), ["a b", "牙刷"]);
        assert_eq!(read_text("\"a\\n\\\"b\"\nc\n").unwrap(), ["a\n\"b", "c"]);
        assert!(read_text("\n \n").unwrap_err().contains("holds no ids"));
        let broken = read_text("a\n\n\"b\n").unwrap_err();
        assert!(broken.contains("ids.txt:3:"), "{broken}");
    }
}
