//! Records in memory under the rules of One-ID, the identities of the tests, and the invariants of all records.

use std::collections::{BTreeMap, BTreeSet};

use qianmian_live::identity::Identity;
use qianmian_live::people::resolve::{describe, resolve};
use qianmian_live::people::{
    AuditAction, Key, LinkOutcome, LinkRequest, MAX_IDENTITIES, MAX_MEMBERS, Name, Person, Records, Refusal,
    Resolved, Stop, UndoOutcome, UndoRequest, link, undo,
};

#[derive(Debug, Default, Clone, PartialEq)]
pub struct MemoryStore {
    pub records: BTreeMap<Key, Vec<u8>>,
    pub ticks: i64,
    /// Expected number of identities.
    pub identities: i64,
}

impl MemoryStore {
    pub fn run<T>(&mut self, rule: impl Fn(&mut Records) -> Result<T, Stop>) -> Result<T, Refusal> {
        let mut records = Records::default();
        for round in 0.. {
            assert!(round < 8, "a rule reads in a few rounds");
            match records.run(&rule) {
                Ok(Some(value)) => {
                    self.identities += records.growth();
                    for (key, value) in records.written() {
                        match value {
                            Some(value) => self.records.insert(key.clone(), value.to_vec()),
                            None => self.records.remove(key),
                        };
                    }
                    return Ok(value);
                }
                Ok(None) => {
                    for key in records.missing() {
                        let value = self.records.get(&key).cloned();
                        records.supply(key, value);
                    }
                }
                Err(Stop::Refused(refusal)) => {
                    assert_eq!(records.written().count(), 0, "what is refused changes nothing");
                    return Err(refusal);
                }
                Err(other) => panic!("{other:?}"),
            }
        }
        unreachable!()
    }

    pub fn link(&mut self, user_id: Option<&str>, identities: &[Identity]) -> Result<LinkOutcome, Refusal> {
        self.ticks += 1;
        let request = LinkRequest {
            user_id: user_id.map(str::to_owned),
            identities: identities.to_vec(),
            at: self.ticks,
            request_id: self.ticks.to_string(),
            source: None,
        };
        self.run(|records| link(records, &request))
    }

    pub fn undo(&mut self, merge_id: &str) -> UndoOutcome {
        self.ticks += 1;
        let request = UndoRequest {
            merge_id: merge_id.to_owned(),
            at: self.ticks,
            request_id: self.ticks.to_string(),
            source: None,
        };
        self.run(|records| undo(records, &request)).unwrap()
    }

    pub fn resolve(&mut self, names: &[Name<'_>]) -> Resolved {
        self.run(|records| resolve(records, names)).unwrap()
    }

    /// The leading user id of the person with this identity.
    pub fn who(&mut self, identity: &Identity) -> Option<String> {
        Name::of_identity(identity).and_then(|name| self.resolve(&[name]).user_ids.first().cloned())
    }

    pub fn person(&mut self, user_id: &str) -> Person {
        self.run(|records| describe(records, user_id, 0)).unwrap().person
    }

    pub fn actions(&mut self, user_id: &str) -> Vec<AuditAction> {
        let described = self.run(|records| describe(records, user_id, 0)).unwrap();
        described.audit.into_iter().map(|entry| entry.action).collect()
    }

    /// All stored people, by leading user id.
    pub fn people(&mut self) -> BTreeMap<String, Person> {
        let ids: Vec<String> = self
            .records
            .keys()
            .filter_map(|key| if let Key::User(id) = key { Some(id.clone()) } else { None })
            .collect();
        ids.iter().map(|id| self.person(id)).map(|person| (person.user_id().to_owned(), person)).collect()
    }
}

pub fn id(kind: &str, value: &str) -> Identity {
    Identity::check(kind, value).unwrap()
}

pub fn phone(n: u32) -> Identity {
    id("phone_sha256", &format!("{n:064x}"))
}

pub fn device(value: &str) -> Identity {
    id("device_id", value)
}

pub fn card(value: &str) -> Identity {
    id("member_card", value)
}

pub fn cookie(value: &str) -> Identity {
    id("cookie", value)
}

/// The invariants of all records after any sequence of links.
pub fn check(book: &mut MemoryStore) {
    let people = book.people();
    let (mut ids, mut identities, mut merges) = (BTreeSet::new(), BTreeSet::new(), BTreeSet::new());
    for person in people.values() {
        assert!(person.members.len() <= MAX_MEMBERS && person.identities.len() <= MAX_IDENTITIES);
        assert!(person.members.iter().filter(|member| member.given).count() <= 1, "{person:?}");
        assert!(person.members[1..].iter().all(|member| !member.given && member.merge.is_some()));
        assert!(person.members[0].merge.is_none());
        for member in &person.members {
            assert!(ids.insert(member.user_id.clone()), "a user id of two people");
            if let Some(merge) = &member.merge {
                assert!(person.member(&merge.into).is_some());
                assert!(merges.insert(Key::Merge(merge.id.clone())));
            }
        }
        for linked in &person.identities {
            assert!(identities.insert(linked.identity.clone()), "an identity of two people");
            assert!(person.member(&linked.of).is_some());
            assert_eq!(book.who(&linked.identity).as_deref(), Some(person.user_id()));
        }
    }
    let kept = book.records.keys().filter(|key| matches!(key, Key::Identity(_))).count();
    assert_eq!(kept as i64, book.identities);
    for (key, value) in &book.records {
        match key {
            Key::Identity(identity) => assert_eq!(identities.contains(identity), value != b"null"),
            Key::User(id) => assert!(ids.contains(id)),
            Key::Merge(_) => assert!(merges.contains(key)),
            Key::Audit(id) => assert!(ids.contains(id)),
        }
    }
}
