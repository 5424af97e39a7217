//! Merges the user ids of one person: orders under any of them count as orders of one user.
//!
//! Aliases are rows of the identities table with the type `user_id`: the value is another user id of the person.

use rustc_hash::FxHashMap;

use super::raw::Raw;
use super::types::Identity;

/// The type of an identity that is a user id.
pub const USER_ID: &str = "user_id";

/// Replaces aliases by their user in purchases and returns; returns the number of aliases replaced. Chains are
/// followed to the last user; a row that would close a circle is ignored.
pub fn apply(raw: &mut Raw, identities: &[Identity]) -> usize {
    let mut of: FxHashMap<u32, u32> = FxHashMap::default();
    for identity in identities.iter().filter(|identity| identity.kind == USER_ID) {
        let codes = (raw.users.code(identity.value.as_bytes()), raw.users.code(identity.user_id.as_bytes()));
        let (Some(alias), Some(user)) = codes else { continue };
        let (alias, user) = (person(&of, alias), person(&of, user));
        if alias != user {
            of.insert(alias, user);
        }
    }
    let mut used: FxHashMap<u32, u32> = FxHashMap::default();
    let users = raw.lines.iter_mut().map(|line| &mut line.user);
    for user in users.chain(raw.returns.iter_mut().map(|back| &mut back.user)) {
        // The number of guests is no alias.
        if of.contains_key(user) {
            *user = *used.entry(*user).or_insert_with(|| person(&of, *user));
        }
    }
    used.len()
}

/// The last user of the chain of aliases from `user`. There are no circles: only ends of chains get a successor.
fn person(of: &FxHashMap<u32, u32>, mut user: u32) -> u32 {
    while let Some(&next) = of.get(&user) {
        user = next;
    }
    user
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::orders::types::{GUEST, Line, NONE_CODE};

    fn identity(user_id: &str, kind: &str, value: &str) -> Identity {
        Identity { user_id: user_id.to_owned(), kind: kind.to_owned(), value: value.to_owned() }
    }

    #[test]
    fn aliases_in_chains_and_circles_are_one_user() {
        let mut raw = Raw::default();
        for name in [&b"a"[..], b"b", b"c", b"d"] {
            raw.users.code(name);
        }
        let [channel, store, room, merchant] = [NONE_CODE; 4];
        for user in [0, 1, 2, 3, GUEST] {
            raw.lines.push(Line {
                at: 0,
                basket: 0,
                user,
                item: 0,
                quantity: 1.0,
                paid: 100,
                channel,
                store,
                room,
                merchant,
            });
        }
        let identities = [
            identity("b", "user_id", "a"),
            identity("c", "user_id", "b"),
            identity("a", "user_id", "c"),
            identity("d", "member_card", "a"),
            identity("d", "user_id", "never bought"),
        ];
        assert_eq!(apply(&mut raw, &identities), 2);
        let users: Vec<u32> = raw.lines.iter().map(|line| line.user).collect();
        assert_eq!(users, [2, 2, 2, 3, GUEST]);
    }
}
