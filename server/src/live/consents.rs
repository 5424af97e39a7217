//! Consents in live state: decisions, and keeping them with the person when names are linked and parted.
//!
//! A decision is written under its user id; then the person is read, and where they have several user ids, each record
//! names the others. A link does the same the other way around: it is written, then the records are read as stored now.
//! Whichever of the two comes second sees the first, so no decision is missed by servers that only hold the records.

use qianmian_live::StoreError;
use qianmian_live::consents::{Consent, ConsentAction, ConsentChange, Consents};
use qianmian_live::people::{LinkOutcome, LinkStatus, People, UndoOutcome};
use qianmian_live::replicated::ChangeOutcome;

use super::{Live, now_ms};
use crate::problem::{Code, Problem};

/// A decision; `None` leaves a purpose as it was, `Some(None)` takes the decision back.
#[derive(Debug, Clone, Copy)]
pub struct Decision {
    /// About being contacted.
    pub contact: Option<Option<bool>>,
    /// About personal answers.
    pub personalization: Option<Option<bool>>,
}

impl Live {
    /// Stores what the user decides. When it returns, it is durable; `news` learns whose consents changed.
    ///
    /// # Errors
    /// `live_unavailable`: it may hold or not; decide again.
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
            // Every time, so that a link sent again mends what a failed one left.
            Some(user_id) if outcome.status != LinkStatus::Created => {
                self.join(user_id, in_model, &news).await
            }
            _ => Ok(()),
        }
    }

    /// Separates the decisions of people who were just parted.
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

    /// Calls `each` with every consent, or with those of `user_ids` that there are.
    pub fn each_consent(&self, user_ids: Option<&[String]>, each: impl FnMut(&str, &Consent)) {
        self.store.each_consent(user_ids, each);
    }

    /// Makes the records of all user ids of a person name each other, if one of them has a decision or two are in the
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
        // A user id that the person dropped since, because there were too many, keeps its decision.
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
