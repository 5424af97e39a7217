//! items -> people, the mirror of [`pipeline`](crate::recommend): the people most likely to buy some items.
//!
//! Retrieval proposes people, the blend shortlists them, and the likelihood models (for people who bought the item
//! before, for people who did not, and for items without sales) give each person's probability to buy within a
//! [horizon](crate::index::likelihood::Horizon). Probabilities are comparable across items.

mod candidates;
pub mod features;

use rustc_hash::{FxHashMap, FxHashSet};
use xxhash_rust::xxh3::{xxh3_64, xxh3_64_with_seed};

use crate::consent::Purpose;
use crate::ids::{ItemIx, UserIx};
use crate::index::purchases::Purchase;
use crate::kernels::topk;
use crate::recommend::candidates::Candidate;
use crate::recommend::score::{self, Ranked};
use crate::source::{Evidence, Source};
use crate::view::View;

use crate::index::likelihood::Features;
pub use candidates::Goods;
use features::ItemFacts;

/// Fewest people of the blend's shortlist.
const MIN_SHORTLIST: usize = 1_000;

/// A change of a person's relation to an item after the end of the training data.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Since {
    /// The item.
    pub item: ItemIx,
    /// The person.
    pub user: UserIx,
    /// Time of the purchase, unix seconds; `None`: they returned it or asked not to see it again.
    pub bought_at: Option<i64>,
}

/// A query for the people most likely to buy some items.
#[derive(Debug, Clone, Default)]
pub struct AudienceQuery {
    /// The items.
    pub items: Vec<ItemIx>,
    /// An item that is not in the catalog; it counts as one more item.
    pub described: Option<Goods>,
    /// Changes since the model was trained, ordered by person. A purchase makes the person a buyer of the item; a
    /// return or a dislike removes them from that item's audience.
    pub since: Vec<Since>,
    /// Leave out people who bought any of the items before.
    pub exclude_buyers: bool,
    /// Length of the answer.
    pub count: usize,
}

impl AudienceQuery {
    /// A plain query for one item.
    pub fn for_item(item: ItemIx, count: usize) -> Self {
        Self { items: vec![item], count, ..Self::default() }
    }
}

/// One person of an audience.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Prospect {
    /// The user.
    pub user: UserIx,
    /// Higher is likelier to buy: the probability, if there is one.
    pub score: f32,
    /// Probability that the user buys within the model's horizon, `0..=1`; with several items, that they buy any of
    /// them. `None` if the model has no likelihood models.
    pub probability: Option<f32>,
    /// The source that contributed most.
    pub source: Source,
    /// Normalized score of each source, `0..=1`.
    pub evidence: Evidence,
    /// Baskets in which the user already bought one of the items; 0 for a new buyer.
    pub bought: u32,
    /// The user's item that contributed most, if there is one.
    pub seed: Option<ItemIx>,
}

/// An audience, with the facts of how it was made.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Audience {
    /// Likeliest first, without duplicates.
    pub people: Vec<Prospect>,
    /// Candidates left out because they do not allow contact.
    pub without_consent: usize,
}

/// At most `query.count` people who allow contact, likeliest first.
pub fn audience(view: View<'_>, query: &AudienceQuery) -> Audience {
    let excluded = match query.exclude_buyers {
        true => {
            let since = query.since.iter().filter(|since| since.bought_at.is_some()).map(|since| since.user);
            candidates::buyers(view, &query.items).into_iter().chain(since).collect()
        }
        false => FxHashSet::default(),
    };
    let n_goods = query.items.len() + usize::from(query.described.is_some());
    // With several items, the last person for one may be the first for all.
    let kept = if n_goods == 1 { query.count } else { usize::MAX };
    let (mut people, mut denied): (Vec<Prospect>, Vec<UserIx>) = Default::default();
    let items = query.items.iter().map(|&item| (Some(item), Goods::of_item(view, item)));
    for (n, (item, goods)) in items.chain(query.described.clone().map(|goods| (None, goods))).enumerate() {
        let since: Vec<Since> =
            query.since.iter().filter(|since| Some(since.item) == item).copied().collect();
        let found = of_goods(view, query, &goods, &since, &excluded, (kept, &mut denied));
        if n == 0 { people = found } else { join(&mut people, found) }
    }
    if n_goods > 1 {
        // Stable: equal scores keep their order.
        people.sort_by(|a, b| b.score.total_cmp(&a.score));
        people.truncate(query.count);
    }
    // Several sources, and several items, may find the same person.
    denied.sort_unstable();
    denied.dedup();
    Audience { people, without_consent: denied.len() }
}

/// True if a user is in the random holdout: `share` (`0..=1`) of all users, chosen by `seed` alone, so that the same
/// call tomorrow holds out the same people.
pub fn holdout(user_id: &str, seed: &str, share: f64) -> bool {
    let lot = xxh3_64_with_seed(user_id.as_bytes(), xxh3_64(seed.as_bytes()));
    (lot as f64) < share * u64::MAX as f64
}

