//! Calibration: predicted probabilities against outcomes.

use serde::Serialize;

use crate::metrics::bootstrap_difference;

/// Bins of the reliability table, of equal width.
const BINS: usize = 10;

/// A predicted probability and its outcome.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Outcome {
    /// Predicted probability; `0..=1`.
    pub probability: f64,
    /// True if the user bought.
    pub happened: bool,
}

/// Agreement of predicted probabilities and outcomes.
#[derive(Debug, Clone, Serialize)]
pub struct Calibration {
    /// Number of predictions.
    pub predictions: usize,
    /// Expected calibration error: the mean over predictions of their bin's gap between mean probability and
    /// purchase rate (Naeini, Cooper & Hauskrecht 2015); `0..=1`.
    pub expected_error: f64,
    /// Mean squared difference of probability and outcome (Brier 1950); `0..=1`.
    pub brier: f64,
    /// Bins that hold predictions, lowest first.
    pub bins: Vec<Bin>,
}

/// The predictions between two probabilities.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Bin {
    /// Lower edge; the upper one is a tenth above.
    pub from: f64,
    /// Predictions in it.
    pub predictions: usize,
    /// Mean probability of these predictions.
    pub predicted: f64,
    /// Share of these predictions with a purchase.
    pub realized: f64,
}

/// Predicted and realized conversions of lists, such as the first 100 of every audience.
#[derive(Debug, Clone, Copy, Serialize)]
pub struct Conversions {
    /// Lists compared.
    pub lists: usize,
    /// Sum of the probabilities.
    pub predicted: f64,
    /// Number of purchases.
    pub realized: f64,
    /// Predicted over realized; absent without purchases.
    pub ratio: Option<f64>,
    /// 95 % bootstrap interval, over lists, of predicted minus realized conversions of a list.
    pub difference_95: [f64; 2],
}

/// Calibration of the audiences of a window.
#[derive(Debug, Clone, Serialize)]
pub struct AudienceCalibration {
    /// Over all users of all audiences.
    pub users: Calibration,
    /// Over the first 100 users of every audience.
    pub first_100: Option<Conversions>,
}

impl AudienceCalibration {
    /// Computes the calibration of audiences, each with its predictions, highest first; `None` without predictions.
    pub fn new(audiences: &[Vec<Outcome>]) -> Option<Self> {
        Some(Self {
            users: Calibration::new(&audiences.concat())?,
            first_100: Conversions::new(audiences, 100),
        })
    }
}

impl Calibration {
    /// Computes the calibration of predictions; `None` if there are none.
    pub fn new(outcomes: &[Outcome]) -> Option<Self> {
        if outcomes.is_empty() {
            return None;
        }
        let of_bin = |n: usize| {
            let of = |o: &&Outcome| ((o.probability * BINS as f64) as usize).min(BINS - 1) == n;
            Bin::new(n, outcomes.iter().filter(of))
        };
        let bins: Vec<Bin> = (0..BINS).filter_map(of_bin).collect();
        let n = outcomes.len() as f64;
        let gap = |bin: &Bin| bin.predictions as f64 * (bin.predicted - bin.realized).abs();
        let squared = |o: &Outcome| (o.probability - f64::from(u8::from(o.happened))).powi(2);
        Some(Self {
            predictions: outcomes.len(),
            expected_error: bins.iter().map(gap).sum::<f64>() / n,
            brier: outcomes.iter().map(squared).sum::<f64>() / n,
            bins,
        })
    }
}

impl Bin {
    fn new<'a>(n: usize, outcomes: impl Iterator<Item = &'a Outcome>) -> Option<Self> {
        let (mut predictions, mut predicted, mut happened) = (0usize, 0.0, 0usize);
        for outcome in outcomes {
            predictions += 1;
            predicted += outcome.probability;
            happened += usize::from(outcome.happened);
        }
        let n_predictions = predictions as f64;
        (predictions > 0).then(|| Self {
            from: n as f64 / BINS as f64,
            predictions,
            predicted: predicted / n_predictions,
            realized: happened as f64 / n_predictions,
        })
    }
}

impl Conversions {
    /// Sums up the first `k` predictions of each list; `None` if there are no lists.
    pub fn new(lists: &[Vec<Outcome>], k: usize) -> Option<Self> {
        if lists.is_empty() {
            return None;
        }
        let sums = |value: &dyn Fn(&Outcome) -> f64| -> Vec<f64> {
            lists.iter().map(|list| list.iter().take(k).map(value).sum()).collect()
        };
        let (predicted, realized) = (sums(&|o| o.probability), sums(&|o| f64::from(u8::from(o.happened))));
        let (sum, bought) = (predicted.iter().sum::<f64>(), realized.iter().sum::<f64>());
        Some(Self {
            lists: lists.len(),
            predicted: sum,
            realized: bought,
            ratio: (bought > 0.0).then(|| sum / bought),
            difference_95: bootstrap_difference(&predicted, &realized),
        })
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]
    use super::*;

    fn outcome(probability: f64, happened: bool) -> Outcome {
        Outcome { probability, happened }
    }

    #[test]
    fn reliability_table_matches_hand_counts() {
        // Two predictions of 0.1, one with a purchase, and one of 1.0, with a purchase, in the last bin.
        let calibration =
            Calibration::new(&[outcome(0.1, true), outcome(0.1, false), outcome(1.0, true)]).unwrap();
        let [low, high] = calibration.bins[..] else { panic!("{calibration:?}") };
        assert_eq!((low.from, low.predictions, low.predicted, low.realized), (0.1, 2, 0.1, 0.5));
        assert_eq!((high.from, high.predictions, high.realized), (0.9, 1, 1.0));
        assert!((calibration.expected_error - 2.0 * 0.4 / 3.0).abs() < 1e-12);
        assert!((calibration.brier - (0.81 + 0.01) / 3.0).abs() < 1e-12);
    }

    #[test]
    fn true_probabilities_have_no_error_and_others_have() {
        let tenth = |p: f64| -> Vec<Outcome> { (0..100).map(|n| outcome(p, n % 10 == 0)).collect() };
        assert!(Calibration::new(&tenth(0.1)).unwrap().expected_error < 1e-9);
        assert!((Calibration::new(&tenth(0.6)).unwrap().expected_error - 0.5).abs() < 1e-9);
        assert!(Calibration::new(&[]).is_none());
    }

    #[test]
    fn conversions_count_only_the_head_of_each_list() {
        let lists =
            vec![vec![outcome(0.9, true), outcome(0.6, false), outcome(0.5, true)], vec![outcome(0.5, true)]];
        let conversions = Conversions::new(&lists, 2).unwrap();
        assert_eq!((conversions.lists, conversions.predicted, conversions.realized), (2, 2.0, 2.0));
        assert_eq!(conversions.ratio, Some(1.0));
        assert_eq!(Conversions::new(&[vec![outcome(0.5, false)]], 100).unwrap().ratio, None);
    }
}
