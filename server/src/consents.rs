//! The consents in force: live decisions over the model's users table, and the rule for unknown consents.
//!
//! A person may have several user ids. A refusal under any of them holds; else a consent under any; else the rule for
//! unknown consents. The bits that audiences test ([`Consents`]) are set from the same verdict, so that both agree.

use qianmian_live::consents::Consent;
use qianmian_live::items::Stamped;
use qianmian_models::consent::{Consents, Purpose};
use qianmian_models::snapshot::Snapshot;

use crate::live::Live;

/// Most user ids of a person that are read.
const MAX_IDS: usize = 128;

/// The origin of a verdict.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Origin {
    /// A decision since training.
    Live,
    /// The users table that the model was trained on.
    Trained,
    /// No decision: the rule for unknown consents.
    Default,
}

/// A person's consent to a purpose, and its origin.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Verdict {
    /// True if they allow it.
    pub allowed: bool,
    /// The origin of the verdict.
    pub origin: Origin,
    /// The user id with the decision.
    pub user_id: Option<String>,
    /// Time of a live decision, unix milliseconds.
    pub at: Option<i64>,
}

/// Live state and the model, as sources of consents.
#[derive(Clone, Copy)]
pub struct Known<'a> {
    /// Live state, if there is any.
    pub live: Option<&'a Live>,
    /// The model's users and their consents, if there is a model.
    pub model: Option<(&'a Snapshot, &'a Consents)>,
}

impl Known<'_> {
    /// True if the person with these user ids allows `purpose`.
    pub fn verdict(&self, purpose: Purpose, user_ids: &[String]) -> Verdict {
        let mut yes: Option<Verdict> = None;
        for (user_id, consent) in self.person(user_ids) {
            let Some(said) = self.said(purpose, &user_id, &consent) else { continue };
            let verdict = Verdict { user_id: Some(user_id), ..said };
            if !verdict.allowed {
                return verdict;
            }
            // If several user ids consent, a decision since training wins.
            if yes.as_ref().is_none_or(|yes| yes.origin != Origin::Live) {
                yes = Some(verdict);
            }
        }
        let allowed = self.model.is_some_and(|(_, consents)| consents.unknown(purpose));
        yes.unwrap_or(Verdict { allowed, origin: Origin::Default, user_id: None, at: None })
    }

    /// True if anyone in the model, or anyone with a live decision, refuses `purpose`.
    pub fn anyone_refuses(&self, purpose: Purpose) -> bool {
        let mut refused = self.model.is_some_and(|(_, consents)| consents.share(purpose) < 1.0);
        if let (Some(live), false) = (self.live, refused) {
            live.each_consent(None, |_, consent| {
                refused |= decided(purpose, consent).is_some_and(|decided| !decided.0)
            });
        }
        refused
    }

    /// Sets the bits of the model's users to the verdicts of their people: users with live records among `user_ids`
    /// (`None`: all), and the other user ids of the same people.
    pub fn apply(&self, user_ids: Option<&[String]>) {
        let (Some(live), Some((snapshot, consents))) = (self.live, self.model) else { return };
        let mut changed: Vec<String> = user_ids.map(<[String]>::to_vec).unwrap_or_default();
        live.each_consent(user_ids, |user_id, consent| {
            changed.extend(consent.others.iter().cloned());
            changed.extend(user_ids.is_none().then(|| user_id.to_owned()));
        });
        changed.sort_unstable();
        changed.dedup();
        for user_id in changed {
            let Some(user) = snapshot.users.ix(&user_id) else { continue };
            let ids = [user_id];
            for purpose in Purpose::ALL {
                consents.set(purpose, user, self.verdict(purpose, &ids).allowed);
            }
        }
    }

    /// The records of these user ids and of all others of the same person.
    fn person(&self, user_ids: &[String]) -> Vec<(String, Consent)> {
        let mut person: Vec<(String, Consent)> =
            user_ids.iter().map(|user_id| (user_id.clone(), Consent::default())).collect();
        let Some(live) = self.live else { return person };
        let mut from = 0;
        while from < person.len() {
            let ids: Vec<String> = person[from..].iter().map(|(id, _)| id.clone()).collect();
            let mut others = Vec::new();
            live.each_consent(Some(&ids), |user_id, consent| {
                others.extend(consent.others.iter().cloned());
                if let Some((_, known)) = person.iter_mut().find(|(id, _)| id == user_id) {
                    known.clone_from(consent);
                }
            });
            from = person.len();
            others.sort_unstable();
            others.dedup();
            others.retain(|other| person.iter().all(|(id, _)| id != other));
            others.truncate(MAX_IDS.saturating_sub(person.len()));
            person.extend(others.into_iter().map(|other| (other, Consent::default())));
        }
        person
    }

    /// The decision recorded under one user id.
    fn said(&self, purpose: Purpose, user_id: &str, consent: &Consent) -> Option<Verdict> {
        if let Some(Stamped(allowed, at)) = decided(purpose, consent) {
            return Some(Verdict { allowed, origin: Origin::Live, user_id: None, at: Some(at) });
        }
        let (snapshot, consents) = self.model?;
        let allowed = consents.trained(purpose, snapshot.users.ix(user_id)?)?;
        Some(Verdict { allowed, origin: Origin::Trained, user_id: None, at: None })
    }
}

/// The decision about `purpose` in a record.
fn decided(purpose: Purpose, consent: &Consent) -> Option<Stamped<bool>> {
    match purpose {
        Purpose::Contact => consent.contact,
        Purpose::Personalization => consent.personalization,
    }
}
