//! The keys in Redis.
//!
//! | key | type | holds |
//! |---|---|---|
//! | `{qm:<shop>}:log` | stream | the events, each under its number plus one |
//! | `{qm:<shop>}:epoch` | hash | the confirmed incarnation of Redis (`epoch.lua`) |
//! | `{qm:<shop>}:seen:<event id>` | string | fingerprint (16 bytes), then the time of receipt |
//! | `{qm:<shop>:items}:states` | hash | by item id: version, a space, the `ItemState` as JSON |
//! | `{qm:<shop>:items}:changes` | stream | the latest of those states, each under its version |
//! | `{qm:<shop>:items}:epoch` | hash | as above |
//! | `{qm:<shop>:consents}:states`, `:changes`, `:epoch` | | the same for the `Consent` of each user id |
//! | `qm:<shop>:{u:<user id>}:touches`, `:facts`, `:exposures` | sorted set | the marks of that class by name, scored by their time |
//! | `qm:<shop>:{s:<session id>}:...` | the same | of a visit |
//! | `qm:<shop>:{i<number of the type>:<value>}:...` | the same | of an identity |
//! | `{qm:<shop>:documents}:<kind>:metas` | hash | by name: current revision, a space, the meta as JSON |
//! | `{qm:<shop>:documents}:<kind>:records` | hash | by name, 0 and revision: the record of a revision |
//! | `{qm:<shop>:documents}:<kind>:deleted` | sorted set | names of deleted documents by the revision that did it |
//! | `{qm:<shop>:documents}:changes` | stream | the latest changes: kind and name, each under its revision |
//! | `{qm:<shop>:documents}:epoch` | hash | as above |
//! | `{qm:<shop>:counters}:...` | | see [`counters`](super::counters) |
//! | `{qm:<shop>:people}:records` | hash | the records of [`people::records`](crate::people::records) by key; `n`, the number of identities |
//!
//! The part in braces (the hash tag) decides the slot of a key in a Redis Cluster, so that the keys of one script or
//! one pipeline share a slot. `{`, `}` and `%` of an id are written as `%` and two hex digits: an id can neither end
//! the tag nor reach another id's keys. The name of a shop contains none of them.

use crate::people::Name;
use crate::people::state::Class;

/// The keys of one shop.
#[derive(Debug, Clone)]
pub(super) struct Keys {
    shop: String,
    pub(super) log: String,
    pub(super) epoch: String,
    pub(super) items: ReplicaKeys,
    pub(super) consents: ReplicaKeys,
    pub(super) people: String,
    pub(super) counters: String,
    pub(super) document_changes: String,
    pub(super) documents_epoch: String,
}

/// The keys of one kind of replicated record.
#[derive(Debug, Clone)]
pub(super) struct ReplicaKeys {
    pub(super) states: String,
    pub(super) changes: String,
    pub(super) epoch: String,
}

impl ReplicaKeys {
    fn new(shop: &str, kind: &str) -> Self {
        let key = |part: &str| format!("{{qm:{shop}:{kind}}}:{part}");
        Self { states: key("states"), changes: key("changes"), epoch: key("epoch") }
    }
}

impl Keys {
    pub(super) fn new(shop: &str) -> Self {
        Self {
            log: format!("{{qm:{shop}}}:log"),
            epoch: format!("{{qm:{shop}}}:epoch"),
            items: ReplicaKeys::new(shop, "items"),
            consents: ReplicaKeys::new(shop, "consents"),
            counters: format!("{{qm:{shop}:counters}}"),
            document_changes: format!("{{qm:{shop}:documents}}:changes"),
            documents_epoch: format!("{{qm:{shop}:documents}}:epoch"),
            people: format!("{{qm:{shop}:people}}:records"),
            shop: shop.to_owned(),
        }
    }

    pub(super) fn seen(&self, event_id: &str) -> String {
        // The tag comes before the id, so that no id can change it.
        format!("{{qm:{}}}:seen:{event_id}", self.shop)
    }

    /// A key of the documents of a kind.
    pub(super) fn documents(&self, kind: &str, part: &str) -> String {
        format!("{{qm:{}:documents}}:{kind}:{part}", self.shop)
    }

    /// The common part of a name's keys.
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

    /// The part of a key that a Redis Cluster hashes: between the first `{` and the next `}`.
    fn tag(key: &str) -> &str {
        let inside = key.split_once('{').map_or(key, |(_, inside)| inside);
        inside.split_once('}').map_or(key, |(tag, _)| tag)
    }

    #[test]
    fn an_id_cannot_leave_its_hash_tag() {
        let keys = Keys::new("tea");
        for id in ["plain", "}", "{}", "a}b{c", "%7d", "{x}:touches", "用户"] {
            let all = Class::ALL.map(|class| keys.user(&Name::User(id), class));
            assert_eq!(tag(&all[0]), format!("u:{}", escaped(id)), "{all:?}");
            assert!(all.iter().all(|key| tag(key) == tag(&all[0])), "{all:?}");
            assert_eq!(tag(&keys.seen(id)), tag(&keys.log));
            assert_eq!(tag(&keys.epoch), tag(&keys.log));
        }
        let key = |name| keys.user(&name, Class::Touch);
        assert_ne!(key(Name::User("}")), key(Name::User("%7d")));
        assert_ne!(key(Name::User("x")), key(Name::Session("x")));
        assert_eq!(tag(&keys.items.states), tag(&keys.items.changes));
        assert_eq!(tag(&keys.items.states), tag(&keys.items.epoch));
        assert_eq!(tag(&keys.documents("scene", "metas")), tag(&keys.documents_epoch));
    }
}
