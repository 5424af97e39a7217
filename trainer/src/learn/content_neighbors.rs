//! Content neighbors: the items most similar to an item by their attributes, for items without sales.
//!
//! The similarity is the cosine over weighted tokens of [`Content`]. It does not depend on sales, so neighbors are
//! searched once and serve every past fold of a training run.
//!
//! The search is exact. It walks an item's posting lists from the rarest token to the most common one and stops as
//! soon as no item outside those found can enter the best `k`: an item that shares only the remaining tokens `R` has
//! a cosine of at most `sqrt(sum of squared weights of R) / length`. The sums of those found are then completed
//! from their own token lists. Items with the same tokens are searched once.

use anyhow::Result;
use qianmian_models::ids::ItemIx;
use qianmian_models::index::content::Content;
use qianmian_models::index::item_lists::ItemLists;
use qianmian_models::index::popularity::Popularity;
use qianmian_models::kernels::topk::TopK;
use rayon::prelude::*;

/// Neighbors of an item without sales (decision 22).
const NEIGHBORS: usize = 50;
/// Most entries of an item's list; an item with sales may be a neighbor of many items without sales (decision 22).
const MAX_ENTRIES: usize = 100;
/// Slack of the bounds; rounding errors of sums of up to 100 numbers in single precision are smaller.
const SLACK: f32 = 1e-4;

/// The most similar items of some items, best first, with the cosine: above 0, up to 1.
pub struct ContentNeighbors {
    /// The neighbors of each item; empty for items that were not searched.
    of: Vec<Vec<(ItemIx, f32)>>,
}

impl ContentNeighbors {
    /// Searches the neighbors of `items` among all `n_items`. `progress` is called with finished items.
    pub fn new(content: &Content, items: &[ItemIx], n_items: usize, progress: &(dyn Fn(u64) + Sync)) -> Self {
        let index = Index::new(content, n_items);
        let mut by_tokens: Vec<ItemIx> = items.to_vec();
        by_tokens.sort_by_key(|&item| (index.tokens(item), item));
        let groups: Vec<&[ItemIx]> =
            by_tokens.chunk_by(|&a, &b| index.tokens(a) == index.tokens(b)).collect();
        let search = |scratch: &mut Scratch, group: &&[ItemIx]| {
            progress(group.len() as u64);
            // One more than needed, since an item finds itself.
            let found = index.nearest(index.tokens(group[0]), NEIGHBORS + 1, scratch);
            let without = |item: ItemIx| -> Vec<(ItemIx, f32)> {
                found.iter().copied().filter(|&(other, _)| other != item).take(NEIGHBORS).collect()
            };
            group.iter().map(|&item| (item, without(item))).collect::<Vec<_>>()
        };
        let found: Vec<_> = groups.par_iter().map_init(|| Scratch::new(n_items), search).collect();
        let mut of = vec![Vec::new(); n_items];
        for (item, neighbors) in found.into_iter().flatten() {
            of[item as usize] = neighbors;
        }
        Self { of }
    }

    /// The neighbors of an item.
    pub fn of(&self, item: ItemIx) -> &[(ItemIx, f32)] {
        &self.of[item as usize]
    }

    /// Lists both ways, best first: for an item without sales its neighbors; for an item with sales the items without
    /// sales that have it as a neighbor. `None` if every item was sold, or if no item without sales has a neighbor. All
    /// items without sales must have been searched.
    pub fn lists(&self, popularity: &Popularity) -> Result<Option<ItemLists>> {
        let is_unsold = |item: ItemIx| popularity.baskets(item) == 0;
        let mut lists: Vec<Vec<(ItemIx, f32)>> = vec![Vec::new(); self.of.len()];
        for (item, neighbors) in (0..).zip(&self.of).filter(|(item, _)| is_unsold(*item)) {
            for &(other, cosine) in neighbors {
                lists[item as usize].push((other, cosine));
                if !is_unsold(other) {
                    lists[other as usize].push((item, cosine));
                }
            }
        }
        if lists.iter().all(Vec::is_empty) {
            return Ok(None);
        }
        for list in &mut lists {
            list.sort_by(|a, b| b.1.total_cmp(&a.1).then(a.0.cmp(&b.0)));
            list.truncate(MAX_ENTRIES);
        }
        Ok(Some(ItemLists::new("content_neighbors", &lists)?))
    }
}

