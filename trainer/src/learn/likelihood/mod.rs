//! The probability that a user buys an item: three tree ensembles on log loss, for users who bought the item before
//! (repeat), for users who did not (new), and for items without sales (cold).
//!
//! The rows are users of audiences of sampled items, labeled by the purchases after the past folds (`rows`). Each
//! ensemble is boosted with early stopping on a fifth of the users (`fit`).
//!
//! An ensemble learned from one month is applied to a later one and is usually overconfident there: counts and ages
//! grow with the data, and the first users of a list are selected by the estimate itself. So each month is also
//! predicted from the earlier months alone; the shift of the log-odds that corrects the heads of its lists is the
//! month's drift, and the mean drift is added to the log-odds (decision 21).

mod fit;
mod rows;

use qianmian_models::audience::Goods;
use qianmian_models::index::feature_schema::LikelihoodColumn;
use qianmian_models::index::likelihood::{Features, Likelihood};
use qianmian_models::kernels::topk::TopK;
use qianmian_models::kernels::trees::{Node, Trees};
use qianmian_models::storage::metrics::{LogLoss, LogLosses};
use qianmian_models::view::View;

use self::fit::{MAX_TREES, fit};
use self::rows::{Rows, lists};
use super::folds::PastFold;

/// Most items to learn from, over all folds (decision 19).
const MAX_ITEMS: usize = 900;
/// The same for items treated as items without sales (decision 19).
const MAX_COLD_ITEMS: usize = 300;
/// Fewest purchases to learn from (decision 19).
const MIN_PURCHASES: usize = 200;
/// Length of the head of a list, by probability, on which drift is measured (decision 21).
const HEAD: usize = 100;
/// Months of zero drift averaged with the measured ones, because few months predict the next one badly (decision 21).
const PRIOR_MONTHS: f32 = 1.0;
/// Bound of a month's drift in either direction, in log-odds (decision 21).
const MAX_DRIFT: f64 = 1.0;

/// The learned ensembles, with their metrics on held-out users.
#[derive(Default)]
pub struct Learned {
    /// The ensembles; `None` with too few purchases to learn from.
    pub likelihood: Option<Likelihood>,
    /// Log loss and drift of each ensemble, for the manifest.
    pub losses: Option<LogLosses>,
}

/// Most trees that [`learn`] grows.
pub fn max_trees(folds: &[PastFold]) -> u64 {
    (3 * folds.len() * MAX_TREES) as u64
}

/// Learns from the purchases after the pasts. `progress` is called for every tree.
pub fn learn(folds: &[PastFold], seed: u64, progress: &dyn Fn(u64)) -> Learned {
    let Some(latest) = folds.first() else { return Learned::default() };
    let of = |goods: fn(View<'_>, u32) -> Goods, items: usize| -> Vec<Vec<Rows>> {
        folds.iter().map(|fold| lists(fold, goods, items / folds.len(), seed)).collect()
    };
    let sold = of(Goods::of_item, MAX_ITEMS);
    if sold.iter().flatten().map(Rows::n_bought).sum::<usize>() < MIN_PURCHASES {
        return Learned::default();
    }
    let (repeat, repeat_loss) =
        fit_with_drift(&sold, &|row| !row[LikelihoodColumn::PairBaskets as usize].is_nan(), progress);
    let (new, new_loss) =
        fit_with_drift(&sold, &|row| row[LikelihoodColumn::PairBaskets as usize].is_nan(), progress);
    drop(sold);
    let cold_rows = of(Goods::as_if_unsold, MAX_COLD_ITEMS);
    let (cold, cold_loss) = fit_with_drift(&cold_rows, &|_| true, progress);
    let losses = Some(LogLosses { repeat: repeat_loss, new: new_loss, cold: cold_loss });
    Learned { likelihood: Some(Likelihood { repeat, new, cold, horizon: latest.future.horizon }), losses }
}

