use proptest::prelude::*;

use super::*;

/// All slates of `len` of `n` candidates, in the order of ranking.
fn slates(n: usize, len: usize) -> Vec<Vec<usize>> {
    (0..len).fold(vec![Vec::new()], |slates, _| {
        let longer = |slate: Vec<usize>| {
            let free: Vec<usize> = (0..n).filter(|candidate| !slate.contains(candidate)).collect();
            free.into_iter()
                .map(move |candidate| slate.iter().copied().chain([candidate]).collect::<Vec<_>>())
        };
        slates.into_iter().flat_map(longer).collect()
    })
}

/// Those that begin with the `fixed` first candidates.
fn slates_from(n: usize, fixed: usize, len: usize) -> Vec<Vec<usize>> {
    let mut slates = slates(n, len);
    slates.retain(|slate| (0..fixed).all(|slot| slate[slot] == slot));
    slates
}

/// The kept rules and the first slate that meets them, by trying all that begin with the `fixed` first candidates.
fn brute_force(n: usize, (fixed, len): (usize, usize), rules: &[Rule]) -> (Vec<bool>, Vec<usize>) {
    let mut left = slates_from(n, fixed, len);
    let mut met = Vec::new();
    for rule in rules {
        let fewer: Vec<Vec<usize>> = left.iter().filter(|slate| rule.holds(slate)).cloned().collect();
        met.push(!fewer.is_empty());
        if !fewer.is_empty() {
            left = fewer;
        }
    }
    (met, left.into_iter().next().expect("a slate"))
}

const N: usize = 6;

fn rule() -> impl Strategy<Value = Rule> {
    let pin = (0..6usize, 0..N).prop_map(|(slot, candidate)| Rule::Pin { slot, candidate });
    let mix = (prop::collection::vec(any::<bool>(), N), 0..4usize, 0..5usize, 1..7usize)
        .prop_map(|(members, least, most, first)| Rule::Mix { members, least, most: most.max(least), first });
    let spacing =
        (prop::collection::vec(prop::collection::vec(0..3u64, 0..3), N), 1..3usize, 1..5usize).prop_map(
            |(values, most, window)| Rule::Spacing { values: Values::new(values), most, window, from: 0 },
        );
    prop_oneof![pin, mix, spacing]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(if cfg!(debug_assertions) { 1_000 } else { 10_000 }))]

    /// A rule is met if and only if it can be, together with the kept ones of higher priority.
    #[test]
    fn rules_are_met_as_trying_all_slates_says(n in 1..=N, fixed in 0..3usize, len in 0..=5usize, rules in prop::collection::vec(rule(), 0..5)) {
        let len = len.min(n);
        let fixed = fixed.min(len);
        let rules: Vec<Rule> = rules
            .into_iter()
            .map(|rule| match rule {
                Rule::Mix { members, least, most, first } => {
                    let members = members[..n].iter().enumerate().map(|(c, member)| *member && c >= fixed);
                    Rule::Mix { members: members.collect(), least, most, first }
                }
                Rule::Spacing { values, most, window, .. } => {
                    let keys = (0..n).map(|c| values.of(c).iter().map(|&v| u64::from(v)).collect());
                    Rule::Spacing { values: Values::new(keys), most, window, from: fixed }
                }
                Rule::Pin { slot, candidate } => Rule::Pin { slot, candidate: candidate % n },
            })
            .collect();
        let arrangement = arrange(n, fixed..len, &rules);
        let (met, first) = brute_force(n, (fixed, len), &rules);
        let said: Vec<bool> = arrangement.outcomes.iter().map(|outcome| *outcome == Outcome::Met).collect();
        prop_assert_eq!(&said, &met);
        prop_assert_eq!(&arrangement.order, &first);
        for (rule, outcome) in rules.iter().zip(&arrangement.outcomes) {
            let alone = slates_from(n, fixed, len).iter().any(|slate| rule.holds(slate));
            prop_assert_eq!(*outcome == Outcome::Impossible, !alone);
            prop_assert!(*outcome != Outcome::Unknown);
        }
    }
}

#[test]
fn without_rules_the_order_is_that_of_ranking() {
    assert_eq!(arrange(5, 0..3, &[]).order, [0, 1, 2]);
    assert_eq!(arrange(2, 0..3, &[]).order, [0, 1]);
    assert_eq!(arrange(0, 0..3, &[]).order, [0usize; 0]);
}

#[test]
fn a_quota_displaces_as_little_as_it_must() {
    let members = (0..10).map(|candidate| candidate >= 7).collect();
    let mix = Rule::Mix { members, least: 2, most: usize::MAX, first: 5 };
    assert_eq!(arrange(10, 0..6, &[mix]).order, [0, 1, 2, 7, 8, 3]);
}

#[test]
fn contradicting_rules_yield_by_priority() {
    let all = vec![true; 4];
    let most = Rule::Mix { members: all.clone(), least: 0, most: 1, first: 3 };
    let least = Rule::Mix { members: all, least: 2, most: usize::MAX, first: 3 };
    let outcomes = arrange(4, 0..3, &[most, least]).outcomes;
    assert_eq!(outcomes, [Outcome::Impossible, Outcome::Met], "a slate has full length");
    let pins = [Rule::Pin { slot: 0, candidate: 2 }, Rule::Pin { slot: 0, candidate: 3 }];
    let arrangement = arrange(4, 0..3, &pins);
    assert_eq!(
        (arrangement.order, arrangement.outcomes),
        (vec![2, 0, 1], vec![Outcome::Met, Outcome::Displaced])
    );
}

/// Two hundred rules that cannot all be met end soon.
#[test]
fn many_contradicting_rules_are_bounded() {
    let started = std::time::Instant::now();
    let rule = |n: usize| match n % 3 {
        0 => Rule::Pin { slot: n % 20, candidate: (n * 7) % 220 },
        1 => {
            let members = (0..220).map(|candidate| (candidate * 31 + n).is_multiple_of(7)).collect();
            Rule::Mix { members, least: n % 5, most: n % 5 + 1, first: 5 + n % 15 }
        }
        _ => {
            let values = Values::new((0..220).map(|candidate| vec![(candidate * 13 + n as u64) % 9]));
            Rule::Spacing { values, most: 1, window: 2 + n % 4, from: 0 }
        }
    };
    let rules: Vec<Rule> = (0..200).map(rule).collect();
    let arrangement = arrange(220, 0..20, &rules);
    assert_eq!(arrangement.order.len(), 20);
    assert!(arrangement.outcomes.contains(&Outcome::Met));
    assert!(started.elapsed().as_secs() < 20, "{:?}", started.elapsed());
}