/// Tokens by item and items by token. Tokens are numbered from the rarest, with the largest weight, to the commonest.
struct Index<'a> {
    /// Squared weight of every token.
    squares: Vec<f32>,
    /// Items that have each token.
    items: Vec<&'a [ItemIx]>,
    /// Tokens of every item, ascending, flat; `offsets` has the start of each item.
    tokens: Vec<u32>,
    offsets: Vec<usize>,
    /// Length of every item's weighted tokens.
    norms: Vec<f32>,
}

impl<'a> Index<'a> {
    fn new(content: &'a Content, n_items: usize) -> Self {
        let mut postings: Vec<(f32, &[ItemIx])> = content.postings().collect();
        let mut squared_norms = vec![0.0f32; n_items];
        for (weight, items) in &postings {
            items.iter().for_each(|&item| squared_norms[item as usize] += weight * weight);
        }
        postings.sort_by(|a, b| b.0.total_cmp(&a.0));
        let mut offsets = vec![0usize; n_items + 1];
        let all = || postings.iter().flat_map(|(_, items)| items.iter());
        all().for_each(|&item| offsets[item as usize + 1] += 1);
        (0..n_items).for_each(|item| offsets[item + 1] += offsets[item]);
        let (mut next, mut tokens) = (offsets.clone(), vec![0; offsets[n_items]]);
        for (token, (_, items)) in (0..).zip(&postings) {
            for &item in *items {
                tokens[next[item as usize]] = token;
                next[item as usize] += 1;
            }
        }
        Self {
            squares: postings.iter().map(|(weight, _)| weight * weight).collect(),
            items: postings.iter().map(|(_, items)| *items).collect(),
            tokens,
            offsets,
            norms: squared_norms.into_iter().map(f32::sqrt).collect(),
        }
    }

    fn tokens(&self, item: ItemIx) -> &[u32] {
        &self.tokens[self.offsets[item as usize]..self.offsets[item as usize + 1]]
    }

    /// The `k` items with the largest cosine to an item that has `tokens`, best first.
    fn nearest(&self, tokens: &[u32], k: usize, scratch: &mut Scratch) -> Vec<(ItemIx, f32)> {
        let length = tokens.iter().map(|&token| self.squares[token as usize]).sum::<f32>().sqrt();
        let (walked, least) = self.walk(tokens, length, k, scratch);
        let rest = &tokens[walked..];
        let rest_square: f32 = rest.iter().map(|&token| self.squares[token as usize]).sum();
        let mut top = TopK::new(k);
        for &item in &scratch.touched {
            let (mut sum, norm) = (scratch.sums[item as usize], self.norms[item as usize]);
            if !rest.is_empty() {
                let most = sum + rest_square.min(norm * norm - sum);
                if most * (1.0 + SLACK) < least * length * norm {
                    continue;
                }
                sum = self.completed(sum, rest, self.tokens(item));
            }
            top.push(item, sum / (length * norm));
        }
        scratch.clear();
        top.into_sorted().iter().map(|s| (s.ix, s.score.min(1.0))).collect()
    }

    /// Adds up shared squared weights, token by token, until items not found yet cannot be among the best `k`.
    /// Returns the number of tokens processed and a lower bound of the `k`-th best cosine.
    fn walk(&self, tokens: &[u32], length: f32, k: usize, scratch: &mut Scratch) -> (usize, f32) {
        let mut rest_square: f32 = tokens.iter().map(|&token| self.squares[token as usize]).sum();
        for (n, &token) in tokens.iter().enumerate() {
            let items = self.items[token as usize];
            // Checking the bound costs a pass over the items found, so it is done only if the next token costs more.
            if scratch.touched.len() >= k && items.len() > scratch.touched.len() {
                let least = scratch.kth_best(k, |item, sum| sum / (length * self.norms[item as usize]));
                if least > rest_square.max(0.0).sqrt() / length * (1.0 + SLACK) {
                    return (n, least);
                }
            }
            let square = self.squares[token as usize];
            items.iter().for_each(|&item| scratch.add(item, square));
            rest_square -= square;
        }
        (tokens.len(), 0.0)
    }

    /// `sum` plus the squared weights of the tokens that are in both lists.
    fn completed(&self, mut sum: f32, rest: &[u32], own: &[u32]) -> f32 {
        let mut own = own.iter().peekable();
        for token in rest {
            while own.next_if(|&other| other < token).is_some() {}
            if own.next_if_eq(&token).is_some() {
                sum += self.squares[*token as usize];
            }
        }
        sum
    }
}

