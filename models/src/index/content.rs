//! Content similarity: an inverted index of attribute tokens, for items without sales.
//!
//! Section `content`: one row per token in byte order; `token`, a prefix for its kind and the text (`t:` a
//! word of the title, or two neighboring characters in scripts without spaces; `c:` a step of the
//! category path with all above it; `b:` the brand; `m:` the merchant; `p:` and `q:` price bands, half an
//! octave wide and half a band apart), and `items`, a list of `{item}`, rising. Section
//! `content_lookup` finds a token's row.

use std::sync::Arc;

use arrow_array::{ArrayRef, RecordBatch, UInt32Array};
use arrow_buffer::{OffsetBuffer, ScalarBuffer};
use rustc_hash::FxHashMap;

use crate::error::Result;
use crate::ids::{ItemIx, MAX_ID_BYTES, Vocabulary};
use crate::index::catalog::{Catalog, Text};
use crate::kernels::topk::TopK;
use crate::storage::section::{self, Section};

/// The sections' names.
pub const SECTION: &str = "content";
/// See [`Vocabulary`].
pub const LOOKUP: &str = "content_lookup";
/// Most entries of lists that one search walks, the rarest tokens first.
const MAX_WALK: usize = 1 << 18;
/// Tokens kept of one title.
const MAX_TITLE_TOKENS: usize = 64;

/// Attributes of an item without sales; an unknown text is empty.
#[derive(Debug, Clone, Copy, Default)]
pub struct Description<'a> {
    /// As shown to people.
    pub title: &'a str,
    /// A path `a/b/c`.
    pub category: &'a str,
    /// The brand's name.
    pub brand: &'a str,
    /// The seller.
    pub merchant_id: &'a str,
    /// Price in whole units of the currency. Only the ratio of prices counts, so that a float will do.
    pub price: Option<f64>,
}

/// Items by token, searched by cosine over inverse item frequency (Salton & Buckley 1988).
#[derive(Debug, Clone)]
pub struct Content {
    tokens: Vocabulary,
    offsets: OffsetBuffer<i32>,
    items: ScalarBuffer<u32>,
    /// Length of every item's weighted tokens; derived.
    norms: Vec<f32>,
}

impl<'a> Description<'a> {
    /// The attributes of `item` in the catalog.
    pub fn of(catalog: &'a Catalog, item: ItemIx) -> Self {
        let text = |text| catalog.text(item, text).unwrap_or_default();
        Self {
            title: text(Text::Title),
            category: text(Text::Category),
            brand: text(Text::Brand),
            merchant_id: text(Text::MerchantId),
            price: catalog.price(item).map(|price| catalog.currency().units(price)),
        }
    }

    /// Distinct, in byte order.
    fn tokens(&self) -> Vec<String> {
        let mut tokens = Vec::new();
        words(self.title, &mut tokens);
        tokens.truncate(MAX_TITLE_TOKENS);
        for (end, _) in self.category.match_indices('/').chain([(self.category.len(), "")]) {
            tokens.push(format!("c:{}", &self.category[..end]));
        }
        tokens.push(format!("b:{}", self.brand.to_lowercase()));
        tokens.push(format!("m:{}", self.merchant_id));
        if let Some(price) = self.price.filter(|p| *p > 0.0 && p.is_finite()) {
            let octave = 2.0 * (price as f32).log2();
            tokens.extend([format!("p:{}", octave.floor()), format!("q:{}", (octave + 0.5).floor())]);
        }
        tokens.retain(|token| token.len() > 2);
        for token in &mut tokens {
            let end = (0..=token.len().min(MAX_ID_BYTES)).rev().find(|&end| token.is_char_boundary(end));
            token.truncate(end.unwrap_or(0));
        }
        tokens.sort_unstable();
        tokens.dedup();
        tokens
    }
}

