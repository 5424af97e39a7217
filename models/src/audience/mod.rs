//! goods -> people, the mirror of [`pipeline`](crate::recommend): which people for these goods?
//!
//! Retrieval proposes people, the blend shortlists them, and the models of likelihood (of people who bought
//! the goods before, of those who did not, and of goods that nobody bought yet) say how likely each is to
//! buy within a [horizon](crate::index::likelihood::Horizon). Probabilities are comparable across goods.

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

/// Fewest of the blend's best whose likelihood is asked for.
const MIN_SHORTLIST: usize = 1_000;

/// What a person did about an item after the end of the data that the model was trained on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Since {
    /// The item.
    pub item: ItemIx,
    /// The person.
    pub user: UserIx,
    /// When they bought it, unix seconds; `None`: they gave it back or want to see no more of it.
    pub bought_at: Option<i64>,
}

/// Which people for these goods?
#[derive(Debug, Clone, Default)]
pub struct AudienceQuery {
    /// The goods.
    pub items: Vec<ItemIx>,
    /// Goods that are not in the catalogue; they count as one more item.
    pub described: Option<Goods>,
    /// What people did about them since the model was trained, in order of the people. Who bought one is a buyer of it from then on; who
    /// turned it down is not in the audience on its account.
    pub since: Vec<Since>,
    /// Leave out who bought any of them before.
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
    /// Higher is likelier to buy: the probability, where there is one.
    pub score: f32,
    /// That the user buys within the model's horizon, `0..=1`; of several goods, any of them. `None` where
    /// the model learned no likelihood.
    pub probability: Option<f32>,
    /// The source that contributed most.
    pub source: Source,
    /// What each source said, `0..=1`.
    pub evidence: Evidence,
    /// Baskets in which the user already bought one of the items; 0 for a new buyer.
    pub bought: u32,
    /// The item of theirs that contributed most, where there is one.
    pub seed: Option<ItemIx>,
}

/// An audience, with the facts of how it was made.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Audience {
    /// Likeliest first, without duplicates.
    pub people: Vec<Prospect>,
    /// Candidates who were left out because they do not allow to be contacted.
    pub without_consent: usize,
}

/// At most `query.count` people who allow to be contacted, likeliest first.
pub fn audience(view: View<'_>, query: &AudienceQuery) -> Audience {
    let excluded = match query.exclude_buyers {
        true => {
            let since = query.since.iter().filter(|since| since.bought_at.is_some()).map(|since| since.user);
            candidates::buyers(view, &query.items).into_iter().chain(since).collect()
        }
        false => FxHashSet::default(),
    };
    let n_goods = query.items.len() + usize::from(query.described.is_some());
    // Of several goods, whoever is last for one may be first for all.
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
    // One person may be found by several sources, and for each of several goods.
    denied.sort_unstable();
    denied.dedup();
    Audience { people, without_consent: denied.len() }
}

/// True if the lot of a random holdout falls to a user: for `share` (`0..=1`) of all users, drawn by `seed`
/// alone, so that the same call tomorrow holds out the same people.
pub fn holdout(user_id: &str, seed: &str, share: f64) -> bool {
    let lot = xxh3_64_with_seed(user_id.as_bytes(), xxh3_64(seed.as_bytes()));
    (lot as f64) < share * u64::MAX as f64
}

/// Adds the people for further goods.
fn join(people: &mut Vec<Prospect>, found: Vec<Prospect>) {
    let places: FxHashMap<UserIx, usize> = people.iter().enumerate().map(|(n, p)| (p.user, n)).collect();
    for prospect in found {
        match places.get(&prospect.user) {
            Some(&place) => people[place].join(&prospect),
            None => people.push(prospect),
        }
    }
}

/// At most `kept` people for one kind of goods, likeliest first; equal ones in the order of the blend. Those who do not allow to be
/// contacted are added to `denied`.
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

/// The blend's best, with what they bought of the goods.
struct Shortlist {
    ranked: Vec<Ranked>,
    /// By place among the candidates, whose first ones are the buyers.
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
        // Before they are candidates, so that the first of those are still the buyers.
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

/// What ranking sees: all candidates with each source's scores divided by its best. For learning how to
/// rank.
pub fn evidence(view: View<'_>, query: &AudienceQuery) -> Vec<(UserIx, Candidate)> {
    let of = |&item: &ItemIx| {
        let goods = Goods::of_item(view, item);
        let bought = goods.item.map_or_else(Vec::new, |item| candidates::purchases(view, item, &[]));
        candidates::with(view, query, &goods, &bought, std::mem::take)
    };
    score::normalized(query.items.iter().flat_map(of).collect())
}

/// What the likelihood models see of the blend's best `query.count` and more. For learning them.
pub fn rows(view: View<'_>, query: &AudienceQuery, goods: &Goods) -> Vec<(UserIx, Features)> {
    let shortlist = Shortlist::new(view, query, goods, &[], &FxHashSet::default(), &mut Vec::new());
    let rows = shortlist.rows(view, goods);
    shortlist.ranked.iter().map(|r| r.ix).zip(rows).collect()
}

impl Prospect {
    /// The same person for further goods: they buy any of them, were the purchases independent.
    fn join(&mut self, other: &Self) {
        let probability = self.probability.zip(other.probability).map(|(a, b)| a + b - a * b);
        let score = probability.unwrap_or(self.score + other.score);
        let bought = self.bought + other.bought;
        let strongest = if other.score > self.score { *other } else { *self };
        *self = Self { score, probability, bought, ..strongest };
    }
}
