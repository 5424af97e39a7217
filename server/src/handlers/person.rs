//! The person of a call: named by a user id or by identities, found in live state and in the model.

use qianmian_live::check::Fault;
use qianmian_live::identity::Identity;
use qianmian_live::people::{Known, Name};
use qianmian_models::ids::{ItemIx, UserIx};
use qianmian_models::snapshot::Snapshot;
use serde::Deserialize;
use utoipa::ToSchema;

use crate::app::Shop;
use crate::fields::{Id, IdentityTypeName, Object};
use crate::guard::Caller;
use crate::live::USER_STATE;
use crate::problem::{Code, Problem};

/// Most identities by which one call may name a person.
const MAX_NAMES: usize = 16;
/// Most purchases that count under each of a person's other user ids; the latest ones.
const MAX_ALSO: usize = 30;

/// A person: `id` or `ids`.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct UserRef<'a> {
    /// Their id, as in the orders, or any other of their user ids.
    #[serde(borrow, default)]
    id: Option<Id<'a>>,
    /// Identities by which channels know them, most trusted first: the first that belongs to a person decides.
    #[serde(borrow, default)]
    #[schema(value_type = Vec<IdentityRef<'a>>, min_items = 1, max_items = 16)]
    ids: Vec<Object<IdentityRef<'a>>>,
}

/// An identity: a name by which a channel knows a person.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct IdentityRef<'a> {
    /// The channel, or what the name is taken from.
    #[serde(borrow)]
    #[schema(value_type = IdentityTypeName)]
    pub(super) r#type: Id<'a>,
    /// 1 to 256 bytes. A phone number or an e-mail address is refused: send its SHA-256.
    #[serde(borrow)]
    pub(super) value: Id<'a>,
}

/// The person of a call, checked.
#[derive(Debug, Default)]
pub struct Who<'a> {
    user_id: Option<&'a str>,
    identities: Vec<Identity>,
}

impl<'a> UserRef<'a> {
    /// The person with this user id.
    pub fn of(id: Id<'a>) -> Self {
        Self { id: Some(id), ids: Vec::new() }
    }

    /// The person, checked.
    ///
    /// # Errors
    /// Neither `id` nor `ids`, both, too many, or an invalid identity.
    pub fn who(&self) -> Result<Who<'_>, Problem> {
        match (&self.id, self.ids.len()) {
            (Some(id), 0) => Ok(Who { user_id: Some(id.as_str()), identities: Vec::new() }),
            (None, 0) => {
                let detail = "missing field `id`: name the person by `id` or by `ids`";
                Err(Problem::new(Code::MissingField, detail).at_field("user.id"))
            }
            (Some(_), _) => {
                let detail = "name the person by `id` or by `ids`, not by both";
                Err(Problem::new(Code::InvalidField, detail).at_field("user.ids"))
            }
            (None, 1..=MAX_NAMES) => Ok(Who { user_id: None, identities: checked("user.ids", &self.ids)? }),
            (None, count) => Err(too_many("user.ids", count, MAX_NAMES)),
        }
    }
}

/// The person of a call. A storefront speaks for the user of its token and need not name them.
///
/// # Errors
/// An invalid person; for a storefront, another person than that of its token.
pub fn of_call<'c>(caller: &'c Caller, user: Option<&'c UserRef<'_>>) -> Result<Who<'c>, Problem> {
    let named = user.map(UserRef::who).transpose()?;
    let own = match caller {
        Caller::Server => return Ok(named.unwrap_or_default()),
        Caller::Storefront(own) => own.as_deref(),
    };
    match named {
        Some(Who { user_id: Some(user_id), .. }) if own == Some(user_id) => {}
        None => {}
        Some(_) => {
            let detail = "a storefront key speaks for the user of its `x-user-token` alone, by user id";
            return Err(Problem::new(Code::ForeignUser, detail).at_field("user"));
        }
    }
    Ok(Who { user_id: own, identities: Vec::new() })
}