/// Words of letters and digits in lower case; for scripts without spaces between words, pairs of characters.
fn words(title: &str, tokens: &mut Vec<String>) {
    for run in title.split(|c: char| !c.is_alphanumeric()).filter(|run| !run.is_empty()) {
        if run.is_ascii() || !run.chars().any(is_unparted) {
            tokens.push(format!("t:{}", run.to_lowercase()));
            continue;
        }
        let characters: Vec<char> = run.chars().collect();
        match characters[..] {
            [one] => tokens.push(format!("t:{one}")),
            _ => tokens.extend(characters.windows(2).map(|pair| format!("t:{}{}", pair[0], pair[1]))),
        }
    }
}

/// Han, kana, Hangul, Thai and their neighbors.
fn is_unparted(c: char) -> bool {
    matches!(u32::from(c), 0x0E00..=0x0EFF | 0x3040..=0x30FF | 0x3400..=0x9FFF | 0xAC00..=0xD7AF | 0x20000..=0x3FFFF)
}

impl Content {
    /// From the first `n_items` items of a catalog.
    pub fn new(catalog: &Catalog, n_items: usize) -> Result<Self> {
        let mut by_token: FxHashMap<String, Vec<ItemIx>> = FxHashMap::default();
        for item in 0..n_items as ItemIx {
            for token in Description::of(catalog, item).tokens() {
                by_token.entry(token).or_default().push(item);
            }
        }
        // A token of a single item gives no similarity.
        let mut rows: Vec<(String, Vec<ItemIx>)> =
            by_token.into_iter().filter(|(_, i)| i.len() > 1).collect();
        rows.sort_unstable();
        let tokens: Vec<&str> = rows.iter().map(|(token, _)| token.as_str()).collect();
        let offsets = section::offsets(SECTION, rows.iter().map(|(_, items)| items.len()))?;
        let items = rows.iter().flat_map(|(_, items)| items.iter().copied()).collect();
        Ok(Self::assemble(Vocabulary::new(&tokens)?, offsets, items, n_items))
    }

    fn assemble(
        tokens: Vocabulary,
        offsets: OffsetBuffer<i32>,
        items: ScalarBuffer<u32>,
        n_items: usize,
    ) -> Self {
        let mut content = Self { tokens, offsets, items, norms: vec![0.0; n_items] };
        let mut squares = vec![0.0f32; n_items];
        for token in 0..content.tokens.len() as u32 {
            let weight = content.weight(token);
            content.of(token).iter().for_each(|&item| squares[item as usize] += weight * weight);
        }
        content.norms = squares.into_iter().map(f32::sqrt).collect();
        content
    }

    fn of(&self, token: u32) -> &[ItemIx] {
        &self.items[section::range(&self.offsets, token)]
    }

    /// The weight of every token and its items, in ascending order; tokens in byte order. Used by a learner that
    /// compares all items with each other.
    pub fn postings(&self) -> impl Iterator<Item = (f32, &[ItemIx])> {
        (0..self.tokens.len() as u32).map(|token| (self.weight(token), self.of(token)))
    }

    /// `ln(1 + items / items with the token)`.
    fn weight(&self, token: u32) -> f32 {
        (1.0 + self.norms.len() as f32 / self.of(token).len().max(1) as f32).ln()
    }

    /// The `count` items most similar to a description for which `wanted` is true, best first, with their cosine, above
    /// 0 and up to 1.
    pub fn similar(
        &self,
        description: &Description<'_>,
        count: usize,
        wanted: impl Fn(ItemIx) -> bool,
    ) -> Vec<(ItemIx, f32)> {
        let mut known: Vec<(f32, u32)> = description
            .tokens()
            .iter()
            .filter_map(|token| self.tokens.ix(token))
            .map(|token| (self.weight(token), token))
            .collect();
        known.sort_by(|a, b| b.0.total_cmp(&a.0).then(a.1.cmp(&b.1)));
        let length = known.iter().map(|(weight, _)| weight * weight).sum::<f32>().sqrt();
        let (mut shared, mut walked): (FxHashMap<ItemIx, f32>, usize) = (FxHashMap::default(), 0);
        for (weight, token) in known {
            walked += self.of(token).len();
            if walked > MAX_WALK {
                break;
            }
            for &item in self.of(token) {
                *shared.entry(item).or_default() += weight * weight;
            }
        }
        let mut top = TopK::new(count);
        for (item, products) in shared {
            if wanted(item) {
                top.push(item, products / (length * self.norms[item as usize]));
            }
        }
        top.into_sorted().iter().map(|s| (s.ix, s.score.min(1.0))).collect()
    }

