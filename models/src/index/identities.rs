//! Identities: the users' ids in channels, so that an audience can be exported by channel id.
//!
//! Section `identities`: one row per user; `kinds` and `values`, two lists of strings of one length: the type of the
//! identity (`wechat_unionid`, `phone_sha256`, `member_card`, ...) and the id within it, in order of both.

use arrow_array::RecordBatch;

use crate::error::{Error, Result};
use crate::ids::UserIx;
use crate::storage::section::{self, Section, StringLists};

/// The section's name.
pub const SECTION: &str = "identities";

/// Identities of all users.
#[derive(Debug, Clone)]
pub struct Identities {
    kinds: StringLists,
    values: StringLists,
}

impl Identities {
    /// From one list of `(type, value)` a user, in vocabulary order.
    ///
    /// # Errors
    /// More identities than a list column holds.
    pub fn new(users: &[Vec<(String, String)>]) -> Result<Self> {
        let column = |of: fn(&(String, String)) -> &str| -> Vec<Vec<&str>> {
            users.iter().map(|identities| identities.iter().map(of).collect()).collect()
        };
        let (kinds, values) = (column(|(kind, _)| kind), column(|(_, value)| value));
        Ok(Self { kinds: StringLists::new(SECTION, &kinds)?, values: StringLists::new(SECTION, &values)? })
    }

    /// The identities of a user, as `(type, value)`.
    pub fn of(&self, user: UserIx) -> impl ExactSizeIterator<Item = (&str, &str)> {
        self.kinds.of(user).zip(self.values.of(user))
    }

    pub(crate) fn batch(&self) -> Result<RecordBatch> {
        let columns = vec![("kinds", self.kinds.column(SECTION)?), ("values", self.values.column(SECTION)?)];
        section::batch(SECTION, columns)
    }

    pub(crate) fn open(section: &Section, n_users: usize) -> Result<Self> {
        section.expect_rows(n_users)?;
        let identities =
            Self { kinds: section.string_lists("kinds")?, values: section.string_lists("values")? };
        let uneven = |user: &u32| identities.kinds.of(*user).len() != identities.values.of(*user).len();
        match (0..n_users as u32).find(uneven) {
            None => Ok(identities),
            Some(user) => Err(Error::malformed(SECTION, "a value for every kind", format!("row {user}"))),
        }
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]
    use super::*;

    #[test]
    fn identities_read_back_by_user() {
        let identity = |kind: &str, value: &str| (kind.to_owned(), value.to_owned());
        let users = [vec![identity("member_card", "7"), identity("wechat_unionid", "o1")], vec![]];
        let built = Identities::new(&users).unwrap();
        let back = Identities::open(&Section::in_memory(SECTION, built.batch().unwrap()), 2).unwrap();
        assert_eq!(back.of(0).collect::<Vec<_>>(), [("member_card", "7"), ("wechat_unionid", "o1")]);
        assert_eq!(back.of(1).len(), 0);
        let uneven = vec![
            ("kinds", built.kinds.column(SECTION).unwrap()),
            ("values", {
                StringLists::new::<&str>(SECTION, &[vec![], vec![]]).unwrap().column(SECTION).unwrap()
            }),
        ];
        let section = Section::in_memory(SECTION, section::batch(SECTION, uneven).unwrap());
        assert!(Identities::open(&section, 2).is_err());
    }
}