/// Sums by item and the items with a sum; one per thread.
struct Scratch {
    sums: Vec<f32>,
    touched: Vec<ItemIx>,
    scores: Vec<f32>,
}

impl Scratch {
    fn new(n_items: usize) -> Self {
        Self { sums: vec![0.0; n_items], touched: Vec::new(), scores: Vec::new() }
    }

    #[inline(always)]
    fn add(&mut self, item: ItemIx, square: f32) {
        let sum = &mut self.sums[item as usize];
        if *sum == 0.0 {
            self.touched.push(item);
        }
        *sum += square;
    }

    /// The `k`-th largest score of the touched items, of which there must be at least `k`.
    fn kth_best(&mut self, k: usize, score: impl Fn(ItemIx, f32) -> f32) -> f32 {
        self.scores.clear();
        self.scores.extend(self.touched.iter().map(|&item| score(item, self.sums[item as usize])));
        *self.scores.select_nth_unstable_by(k - 1, |a, b| b.total_cmp(a)).1
    }

    fn clear(&mut self) {
        self.touched.drain(..).for_each(|item| self.sums[item as usize] = 0.0);
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]
    use super::*;
    use qianmian_models::index::catalog::{Attributes, Catalog, Text};
    use qianmian_models::index::content::Description;
    use qianmian_money::Currency;
    use rand::{RngExt, SeedableRng};
    use rand_chacha::ChaCha8Rng;

    fn titled(title: &str) -> Attributes {
        let mut item = Attributes::default();
        *item.text_mut(Text::Title) = title.to_owned();
        item
    }

    fn lists(catalog: &Catalog, baskets: &[u32]) -> Option<ItemLists> {
        let n_items = baskets.len();
        let content = Content::new(catalog, n_items).unwrap();
        let popularity = Popularity::new(vec![0.0; n_items], Default::default(), baskets.to_vec());
        let items: Vec<ItemIx> = (0..n_items as ItemIx).collect();
        ContentNeighbors::new(&content, &items, n_items, &|_| ()).lists(&popularity).unwrap()
    }

    #[test]
    fn unsold_items_and_their_neighbors_name_each_other() {
        let titles = ["red mug", "red mug large", "green rake", "green rake large"];
        let catalog = Catalog::new(&titles.map(titled), Currency::default()).unwrap();
        let found = lists(&catalog, &[3, 0, 2, 0]).unwrap();
        let of = |item| found.of(item).map(|(other, _)| other).collect::<Vec<_>>();
        assert_eq!((of(0), of(2)), (vec![1], vec![3]));
        assert_eq!(of(1), [0, 3], "the mug with sales, then the other large item");
        assert!(found.of(1).all(|(_, cosine)| cosine > 0.0 && cosine <= 1.0));
        assert!(lists(&catalog, &[1; 4]).is_none());
    }

    /// A catalog in which some words, brands and categories are common and most are rare, with exact duplicates.
    fn random_catalog(n_items: usize, seed: u64) -> Catalog {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        let mut skewed = |n: usize| (rng.random::<f64>().powi(3) * n as f64) as usize;
        let mut items: Vec<Attributes> = Vec::new();
        for n in 0..n_items {
            if n % 7 == 6 {
                items.push(items[n - 3].clone());
                continue;
            }
            let words: Vec<String> =
                (0..1 + skewed(7)).map(|_| format!("word{}", skewed(n_items / 2))).collect();
            let mut item = titled(&words.join(" "));
            if n % 3 > 0 {
                *item.text_mut(Text::Category) = format!("c{}/d{}", skewed(4), skewed(9));
                *item.text_mut(Text::Brand) = format!("brand{}", skewed(30));
            }
            items.push(item);
        }
        Catalog::new(&items, Currency::default()).unwrap()
    }

    #[test]
    fn pruned_search_finds_what_a_full_search_finds() {
        for (n_items, seed) in [(1, 1), (40, 2), (900, 3), (2_500, 4)] {
            let catalog = random_catalog(n_items, seed);
            let content = Content::new(&catalog, n_items).unwrap();
            let items: Vec<ItemIx> = (0..n_items as ItemIx).collect();
            let found = ContentNeighbors::new(&content, &items, n_items, &|_| ());
            for item in items {
                let description = Description::of(&catalog, item);
                let expected = content.similar(&description, NEIGHBORS, |other| other != item);
                assert_eq!(found.of(item), expected, "{item} of {n_items}");
            }
        }
    }
}