/// Adds the people found for another item.
fn join(people: &mut Vec<Prospect>, found: Vec<Prospect>) {
    let places: FxHashMap<UserIx, usize> = people.iter().enumerate().map(|(n, p)| (p.user, n)).collect();
    for prospect in found {
        match places.get(&prospect.user) {
            Some(&place) => people[place].join(&prospect),
            None => people.push(prospect),
        }
    }
}

/// At most `kept` people for one item, likeliest first; ties in the order of the blend. People who do not allow contact
/// are added to `denied`.
fn of_goods(
    view: View<'_>,
    query: &AudienceQuery,
    goods: &Goods,
    since: &[Since],
    excluded: &FxHashSet<UserIx>,
    (kept, denied): (usize, &mut Vec<UserIx>),
) -> Vec<Prospect> {
    let shortlist = Shortlist::new(view, query, goods, since, excluded, denied);
    let probabilities =
        view.snapshot.likelihood.as_ref().map(|likelihood| likelihood.of(&shortlist.rows(view, goods)));
    let score = |n: usize| probabilities.as_ref().map_or(shortlist.ranked[n].score, |p| p[n]);
    let mut order = topk::order((0..shortlist.ranked.len()).map(score));
    order.truncate(kept);
    let prospect = |place: u32| {
        let (ranked, score) = (&shortlist.ranked[place as usize], score(place as usize));
        Prospect {
            user: ranked.ix,
            score,
            probability: probabilities.is_some().then_some(score),
            source: score::strongest(&ranked.evidence, &view.snapshot.blend.audience),
            evidence: ranked.evidence,
            bought: shortlist.bought(ranked).map_or(0, |p| p.baskets),
            seed: ranked.candidate.seed.map(|(item, _)| item),
        }
    };
    order.into_iter().map(prospect).collect()
}

/// The blend's best people, with their purchases of the item.
struct Shortlist {
    ranked: Vec<Ranked>,
    /// By position among the candidates; the first candidates are the buyers.
    bought: Vec<Purchase>,
}

impl Shortlist {
    fn new(
        view: View<'_>,
        query: &AudienceQuery,
        goods: &Goods,
        since: &[Since],
        excluded: &FxHashSet<UserIx>,
        denied: &mut Vec<UserIx>,
    ) -> Self {
        let mut bought = goods.item.map_or_else(Vec::new, |item| candidates::purchases(view, item, since));
        let against = since.iter().filter(|since| since.bought_at.is_none());
        let against: FxHashSet<UserIx> = against.map(|since| since.user).collect();
        let mut stays = |user: UserIx| {
            let wanted = !excluded.contains(&user) && !against.contains(&user);
            let allows = view.allows(Purpose::Contact, user);
            if wanted && !allows {
                denied.push(user);
            }
            wanted && allows
        };
        // Filtered before candidates are collected, so that the first candidates are still the buyers.
        bought.retain(|purchase| stays(purchase.ix));
        let wanted = (2 * query.count).max(MIN_SHORTLIST);
        let ranked = candidates::with(view, query, goods, &bought, |found| {
            if view.consents.is_some() || !(excluded.is_empty() && against.is_empty()) {
                found.retain(|(user, _)| stays(*user));
            }
            score::top(found, &view.snapshot.blend.audience, wanted)
        });
        Self { ranked, bought }
    }

    fn bought(&self, ranked: &Ranked) -> Option<Purchase> {
        self.bought.get(ranked.position as usize).copied()
    }

    fn rows(&self, view: View<'_>, goods: &Goods) -> Vec<Features> {
        let item = ItemFacts::new(view, goods.item);
        let row =
            |r: &Ranked| features::row(view, &item, r.ix, &r.candidate, &r.evidence, r.score, self.bought(r));
        self.ranked.iter().map(row).collect()
    }
}

/// The input of ranking: all candidates, each source's scores divided by its best. Used to train the blend.
pub fn evidence(view: View<'_>, query: &AudienceQuery) -> Vec<(UserIx, Candidate)> {
    let of = |&item: &ItemIx| {
        let goods = Goods::of_item(view, item);
        let bought = goods.item.map_or_else(Vec::new, |item| candidates::purchases(view, item, &[]));
        candidates::with(view, query, &goods, &bought, std::mem::take)
    };
    score::normalized(query.items.iter().flat_map(of).collect())
}

/// The likelihood features of the blend's shortlist, at least `query.count` people if there are as many candidates.
/// Used for training.
pub fn rows(view: View<'_>, query: &AudienceQuery, goods: &Goods) -> Vec<(UserIx, Features)> {
    let shortlist = Shortlist::new(view, query, goods, &[], &FxHashSet::default(), &mut Vec::new());
    let rows = shortlist.rows(view, goods);
    shortlist.ranked.iter().map(|r| r.ix).zip(rows).collect()
}

impl Prospect {
    /// Adds the result for another item: the probability that they buy any of them, assuming independent purchases.
    fn join(&mut self, other: &Self) {
        let probability = self.probability.zip(other.probability).map(|(a, b)| a + b - a * b);
        let score = probability.unwrap_or(self.score + other.score);
        let bought = self.bought + other.bought;
        let strongest = if other.score > self.score { *other } else { *self };
        *self = Self { score, probability, bought, ..strongest };
    }
}
