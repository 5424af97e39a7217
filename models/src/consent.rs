//! Consent: which users of one snapshot may be contacted, and which may get personal answers.
//!
//! One bit per user and purpose. The bits are computed once per snapshot, from its users table and the shop's
//! [`ConsentPolicy`], and changed in place when people decide ([`Consents::set`]), like the overlay of items. Reading
//! is one relaxed load; readers never wait. A view without consents, as in training and evaluation, allows everything.

use std::str::FromStr;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

use serde::Deserialize;

use crate::ids::UserIx;
use crate::index::user_attributes::{CONSENT_CONTACT, CONSENT_PERSONALIZATION, UserAttributes};

/// The purpose of a consent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[repr(usize)]
pub enum Purpose {
    /// Contact: being listed in audiences.
    Contact,
    /// Personal answers.
    Personalization,
}

impl Purpose {
    /// All of them, by number.
    pub const ALL: [Self; 2] = [Self::Contact, Self::Personalization];

    /// The column of the users table.
    pub fn column(self) -> &'static str {
        match self {
            Self::Contact => CONSENT_CONTACT,
            Self::Personalization => CONSENT_PERSONALIZATION,
        }
    }
}

/// The rule for users without a recorded consent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Unknown {
    /// They allow it.
    Allow,
    /// They do not allow it.
    Deny,
    /// They do not allow it if the users table has the column of the purpose: a shop that asks treats no answer as a
    /// refusal.
    DenyIfRecorded,
}

/// The error of a text that names no [`Unknown`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("one of allow, deny, deny_if_recorded")]
pub struct UnknownName;

impl FromStr for Unknown {
    type Err = UnknownName;

    fn from_str(name: &str) -> Result<Self, UnknownName> {
        match name {
            "allow" => Ok(Self::Allow),
            "deny" => Ok(Self::Deny),
            "deny_if_recorded" => Ok(Self::DenyIfRecorded),
            _ => Err(UnknownName),
        }
    }
}

/// The rule for users without a recorded consent, by purpose. `docs/decisions/0071-consent.md` explains the defaults.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ConsentPolicy {
    /// For contact.
    pub contact: Unknown,
    /// For personal answers.
    pub personalization: Unknown,
}

impl Default for ConsentPolicy {
    fn default() -> Self {
        Self { contact: Unknown::DenyIfRecorded, personalization: Unknown::Allow }
    }
}

/// The current consents of one snapshot's users.
#[derive(Debug)]
pub struct Consents {
    /// Shares the snapshot's memory.
    trained: UserAttributes,
    purposes: [Allowed; Purpose::ALL.len()],
}

/// The users who allow one purpose.
#[derive(Debug)]
struct Allowed {
    /// One bit per user.
    bits: Box<[AtomicU64]>,
    /// Users without it.
    denied: AtomicUsize,
    /// True if users without a recorded consent allow it.
    unknown: bool,
}

impl Consents {
    /// The consents recorded in the users table, and those of `policy` for users without one.
    pub fn new(trained: &UserAttributes, policy: ConsentPolicy) -> Self {
        let recorded = |purpose: Purpose| trained.consent_names().any(|name| name == purpose.column());
        let purposes = Purpose::ALL.map(|purpose| {
            let rule = match purpose {
                Purpose::Contact => policy.contact,
                Purpose::Personalization => policy.personalization,
            };
            let unknown = match rule {
                Unknown::Allow => true,
                Unknown::Deny => false,
                Unknown::DenyIfRecorded => !recorded(purpose),
            };
            Allowed::new(trained, purpose, unknown)
        });
        Self { trained: trained.clone(), purposes }
    }

    /// True if `user` allows `purpose` now.
    #[inline]
    pub fn allows(&self, purpose: Purpose, user: UserIx) -> bool {
        let bits = &self.purposes[purpose as usize].bits;
        bits[user as usize / 64].load(Ordering::Relaxed) >> (user % 64) & 1 == 1
    }

    /// Sets whether `user` allows `purpose`; does nothing if the snapshot has no such user. Writers of one user must
    /// take turns; readers need not.
    pub fn set(&self, purpose: Purpose, user: UserIx, allowed: bool) {
        if user as usize >= self.trained.len() {
            return;
        }
        let of = &self.purposes[purpose as usize];
        let (word, bit) = (&of.bits[user as usize / 64], 1u64 << (user % 64));
        let before = match allowed {
            true => word.fetch_or(bit, Ordering::Relaxed),
            false => word.fetch_and(!bit, Ordering::Relaxed),
        };
        match (before & bit != 0, allowed) {
            (true, false) => drop(of.denied.fetch_add(1, Ordering::Relaxed)),
            (false, true) => drop(of.denied.fetch_sub(1, Ordering::Relaxed)),
            _ => {}
        }
    }

