//! The names under which live state is kept.

use xxhash_rust::xxh3::xxh3_128;

use crate::event::Event;
use crate::identity::{Identity, IdentityType, Strength};

/// One name of a user, under which state is stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Name<'a> {
    /// A user id.
    User(&'a str),
    /// The id of a visit whose user is not known.
    Session(&'a str),
    /// An identity in a channel; visits are [`Session`](Self::Session), shared identities are no name.
    Identity(&'a Identity),
}

impl<'a> Name<'a> {
    /// The name under which an event counts: its user id, else its identity, else its visit; `None` if it has none of
    /// them. The owner of the name is resolved when state is read.
    pub fn of(event: &'a Event) -> Option<Self> {
        let user = event.user_id.as_deref().map(Self::User);
        let identity = || event.identity.as_ref().and_then(Self::of_identity);
        user.or_else(identity).or(event.session_id.as_deref().map(Self::Session))
    }

    /// 128-bit hash of the name: equal for equal names, on every server and in every version.
    pub fn fingerprint(self) -> u128 {
        let (kind, value) = match self {
            Self::User(id) => ("user", id),
            Self::Session(id) => ("session", id),
            Self::Identity(identity) => (identity.kind().name(), identity.value()),
        };
        xxh3_128(&[kind.as_bytes(), b"\0", value.as_bytes()].concat())
    }

    /// The name of an identity; `None` for shared identities, which identify nobody.
    pub fn of_identity(identity: &'a Identity) -> Option<Self> {
        match identity.kind() {
            IdentityType::Session => Some(Self::Session(identity.value())),
            kind if kind.strength() == Strength::Shared => None,
            _ => Some(Self::Identity(identity)),
        }
    }
}
