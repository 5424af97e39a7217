//! User profiles: activity, and recency, frequency and monetary tiers.

use qianmian_models::index::profile::{Profile, Profiles};
use qianmian_money::Money;

use crate::dataset::{Dataset, channel_ix, is_known};

/// The profile of every user.
pub fn learn(dataset: &Dataset) -> Profiles {
    let mut users = vec![Profile { first_at: u32::MAX, ..Profile::default() }; dataset.n_users()];
    let mut lines: Vec<_> = dataset.lines().iter().filter(|l| is_known(l)).collect();
    lines.sort_by_key(|l| (l.user, l.basket));
    for user in lines.chunk_by(|a, b| a.user == b.user) {
        let profile = &mut users[user[0].user as usize];
        let mut by_channel = vec![0u32; dataset.channels.len()];
        let mut spend = 0i128;
        for basket in user.chunk_by(|a, b| a.basket == b.basket) {
            profile.baskets += 1;
            if let Some(channel) = channel_ix(basket[0]) {
                by_channel[channel] += 1;
            }
        }
        for line in user {
            let at = line.at.clamp(0, i64::from(u32::MAX)) as u32;
            profile.first_at = profile.first_at.min(at);
            profile.last_at = profile.last_at.max(at);
            profile.units += line.quantity;
            spend += line.paid().map_or(0, |paid| i128::from(paid.minor()));
        }
        profile.spend = Money::clamped(spend);
        let most = by_channel.iter().enumerate().filter(|(_, n)| **n > 0).rev().max_by_key(|(_, n)| **n);
        profile.channel = most.map_or_else(String::new, |(channel, _)| dataset.channels[channel].clone());
    }
    users.iter_mut().for_each(|u| u.first_at = u.first_at.min(u.last_at));
    tiers(&mut users, 0, |u| f64::from(u.last_at));
    tiers(&mut users, 1, |u| f64::from(u.baskets));
    tiers(&mut users, 2, |u| u.spend.minor() as f64);
    Profiles::new(&users)
}

/// Sets one tier by quintile, 1 to 5; users with equal values share the lowest of their tiers.
fn tiers(users: &mut [Profile], tier: usize, value: impl Fn(&Profile) -> f64) {
    let mut order: Vec<usize> = (0..users.len()).collect();
    order.sort_by(|&a, &b| value(&users[a]).total_cmp(&value(&users[b])).then(a.cmp(&b)));
    let n = users.len().max(1);
    let mut start = 0;
    for (rank, &user) in order.iter().enumerate() {
        if value(&users[order[start]]) < value(&users[user]) {
            start = rank;
        }
        users[user].rfm[tier] = (start * 5 / n) as u8 + 1;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tiers_are_quintiles_and_ties_share_one() {
        let mut users: Vec<Profile> =
            [5u32, 1, 1, 1, 9].iter().map(|&baskets| Profile { baskets, ..Profile::default() }).collect();
        tiers(&mut users, 1, |u| f64::from(u.baskets));
        assert_eq!(users.iter().map(|u| u.rfm[1]).collect::<Vec<_>>(), [4, 1, 1, 1, 5]);
    }
}