    pub(crate) fn batch(&self) -> Result<RecordBatch> {
        let items = vec![("item", Arc::new(UInt32Array::new(self.items.clone(), None)) as ArrayRef)];
        let lists = section::list_column(SECTION, &self.offsets, items)?;
        section::batch(SECTION, vec![("token", self.tokens.id_column()), ("items", lists)])
    }

    pub(crate) fn lookup_batch(&self) -> Result<RecordBatch> {
        self.tokens.lookup_batch()
    }

    pub(crate) fn open(section: &Section, lookup: &Section, n_items: usize) -> Result<Self> {
        let tokens = Vocabulary::open(section, "token", lookup)?;
        let lists = section.lists("items")?;
        let items = lists.indices("item", n_items)?;
        Ok(Self::assemble(tokens, lists.offsets, items, n_items))
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]
    use super::*;
    use crate::index::catalog::Attributes;
    use qianmian_money::{Currency, Money};

    fn catalog() -> Catalog {
        let item = |title: &str, category: &str, fen: i64| {
            let mut attributes = Attributes { price: Money::new(fen), ..Attributes::default() };
            *attributes.text_mut(Text::Title) = title.to_owned();
            *attributes.text_mut(Text::Category) = category.to_owned();
            attributes
        };
        let items = [
            item("Red ceramic mug", "home/kitchen", 900),
            item("Blue ceramic MUG", "home/kitchen", 950),
            item("Garden hose 20m", "garden", 3_000),
            item("有机大米 5kg", "食品/粮油", 4_900),
            item("东北大米10kg", "食品/粮油", 7_900),
            item("garden gnome", "garden", 3_000),
        ];
        Catalog::new(&items, Currency::default()).unwrap()
    }

    #[test]
    fn goods_are_like_those_of_their_words_category_and_price() {
        let content = Content::new(&catalog(), 6).unwrap();
        let like = |title, category, price| {
            let goods = Description { title, category, price, ..Description::default() };
            content.similar(&goods, 2, |_| true).iter().map(|(item, _)| *item).collect::<Vec<_>>()
        };
        assert_eq!(like("green mug, ceramic", "", None), [0, 1]);
        assert_eq!(like("五常大米", "食品", Some(50.0)), [3, 4]);
        assert_eq!(like("", "garden/tools", Some(29.0)), [2, 5]);
        assert!(like("nothing known", "x", None).is_empty());
        let own = content.similar(&Description::of(&catalog(), 2), 1, |_| true);
        assert!(own[0].0 == 2 && (0.99..=1.0).contains(&own[0].1), "{own:?}");
        let other = content.similar(&Description::of(&catalog(), 2), 1, |item| item != 2);
        assert_eq!(other[0].0, 5);
    }

    #[test]
    fn long_tokens_are_cut_between_characters() {
        let content = Content::new(&catalog(), 6).unwrap();
        let (rows, lookup) = (content.batch().unwrap(), content.lookup_batch().unwrap());
        let open = |n| {
            Content::open(
                &Section::in_memory(SECTION, rows.clone()),
                &Section::in_memory(LOOKUP, lookup.clone()),
                n,
            )
        };
        assert_eq!(open(6).unwrap().norms, content.norms);
        assert!(open(5).is_err());
        let brand = "牌".repeat(200);
        let goods = Description { brand: &brand, ..Description::default() };
        assert!(goods.tokens().iter().all(|t| t.len() <= MAX_ID_BYTES));
    }
}
