//! Whom a call speaks of: a user id, or identities; and what is known of them, live and in the model.

use qianmian_live::check::Fault;
use qianmian_live::identity::Identity;
use qianmian_live::people::{Known, Name};
use qianmian_models::ids::{ItemIx, UserIx};
use qianmian_models::snapshot::Snapshot;
use serde::Deserialize;
use utoipa::ToSchema;

use crate::app::Shop;
use crate::fields::{Id, Object};
use crate::live::USER_STATE;
use crate::problem::{Code, Problem};

/// Identities that one call may name a person by.
const MAX_NAMES: usize = 16;
/// What a person bought under their other user ids: the latest so many of each.
const MAX_ALSO: usize = 30;

/// A person: `id` or `ids`.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct UserRef<'a> {
    /// Their id, as in the orders, or any other user id that is theirs.
    #[serde(borrow, default)]
    id: Option<Id<'a>>,
    /// Names by which channels know them, in the order of trust: the first that is somebody's says who it is.
    #[serde(borrow, default)]
    #[schema(value_type = Vec<IdentityRef<'a>>, min_items = 1, max_items = 16)]
    ids: Vec<Object<IdentityRef<'a>>>,
}

/// A name by which a channel knows somebody.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct IdentityRef<'a> {
    /// `wechat_unionid`, `phone_sha256`, `email_sha256`, `member_card`, `tmall`, `jd`, `douyin`, `kuaishou`,
    /// `xiaohongshu`, `pinduoduo`, `meituan`, `alipay`, `wechat_openid`, `device_id`, `cookie`, `anonymous_id`,
    /// `session`, `store_tablet` or `household`.
    #[serde(borrow)]
    pub(super) r#type: Id<'a>,
    /// 1 to 256 bytes. A phone number or an e-mail address is refused: send its SHA-256.
    #[serde(borrow)]
    pub(super) value: Id<'a>,
}

/// Whom a call speaks of, checked.
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

    /// Whom it speaks of.
    ///
    /// # Errors
    /// Neither `id` nor `ids`, both, too many, or an identity that is not as it must be.
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

/// The identities of a list, checked; `field` is the path of the list.
///
/// # Errors
/// The first that is not as it must be.
pub fn checked(field: &str, identities: &[Object<IdentityRef<'_>>]) -> Result<Vec<Identity>, Problem> {
    let check = |(n, Object(identity)): (usize, &Object<IdentityRef<'_>>)| {
        Identity::check(identity.r#type.as_str(), identity.value.as_str())
            .map_err(|fault| wrong(&format!("{field}[{n}]"), fault))
    };
    identities.iter().enumerate().map(check).collect()
}

/// A problem with the identity at `path`.
pub fn wrong(path: &str, fault: Fault) -> Problem {
    let problem = Problem::new(Code::InvalidField, fault.reason).at_field(format!("{path}.{}", fault.field));
    problem.nearest(fault.nearest.map(str::to_owned))
}

/// That a list has too many elements.
pub fn too_many(field: &str, count: usize, most: usize) -> Problem {
    Problem::new(Code::InvalidField, format!("1 to {most} identities, not {count}")).at_field(field)
}

impl Who<'_> {
    /// What is known of them, and of the visit `session_id` beside; and the parts that could not be asked, where
    /// live state fails: then a user id stands for itself alone.
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

/// A person in the model: the one of their user ids that the model knows best, by different items bought, and
/// the others that it knows.
pub fn in_model(snapshot: &Snapshot, user_ids: &[String]) -> (Option<UserIx>, Vec<UserIx>) {
    let mut users: Vec<UserIx> = user_ids.iter().filter_map(|id| snapshot.users.ix(id)).collect();
    // The first of several that are known equally well: it is the one that the person goes by.
    let bought = |user: UserIx| snapshot.history.ixs(user).len();
    let best = (0..users.len()).rev().max_by_key(|&n| bought(users[n]));
    (best.map(|n| users.remove(n)), users)
}

/// What a person bought under these user ids: each item with how much it draws them (`0..=1`), most first, and when
/// they last bought it, unix seconds.
pub fn bought_as(snapshot: &Snapshot, users: &[UserIx]) -> Vec<(ItemIx, f32, i64)> {
    let latest = |&user: &UserIx| snapshot.history.of(user).take(MAX_ALSO);
    let bought = users.iter().flat_map(latest);
    let mut bought: Vec<_> =
        bought.map(|p| (p.ix, p.decayed.clamp(1e-6, 1.0), i64::from(p.last_at))).collect();
    bought.sort_by(|a, b| b.1.total_cmp(&a.1).then(a.0.cmp(&b.0)));
    bought.truncate(2 * MAX_ALSO);
    bought
}
