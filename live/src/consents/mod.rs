//! Consents: people's decisions since training, by user id.
//!
//! A decision belongs to one user id and is never forgotten. A record also lists the other user ids of the same person,
//! if one of them has a decision, so that all records together give the *person's* consent: a refusal under any of
//! their user ids counts for all. Encoded as JSON, a record takes 30 to 150 bytes plus its ids.

use serde::{Deserialize, Serialize};

use crate::error::StoreError;
use crate::items::Stamped;
use crate::people::MAX_MEMBERS;
use crate::replicated::{ChangeOutcome, Replicated};

/// Most user ids with a record in a store.
pub const MAX_CONSENTS: usize = 5_000_000;
/// Most other user ids of a record; a person drops the oldest of its own beyond [`MAX_MEMBERS`].
const MAX_OTHERS: usize = 4 * MAX_MEMBERS;

/// The decisions of one user id; `None` for a purpose without a decision.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Consent {
    /// True if the user may be contacted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub contact: Option<Stamped<bool>>,
    /// True if answers may be personal.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub personalization: Option<Stamped<bool>>,
    /// Other user ids of the person, in byte order.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub others: Vec<String>,
}

/// A change of one user id's record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConsentChange {
    /// The user id.
    pub user_id: String,
    /// The change.
    pub action: ConsentAction,
}

/// A change of a consent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ConsentAction {
    /// The user decides. The outer `None` leaves a purpose unchanged, the inner one withdraws the decision.
    Decide {
        /// On contact.
        contact: Option<Option<bool>>,
        /// On personal answers.
        personalization: Option<Option<bool>>,
        /// Time of the decision, unix milliseconds.
        at: i64,
    },
    /// The user id and these belong to one person, in addition to the known ones.
    Join(Vec<String>),
    /// The user id and these, and no others, belong to one person.
    Part(Vec<String>),
}

/// The consents of a store.
pub trait Consents: Send + Sync {
    /// Stores changes, which hold in the order of their arrival; the outcomes are in their order. Accepted ones are
    /// durable.
    fn change_consents(
        &self,
        changes: Vec<ConsentChange>,
    ) -> impl Future<Output = Result<Vec<ChangeOutcome>, StoreError>> + Send;

    /// The stored records of these user ids, in order; empty records for ids without one. Unlike
    /// [`each_consent`](Self::each_consent) it sees the latest writes of other servers.
    fn read_consents(
        &self,
        user_ids: &[String],
    ) -> impl Future<Output = Result<Vec<Consent>, StoreError>> + Send;

    /// Calls `each` with every record, or with the existing ones of `user_ids`. It reads memory only.
    fn each_consent(&self, user_ids: Option<&[String]>, each: impl FnMut(&str, &Consent));
}

impl Consent {
    /// True if the user id has a decision of its own.
    pub fn decides(&self) -> bool {
        self.contact.is_some() || self.personalization.is_some()
    }
}

impl Replicated for Consent {
    type Change = ConsentChange;
    const MAX: usize = MAX_CONSENTS;
    const OUTLIVES_REDIS: bool = true;

    fn key(change: &ConsentChange) -> &str {
        &change.user_id
    }

    fn apply(&mut self, change: &ConsentChange) -> bool {
        let before = self.clone();
        match &change.action {
            ConsentAction::Decide { contact, personalization, at } => {
                let decide = |known: &mut Option<Stamped<bool>>, decision: Option<Option<bool>>| {
                    if let Some(decision) = decision {
                        *known = decision.map(|allowed| Stamped(allowed, *at));
                    }
                };
                decide(&mut self.contact, *contact);
                decide(&mut self.personalization, *personalization);
            }
            ConsentAction::Join(others) => self.others.extend_from_slice(others),
            ConsentAction::Part(others) => self.others.clone_from(others),
        }
        self.others.retain(|other| *other != change.user_id);
        self.others.sort_unstable();
        self.others.dedup();
        self.others.truncate(MAX_OTHERS);
        *self != before
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn apply(consent: &mut Consent, action: ConsentAction) -> bool {
        consent.apply(&ConsentChange { user_id: "u".to_owned(), action })
    }

    #[test]
    fn a_decision_can_be_taken_back() {
        let mut consent = Consent::default();
        let decide = |contact, at| ConsentAction::Decide { contact, personalization: None, at };
        assert!(apply(&mut consent, decide(Some(Some(false)), 5)));
        assert_eq!((consent.contact, consent.personalization), (Some(Stamped(false, 5)), None));
        assert!(!apply(&mut consent, decide(None, 6)), "it decides about nothing");
        assert!(consent.decides() && apply(&mut consent, decide(Some(None), 7)) && !consent.decides());
    }

    #[test]
    fn other_user_ids_are_joined_and_parted() {
        let mut consent = Consent::default();
        let ids = |ids: &[&str]| ids.iter().map(|id| (*id).to_owned()).collect::<Vec<_>>();
        assert!(apply(&mut consent, ConsentAction::Join(ids(&["w", "u", "v"]))));
        assert!(!apply(&mut consent, ConsentAction::Join(ids(&["v"]))));
        assert_eq!(consent.others, ["v", "w"]);
        assert!(apply(&mut consent, ConsentAction::Part(ids(&["w"]))));
        assert_eq!(consent.others, ["w"]);
    }
}
