//! Consents in live state: writes decisions, and keeps them with the person when names are linked or separated.
//!
//! A decision is written under its user id; then the person is read, and if they have several user ids, each record
//! lists the others. A link works in the other order: it is written, then the stored records are read. Whichever of the
//! two comes second sees the first, so servers that only hold the records miss no decision.

use qianmian_live::StoreError;
use qianmian_live::consents::{Consent, ConsentAction, ConsentChange, Consents};
use qianmian_live::people::{LinkOutcome, LinkStatus, People, UndoOutcome};
use qianmian_live::replicated::ChangeOutcome;

use super::{Live, now_ms};
use crate::problem::{Code, Problem};

/// A decision; `None` leaves a purpose unchanged, `Some(None)` withdraws the decision.
#[derive(Debug, Clone, Copy)]
pub struct Decision {
    /// On contact.
    pub contact: Option<Option<bool>>,
    /// On personal answers.
    pub personalization: Option<Option<bool>>,
}

impl Live {
    /// Stores a user's decision. When it returns, the decision is durable; `news` receives the user ids whose consents
    /// changed.
    ///
    /// # Errors
    /// `live_unavailable`: it may be stored or not; send it again.
    pub async fn decide(
        &self,
        user_id: &str,
        decision: Decision,
        news: impl Fn(Option<&[String]>),
    ) -> Result<(), Problem> {
        let Decision { contact, personalization } = decision;
        let action = ConsentAction::Decide { contact, personalization, at: now_ms() };
        let written = self.write(vec![ConsentChange { user_id: user_id.to_owned(), action }], &news).await;
        let joined = match written {
            Ok(()) => self.join(user_id, |_| false, &news).await,
            Err(error) => Err(error),
        };
        joined.map_err(|error| {
            tracing::error!(%error, "a consent cannot be written");
            Problem::new(Code::LiveUnavailable, "live state cannot be written now; decide again later")
        })
    }

    /// Keeps the decisions of people who were just linked with the person.
    pub(super) async fn linked(
        &self,
        outcome: &LinkOutcome,
        in_model: impl Fn(&str) -> bool,
        news: impl Fn(Option<&[String]>),
    ) -> Result<(), StoreError> {
        match &outcome.user_id {
            // Every time, so that a repeated link repairs a failed one.
            Some(user_id) if outcome.status != LinkStatus::Created => {
                self.join(user_id, in_model, &news).await
            }
            _ => Ok(()),
        }
    }

    /// Separates the decisions of people who were just separated.
    pub(super) async fn undone(
        &self,
        outcome: &UndoOutcome,
        news: impl Fn(Option<&[String]>),
    ) -> Result<(), StoreError> {
        let UndoOutcome::Undone { user_id, parted } = outcome else { return Ok(()) };
        let mut changes = Vec::new();
        for user_id in [user_id, parted] {
            let members = self.members(user_id).await?;
            let known = self.store.read_consents(&members).await?;
            let joined = members.iter().zip(known).filter(|(_, consent)| !consent.others.is_empty());
            changes.extend(joined.map(|(member, _)| ConsentChange {
                user_id: member.clone(),
                action: ConsentAction::Part(others(&members, member)),
            }));
        }
        self.write(changes, &news).await
    }

    /// True if all consents are known.
    pub fn knows_consents(&self) -> bool {
        self.store.knows_consents()
    }

    /// Calls `each` with every consent, or with the existing ones of `user_ids`.
    pub fn each_consent(&self, user_ids: Option<&[String]>, each: impl FnMut(&str, &Consent)) {
        self.store.each_consent(user_ids, each);
    }

    /// Makes the records of all user ids of a person list each other, if one of them has a decision or two are in the
    /// model.
    async fn join(
        &self,
        user_id: &str,
        in_model: impl Fn(&str) -> bool,
        news: &impl Fn(Option<&[String]>),
    ) -> Result<(), StoreError> {
        let mut members = self.members(user_id).await?;
        if members.len() < 2 {
            return Ok(());
        }
        let known = self.store.read_consents(&members).await?;
        let decides = known.iter().any(|consent| consent.decides() || !consent.others.is_empty());
        if !decides && members.iter().filter(|member| in_model(member)).count() < 2 {
            return Ok(());
        }
        // A user id that the person dropped, because there were too many, keeps its decision.
        members.extend(known.into_iter().flat_map(|consent| consent.others));
        members.sort_unstable();
        members.dedup();
        let join = |member: &String| ConsentChange {
            user_id: member.clone(),
            action: ConsentAction::Join(others(&members, member)),
        };
        self.write(members.iter().map(join).collect(), news).await
    }

    /// All user ids of the person with this one.
    async fn members(&self, user_id: &str) -> Result<Vec<String>, StoreError> {
        let described = self.store.person(user_id, now_ms()).await?;
        Ok(described.person.members.into_iter().map(|member| member.user_id).collect())
    }

    async fn write(
        &self,
        changes: Vec<ConsentChange>,
        news: &impl Fn(Option<&[String]>),
    ) -> Result<(), StoreError> {
        if changes.is_empty() {
            return Ok(());
        }
        let ids: Vec<String> = changes.iter().map(|change| change.user_id.clone()).collect();
        let outcomes = self.store.change_consents(changes).await?;
        news(Some(&ids));
        match outcomes.contains(&ChangeOutcome::Full) {
            true => Err(StoreError::Failed("the store holds as many consents as it may".to_owned())),
            false => Ok(()),
        }
    }
}

fn others(members: &[String], member: &str) -> Vec<String> {
    members.iter().filter(|other| *other != member).cloned().collect()
}