    /// The consent recorded for `user` in the users table; `None` if there is none.
    pub fn trained(&self, purpose: Purpose, user: UserIx) -> Option<bool> {
        self.trained.consent(user, purpose.column())
    }

    /// True if users without a recorded consent allow `purpose`.
    pub fn unknown(&self, purpose: Purpose) -> bool {
        self.purposes[purpose as usize].unknown
    }

    /// Share of the users who allow `purpose`, `0..=1`; 1 without users.
    pub fn share(&self, purpose: Purpose) -> f64 {
        let users = self.trained.len().max(1) as f64;
        1.0 - self.purposes[purpose as usize].denied.load(Ordering::Relaxed) as f64 / users
    }
}

impl Allowed {
    fn new(trained: &UserAttributes, purpose: Purpose, unknown: bool) -> Self {
        let mut words = vec![0u64; trained.len().div_ceil(64)];
        let mut denied = 0;
        for (user, said) in trained.consents(purpose.column()).enumerate() {
            let allows = said.unwrap_or(unknown);
            words[user / 64] |= u64::from(allows) << (user % 64);
            denied += usize::from(!allows);
        }
        Self { bits: words.into_iter().map(AtomicU64::new).collect(), denied: denied.into(), unknown }
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]
    use super::*;
    use crate::index::user_attributes::UserAttribute;
    use Purpose::{Contact, Personalization};

    fn said(contact: Option<bool>) -> UserAttribute {
        UserAttribute { consents: vec![(CONSENT_CONTACT.to_owned(), contact)], ..UserAttribute::default() }
    }

    /// Two users who allow and refuse contact, and 70 without a recorded consent.
    fn attributes() -> UserAttributes {
        let mut users = vec![said(Some(true)), said(Some(false))];
        users.resize(72, UserAttribute::default());
        UserAttributes::new(&users).unwrap()
    }

    #[test]
    fn silence_is_what_the_policy_says() {
        let with = |contact| {
            let consents =
                Consents::new(&attributes(), ConsentPolicy { contact, personalization: Unknown::Allow });
            [0, 1, 2, 71].map(|user| consents.allows(Contact, user))
        };
        assert_eq!(with(Unknown::Allow), [true, false, true, true]);
        assert_eq!(with(Unknown::Deny), [true, false, false, false]);
        assert_eq!(with(Unknown::DenyIfRecorded), [true, false, false, false]);
        let asked = UserAttributes::new(&[said(None), UserAttribute::default()]).unwrap();
        assert!(!Consents::new(&asked, ConsentPolicy::default()).allows(Contact, 1), "a shop that asks");
        let none = UserAttributes::new(&vec![UserAttribute::default(); 3]).unwrap();
        let unrecorded = Consents::new(&none, ConsentPolicy::default());
        assert!(unrecorded.allows(Contact, 2), "a shop that records no consents asks elsewhere");
        assert!((unrecorded.share(Contact) - 1.0).abs() < 1e-9);
    }

    #[test]
    fn a_decision_changes_one_bit_and_the_share() {
        let consents = Consents::new(&attributes(), ConsentPolicy::default());
        assert!((consents.share(Contact) - 1.0 / 72.0).abs() < 1e-9);
        consents.set(Contact, 71, true);
        consents.set(Contact, 71, true);
        consents.set(Contact, 0, false);
        consents.set(Contact, 72, false);
        assert_eq!([0, 1, 70, 71].map(|user| consents.allows(Contact, user)), [false, false, false, true]);
        assert!((consents.share(Contact) - 1.0 / 72.0).abs() < 1e-9);
        assert!(consents.allows(Personalization, 0), "another purpose");
        assert_eq!([0, 1, 2].map(|user| consents.trained(Contact, user)), [Some(true), Some(false), None]);
    }

    #[test]
    fn names_of_rules_are_read() {
        assert_eq!("deny_if_recorded".parse(), Ok(Unknown::DenyIfRecorded));
        assert_eq!("maybe".parse::<Unknown>(), Err(UnknownName));
    }
}
