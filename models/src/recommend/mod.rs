//! people -> items, in six stages. Pure: equal views and queries give equal slates.
//!
//! | stage | file | effect |
//! |---|---|---|
//! | retrieve | [`sources`], [`scores`] | each source scores items of the catalog |
//! | filter | [`filter`] | removes items that must not be shown |
//! | steer | [`steer`] | removes items outside filters and pools; boosts |
//! | demote | [`selection`] | sets aside items that may only fill free slots |
//! | rank | [`shortlist`], [`features`], [`rank`] | the blend's best, in the order of the trees |
//! | select | [`selection`], [`arrange`] | fills the slots by rules, explores, backfills |

pub mod arrange;
pub mod candidates;
pub mod features;
pub mod filter;
mod placement;
pub mod query;
pub mod rank;
pub mod score;
pub mod scores;
pub mod selection;
pub mod shortlist;
pub mod slate;
pub mod sources;
pub mod steer;

use crate::ids::ItemIx;
use crate::recommend::candidates::Candidate;
use crate::recommend::features::Features;
use crate::recommend::query::Query;
use crate::recommend::scores::Scores;
use crate::recommend::slate::{Filter, Slate};
use crate::recommend::sources::Input;
use crate::recommend::steer::Steer;
use crate::view::View;

/// Best sellers that the blend is trained on, in addition to the items that sources scored.
const BEST_SELLERS: usize = 200;

/// The slate of a query: at most `query.count` items, without duplicates, none filtered.
pub fn recommend(view: View<'_>, query: &Query) -> Slate {
    Scores::with(view.snapshot.items.len(), |scores| {
        let input = sources::retrieve(view, query, scores);
        let mut slate = Slate {
            personalized: input.is_personal(scores),
            weights: *rank::weights(view, query),
            ..Slate::default()
        };
        let steer = Steer::of(view, query);
        slate.filtered = filter::filter(view, query, scores);
        slate.filtered[Filter::Ruled as usize] = steer.keep_required(scores);
        let demoted = selection::demote(view, query, scores);
        slate.filtered[Filter::Overexposed as usize] = demoted.n_overexposed() as u32;
        let mut ranked = rank::rank(view, query, &input, scores);
        steer.reorder(&mut ranked);
        slate.proposed = input.proposed(scores, ranked.iter().map(|contender| contender.item));
        (slate.items, slate.unmet) =
            selection::select(view, query, (&input, scores), ranked, &demoted, &steer);
        let items: Vec<ItemIx> = slate.items.iter().map(|r| r.item).collect();
        let seeds = sources::strongest_seeds(&input, scores, &items);
        slate.items.iter_mut().zip(seeds).for_each(|(recommended, seed)| recommended.seed = seed);
        slate
    })
}

/// The input of ranking: items with each source's scores divided by its best. Used to train the blend. Items that no
/// source scored are included only if they are among the best sellers.
pub fn evidence(view: View<'_>, query: &Query) -> Vec<(u32, Candidate)> {
    contenders(view, query, |input, scores| {
        let mut items: Vec<ItemIx> = scores.contenders().collect();
        let best_sellers = input.best_sellers(scores).take(BEST_SELLERS);
        items.extend(best_sellers);
        items.sort_unstable();
        items.dedup();
        let evidence = input.evidence(scores, &items);
        let candidate = |(item, evidence)| (item, Candidate { evidence, seed: None });
        score::normalized(items.into_iter().zip(evidence).map(candidate).collect())
    })
}

/// The shortlist with its rows of features: for learning the ranker.
pub fn shortlist_features(view: View<'_>, query: &Query) -> Vec<(u32, Features)> {
    contenders(view, query, |input, scores| rank::shortlist_features(view, query, input, scores))
}

/// Runs `work` on the scores of the items that are left to rank.
fn contenders<R>(view: View<'_>, query: &Query, work: impl FnOnce(&Input<'_>, &mut Scores) -> R) -> R {
    Scores::with(view.snapshot.items.len(), |scores| {
        let input = sources::retrieve(view, query, scores);
        filter::filter(view, query, scores);
        selection::demote(view, query, scores);
        work(&input, scores)
    })
}
