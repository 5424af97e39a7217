//! What people allow: their live decisions over the model's users table, and what holds where nobody said.
//!
//! A person may have several user ids. A no under any of them holds; else a yes under any; else the rule for unknown
//! consents. The bits that audiences test ([`Consents`]) are set from the same verdict, so that both sides agree.

use qianmian_live::consents::Consent;
use qianmian_live::items::Stamped;
use qianmian_models::consent::{Consents, Purpose};
use qianmian_models::snapshot::Snapshot;

use crate::live::Live;

/// Most user ids of a person that are looked at.
const MAX_IDS: usize = 128;

/// Where a verdict comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Origin {
    /// A decision since training.
    Live,
    /// The users table that the model was trained on.
    Trained,
    /// Nobody said: the rule for unknown consents.
    Default,
}

/// A person's decision about a purpose, and who made it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Verdict {
    /// True if they do.
    pub allowed: bool,
    /// Where that comes from.
    pub origin: Origin,
    /// The user id that it was said under.
    pub user_id: Option<String>,
    /// When it was decided, unix milliseconds; of live decisions.
    pub at: Option<i64>,
}

/// What a model and live state know together.
#[derive(Clone, Copy)]
pub struct Known<'a> {
    /// Live state, if there is any.
    pub live: Option<&'a Live>,
    /// The model's users and what they allow, if there is a model.
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
            // Of several, a decision since training says more.
            if yes.as_ref().is_none_or(|yes| yes.origin != Origin::Live) {
                yes = Some(verdict);
            }
        }
        let allowed = self.model.is_some_and(|(_, consents)| consents.unknown(purpose));
        yes.unwrap_or(Verdict { allowed, origin: Origin::Default, user_id: None, at: None })
    }

    /// True if anybody in the model, or anybody who decided since, refuses `purpose`.
    pub fn anyone_refuses(&self, purpose: Purpose) -> bool {
        let mut refused = self.model.is_some_and(|(_, consents)| consents.share(purpose) < 1.0);
        if let (Some(live), false) = (self.live, refused) {
            live.each_consent(None, |_, consent| {
                refused |= decided(purpose, consent).is_some_and(|decided| !decided.0)
            });
        }
        refused
    }

    /// Sets the bits of the model's users to what their people allow: those with live records among `user_ids` (`None`: all), and
    /// those who are one person with them.
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

    /// What was said under one user id.
    fn said(&self, purpose: Purpose, user_id: &str, consent: &Consent) -> Option<Verdict> {
        if let Some(Stamped(allowed, at)) = decided(purpose, consent) {
            return Some(Verdict { allowed, origin: Origin::Live, user_id: None, at: Some(at) });
        }
        let (snapshot, consents) = self.model?;
        let allowed = consents.trained(purpose, snapshot.users.ix(user_id)?)?;
        Some(Verdict { allowed, origin: Origin::Trained, user_id: None, at: None })
    }
}

/// What a record decides about `purpose`.
fn decided(purpose: Purpose, consent: &Consent) -> Option<Stamped<bool>> {
    match purpose {
        Purpose::Contact => consent.contact,
        Purpose::Personalization => consent.personalization,
    }
}