/// The identities of a list, checked; `field` is the path of the list.
///
/// # Errors
/// The first invalid one.
pub fn checked(field: &str, identities: &[Object<IdentityRef<'_>>]) -> Result<Vec<Identity>, Problem> {
    let check = |(n, Object(identity)): (usize, &Object<IdentityRef<'_>>)| {
        Identity::check(identity.r#type.as_str(), identity.value.as_str())
            .map_err(|fault| wrong(&format!("{field}[{n}]"), fault))
    };
    identities.iter().enumerate().map(check).collect()
}

/// The problem with the identity at `path`.
pub fn wrong(path: &str, fault: Fault) -> Problem {
    let problem = Problem::new(Code::InvalidField, fault.reason).at_field(format!("{path}.{}", fault.field));
    problem.nearest(fault.nearest.map(str::to_owned))
}

/// The problem that a list has too many elements.
pub fn too_many(field: &str, count: usize, most: usize) -> Problem {
    Problem::new(Code::InvalidField, format!("1 to {most} identities, not {count}")).at_field(field)
}

impl Who<'_> {
    /// The name under which a person holds what only so many may have: the leading user id of a person who is known, by
    /// whatever name they come; else the name that was given, as a hash.
    pub fn holder(&self, known: &Known) -> Option<String> {
        let user_id = known.user_ids.first().map(String::as_str).or(self.user_id);
        let identity = || self.identities.first().and_then(Name::of_identity);
        let name = user_id.map(Name::User).or_else(identity)?;
        Some(format!("{:032x}", name.fingerprint()))
    }

    /// True if the call names a person.
    pub fn is_named(&self) -> bool {
        self.user_id.is_some() || !self.identities.is_empty()
    }

    /// The names of the person in the call, each after its kind.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        let user = self.user_id.into_iter().flat_map(|id| ["user", id]);
        user.chain(self.identities.iter().flat_map(|identity| [identity.kind().name(), identity.value()]))
    }

    /// Their live state and that of the session `session_id`, and the parts that did not answer. If live state fails, a
    /// user id is used alone.
    pub async fn known(
        &self,
        shop: &Shop,
        session_id: Option<&str>,
        now: i64,
    ) -> (Known, &'static [&'static str]) {
        let user = self.user_id.map(Name::User);
        let identities = self.identities.iter().filter_map(Name::of_identity);
        let names: Vec<Name<'_>> =
            user.into_iter().chain(identities).chain(session_id.map(Name::Session)).collect();
        let alone =
            || Known { user_ids: self.user_id.map(str::to_owned).into_iter().collect(), ..Known::default() };
        match shop.live_store() {
            None => (alone(), &[]),
            Some(_) if names.is_empty() => (Known::default(), &[]),
            Some(live) => match live.user(&names, now).await {
                Some(known) if known.partial => (known, &[USER_STATE]),
                Some(known) => (known, &[]),
                None => (alone(), &[USER_STATE]),
            },
        }
    }
}

/// A person in the model: the one of their user ids with most different items bought, and the others that the
/// model knows.
pub fn in_model(snapshot: &Snapshot, user_ids: &[String]) -> (Option<UserIx>, Vec<UserIx>) {
    let mut users: Vec<UserIx> = user_ids.iter().filter_map(|id| snapshot.users.ix(id)).collect();
    // The first of ties, because the first is the person's main user id.
    let bought = |user: UserIx| snapshot.history.ixs(user).len();
    let best = (0..users.len()).rev().max_by_key(|&n| bought(users[n]));
    (best.map(|n| users.remove(n)), users)
}

/// Items bought under these user ids, each with its decayed weight (`0..=1`), heaviest first, and its last purchase,
/// unix seconds.
pub fn bought_as(snapshot: &Snapshot, users: &[UserIx]) -> Vec<(ItemIx, f32, i64)> {
    let latest = |&user: &UserIx| snapshot.history.of(user).take(MAX_ALSO);
    let bought = users.iter().flat_map(latest);
    let mut bought: Vec<_> =
        bought.map(|p| (p.ix, p.decayed.clamp(1e-6, 1.0), i64::from(p.last_at))).collect();
    bought.sort_by(|a, b| b.1.total_cmp(&a.1).then(a.0.cmp(&b.0)));
    bought.truncate(2 * MAX_ALSO);
    bought
}