/// Trees learned from the rows of all months (latest first) that `takes` accepts, with the mean drift added as a
/// constant tree.
fn fit_with_drift(
    months: &[Vec<Rows>],
    takes: &dyn Fn(&Features) -> bool,
    progress: &dyn Fn(u64),
) -> (Trees, LogLoss) {
    let (mut trees, loss) = fit(&months.iter().flatten().collect::<Vec<_>>(), takes, progress);
    let drift_of = |(n, month): (usize, &Vec<Rows>)| {
        let (earlier, _) = fit(&months[n + 1..].iter().flatten().collect::<Vec<_>>(), takes, progress);
        drift(month, &earlier, takes)
    };
    let predicted = months.len().saturating_sub(1);
    let drifts: Vec<f32> = months.iter().enumerate().take(predicted).map(drift_of).collect();
    let value = drifts.iter().sum::<f32>() / (predicted as f32 + PRIOR_MONTHS);
    trees.push(&[Node { feature: 0, threshold: 0.0, left: 0, right: 0, value }]);
    (trees, LogLoss { log_loss: Some(loss), drift: drifts })
}

/// The shift of log-odds learned from earlier months with which the heads of this month's lists buy as often as
/// predicted, by bisection within [`MAX_DRIFT`]; 0 if nobody bought.
fn drift(month: &[Rows], earlier: &Trees, takes: &dyn Fn(&Features) -> bool) -> f32 {
    let (mut heads, mut bought) = (Vec::new(), 0.0);
    for list in month {
        let mut top = TopK::new(HEAD);
        for (n, features) in list.features.iter().enumerate().filter(|(_, features)| takes(features)) {
            top.push(n as u32, earlier.score(features));
        }
        for scored in top.into_sorted() {
            let weight = f64::from(list.weights[scored.ix as usize]);
            bought += if list.bought[scored.ix as usize] { weight } else { 0.0 };
            heads.push((f64::from(scored.score), weight));
        }
    }
    if bought == 0.0 {
        return 0.0;
    }
    let predicted = |shift: f64| -> f64 { heads.iter().map(|(s, w)| w / (1.0 + (-s - shift).exp())).sum() };
    let (mut low, mut high) = (-MAX_DRIFT, MAX_DRIFT);
    for _ in 0..40 {
        let middle = (low + high) / 2.0;
        if predicted(middle) < bought { low = middle } else { high = middle }
    }
    ((low + high) / 2.0) as f32
}

#[cfg(test)]
mod tests {
    use qianmian_models::index::feature_schema::LikelihoodColumn;
    use rand::{RngExt, SeedableRng};
    use rand_chacha::ChaCha8Rng;

    use super::*;

    /// Lists in which the first feature is the log-odds; only `share` of the predicted purchases happen.
    #[test]
    fn drift_corrects_the_heads_of_lists() {
        let mut rng = ChaCha8Rng::seed_from_u64(3);
        let list = |share: f32, rng: &mut ChaCha8Rng| {
            let mut rows = Rows::default();
            for user in 0..400 {
                let mut features = [f32::NAN; LikelihoodColumn::COUNT];
                features[0] = if user < 100 { 1.0 } else { 0.0 };
                let predicted = if user < 100 { 0.3 } else { 0.01 };
                rows.push(user, features, rng.random::<f32>() < share * predicted, 1.0);
            }
            rows
        };
        let leaf = |at: u32, p: f32| Node {
            feature: 0,
            threshold: 0.0,
            left: at,
            right: at,
            value: (p / (1.0 - p)).ln(),
        };
        let mut earlier = Trees::default();
        earlier.push(&[
            Node { feature: 0, threshold: 0.5, left: 1, right: 2, value: 0.0 },
            leaf(1, 0.01),
            leaf(2, 0.3),
        ]);
        let mut of = |share: f32| {
            let month: Vec<Rows> = (0..60).map(|_| list(share, &mut rng)).collect();
            drift(&month, &earlier, &|_| true)
        };
        assert!(of(1.0).abs() < 0.06);
        let (odds, too_sure) = (|p: f32| (p / (1.0 - p)).ln(), of(0.7));
        assert!((too_sure - (odds(0.21) - odds(0.3))).abs() < 0.06, "{too_sure}");
        assert_eq!(of(0.0), 0.0);
    }
}
