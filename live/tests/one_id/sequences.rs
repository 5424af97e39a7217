//! Invariants of One-ID after any sequence of links and undos.

use std::collections::BTreeSet;

use proptest::prelude::*;
use qianmian_live::identity::{Identity, IdentityType};
use qianmian_live::people::{IdentityStatus, LinkStatus, Person, UndoOutcome};

use super::memory_store::{MemoryStore, check, id};

/// A link or an undo, from a small set of names, so that they collide often.
#[derive(Debug, Clone)]
enum Said {
    Link(Option<u8>, Vec<(u8, u8)>),
    Undo(u8),
}

fn said() -> impl Strategy<Value = Said> {
    let names = prop::collection::vec((0u8..6, 0u8..5), 1..4);
    prop_oneof![
        6 => (prop::option::weighted(0.4, 0u8..4), names).prop_map(|(user, names)| Said::Link(user, names)),
        1 => any::<u8>().prop_map(Said::Undo),
    ]
}

fn of_world((kind, value): (u8, u8)) -> Identity {
    let kinds = ["phone_sha256", "member_card", "tmall", "device_id", "cookie", "store_tablet"];
    id(kinds[usize::from(kind)], &format!("{value:064x}"))
}

proptest! {
    #[test]
    fn every_name_has_one_owner_after_any_links(all in prop::collection::vec(said(), 1..40)) {
        let mut book = MemoryStore::default();
        let mut merge_ids: Vec<String> = Vec::new();
        for said in all {
            match said {
                Said::Link(user, names) => {
                    let user = user.map(|n| format!("K{n}"));
                    let names: Vec<Identity> = names.into_iter().map(of_world).collect();
                    let carried = |person: &Person| -> BTreeSet<Identity> {
                        person.identities.iter().map(|linked| linked.identity.clone()).collect()
                    };
                    let before = book.clone();
                    let people = book.people();
                    if let Ok(outcome) = book.link(user.as_deref(), &names) {
                        for merged in &outcome.merges {
                            let (a, b) = (&people.get(outcome.user_id.as_deref().unwrap_or("")), &people[&merged.user_id]);
                            if let Some(a) = a {
                                let (a, b) = (carried(a), carried(b));
                                let strong = |set: &BTreeSet<Identity>| -> BTreeSet<IdentityType> {
                                    set.iter().map(Identity::kind).filter(|k| (*k as u8) < IdentityType::WechatOpenid as u8).collect()
                                };
                                prop_assert!(strong(&a).is_disjoint(&strong(&b)), "a strong conflict was merged");
                            }
                        }
                        merge_ids.extend(outcome.merges.iter().map(|merged| merged.merge_id.clone()));
                        let (after, ticks) = (book.records.clone(), book.ticks);
                        let again = book.link(user.as_deref(), &names).unwrap();
                        prop_assert_eq!(again.status, LinkStatus::Unchanged);
                        prop_assert_eq!(&again.user_id, &outcome.user_id);
                        prop_assert_eq!(&book.records, &after);
                        book.ticks = ticks;
                        // A link that only merged is undone without a trace, except in the audit trails.
                        let only_merged = outcome.merges.len() == 1 && !outcome.identities.contains(&IdentityStatus::Linked)
                            && outcome.identities.iter().zip(&names).all(|(s, n)| *s == IdentityStatus::Known || n.kind() == IdentityType::StoreTablet);
                        if only_merged && people.contains_key(outcome.user_id.as_deref().unwrap_or("")) {
                            let mut undone = book.clone();
                            undone.undo(&outcome.merges[0].merge_id);
                            prop_assert_eq!(undone.people(), people);
                        }
                    } else {
                        prop_assert_eq!(&book.records, &before.records);
                    }
                }
                Said::Undo(n) if !merge_ids.is_empty() => {
                    let merge_id = merge_ids[usize::from(n) % merge_ids.len()].clone();
                    book.undo(&merge_id);
                    prop_assert_eq!(book.undo(&merge_id), UndoOutcome::Unchanged);
                }
                Said::Undo(_) => {}
            }
            check(&mut book);
        }
    }
}
