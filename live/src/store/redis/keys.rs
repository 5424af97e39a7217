//! The names of what is kept in Redis.
//!
//! | key | type | holds |
//! |---|---|---|
//! | `{qm:<shop>}:log` | stream | the events, each under its number plus one |
//! | `{qm:<shop>}:seen:<event id>` | string | fingerprint (16 bytes), then when it was received |
//! | `{qm:<shop>:items}:states` | hash | by item id: version, a space, the `ItemState` as JSON |
//! | `{qm:<shop>:items}:changes` | stream | the latest of those states, each under its version |
//! | `qm:<shop>:{u:<user id>}:touches`, `:facts`, `:exposures` | sorted set | the marks of that class by name, scored by their time |
//! | `qm:<shop>:{s:<session id>}:...` | the same | of a visit |
//! | `qm:<shop>:{i<number of the type>:<value>}:...` | the same | of an identity |
//! | `{qm:<shop>:people}:records` | hash | by key as [`identity::records`](crate::identity::records) says, its record; `n`, how many identities there are |
//!
//! What stands in braces decides where in a Redis Cluster a key lives (its hash tag), so that what one script
//! or one pipeline touches lives together. `{`, `}` and `%` of an id are written as `%` and two hex digits: an
//! id can neither end the tag nor reach another id's keys. The name of a shop holds none of them.

use crate::store::Name;
use crate::user::Class;

/// The keys of one shop.
#[derive(Debug, Clone)]
pub(super) struct Keys {
    shop: String,
    pub(super) log: String,
    pub(super) states: String,
    pub(super) changes: String,
    pub(super) people: String,
}

impl Keys {
    pub(super) fn new(shop: &str) -> Self {
        Self {
            log: format!("{{qm:{shop}}}:log"),
            states: format!("{{qm:{shop}:items}}:states"),
            changes: format!("{{qm:{shop}:items}}:changes"),
            people: format!("{{qm:{shop}:people}}:records"),
            shop: shop.to_owned(),
        }
    }

    pub(super) fn seen(&self, event_id: &str) -> String {
        // The tag is before the id, so that whatever the id holds is no part of it.
        format!("{{qm:{}}}:seen:{event_id}", self.shop)
    }

    /// What the keys of a name have in common.
    pub(super) fn name(&self, name: &Name<'_>) -> String {
        match name {
            Name::User(id) => format!("qm:{}:{{u:{}}}", self.shop, escaped(id)),
            Name::Session(id) => format!("qm:{}:{{s:{}}}", self.shop, escaped(id)),
            Name::Identity(identity) => {
                format!("qm:{}:{{i{}:{}}}", self.shop, identity.kind() as u8, escaped(identity.value()))
            }
        }
    }

    pub(super) fn user(&self, name: &Name<'_>, class: Class) -> String {
        let class = match class {
            Class::Touch => "touches",
            Class::Fact => "facts",
            Class::Exposure => "exposures",
        };
        format!("{}:{class}", self.name(name))
    }
}

fn escaped(id: &str) -> String {
    let mut escaped = String::with_capacity(id.len());
    for c in id.chars() {
        match c {
            '%' => escaped.push_str("%25"),
            '{' => escaped.push_str("%7b"),
            '}' => escaped.push_str("%7d"),
            c => escaped.push(c),
        }
    }
    escaped
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What a Redis Cluster hashes of a key: what stands between the first `{` and the next `}`.
    fn tag(key: &str) -> &str {
        let inside = key.split_once('{').map_or(key, |(_, inside)| inside);
        inside.split_once('}').map_or(key, |(tag, _)| tag)
    }

    #[test]
    fn an_id_can_neither_leave_its_tag_nor_reach_another_ids_keys() {
        let keys = Keys::new("tea");
        for id in ["plain", "}", "{}", "a}b{c", "%7d", "{x}:touches", "用户"] {
            let all = Class::ALL.map(|class| keys.user(&Name::User(id), class));
            assert_eq!(tag(&all[0]), format!("u:{}", escaped(id)), "{all:?}");
            assert!(all.iter().all(|key| tag(key) == tag(&all[0])), "{all:?}");
            assert_eq!(tag(&keys.seen(id)), tag(&keys.log));
        }
        let key = |name| keys.user(&name, Class::Touch);
        assert_ne!(key(Name::User("}")), key(Name::User("%7d")));
        assert_ne!(key(Name::User("x")), key(Name::Session("x")));
        assert_eq!(tag(&keys.states), tag(&keys.changes));
    }
}
