//! The rules of One-ID without a store: single cases, and invariants after any sequence of links and undos.

mod memory_store;
mod sequences;

use memory_store::{MemoryStore, card, check, cookie, device, id, phone};
use qianmian_live::identity::{Identity, IdentityType};
use qianmian_live::people::forget::forget;
use qianmian_live::people::resolve::resolve;
use qianmian_live::people::{
    AuditAction, IdentityStatus, Key, LinkStatus, MAX_IDENTITIES, MAX_MEMBERS, Name, Records, Refusal, Stop,
    UndoOutcome, audit,
};

#[test]
fn names_without_an_owner_become_a_new_person() {
    let mut book = MemoryStore::default();
    let outcome = book.link(Some("K"), &[card("c"), device("d")]).unwrap();
    assert_eq!((outcome.user_id.as_deref(), outcome.status), (Some("K"), LinkStatus::Created));
    assert_eq!(outcome.identities, [IdentityStatus::Linked; 2]);
    let outcome = book.link(None, &[device("e"), cookie("f")]).unwrap();
    assert_eq!((outcome.user_id.as_deref(), outcome.status), (Some("p_2"), LinkStatus::Created));
    assert!(!book.person("p_2").is_known() && book.person("K").is_known());
    assert_eq!(book.who(&device("d")).as_deref(), Some("K"));
}

#[test]
fn linking_the_same_names_again_changes_nothing() {
    let mut book = MemoryStore::default();
    book.link(Some("K"), &[card("c")]).unwrap();
    let outcome = book.link(None, &[card("c"), phone(1)]).unwrap();
    assert_eq!((outcome.user_id.as_deref(), outcome.status), (Some("K"), LinkStatus::Linked));
    assert_eq!(outcome.identities, [IdentityStatus::Known, IdentityStatus::Linked]);
    let before = book.records.clone();
    for said in [vec![card("c"), phone(1)], vec![phone(1), card("c"), card("c")]] {
        assert_eq!(book.link(Some("K"), &said).unwrap().status, LinkStatus::Unchanged);
    }
    assert_eq!(book.records, before, "a cycle changes nothing");
}

#[test]
fn a_log_in_merges_the_anonymous_person_into_the_known_one() {
    let mut book = MemoryStore::default();
    let anonymous = book.link(None, &[device("d"), cookie("k")]).unwrap().user_id.unwrap();
    let outcome = book.link(Some("K"), &[device("d")]).unwrap();
    assert_eq!((outcome.status, outcome.merges.len()), (LinkStatus::Merged, 1));
    assert_eq!(outcome.merges[0].user_id, anonymous);
    let of = book.resolve(&[Name::User(&anonymous)]);
    assert_eq!(of.user_ids, ["K".to_owned(), anonymous]);
    assert_eq!(of.identities, [device("d"), cookie("k")]);
    // For a person known by a strong identity, the result is the same.
    let anonymous = book.link(None, &[device("d2")]).unwrap().user_id.unwrap();
    book.link(Some("L"), &[card("c")]).unwrap();
    let outcome = book.link(None, &[device("d2"), card("c")]).unwrap();
    assert_eq!((outcome.user_id.as_deref(), &outcome.merges[0].user_id), (Some("L"), &anonymous));
}

#[test]
fn of_two_anonymous_people_the_older_one_stays() {
    let mut book = MemoryStore::default();
    let older = book.link(None, &[device("d")]).unwrap().user_id.unwrap();
    book.link(None, &[cookie("k")]).unwrap();
    let outcome = book.link(None, &[cookie("k"), device("d")]).unwrap();
    assert_eq!((outcome.user_id.unwrap(), outcome.merges.len()), (older, 1));
}

#[test]
fn two_people_who_carry_different_strong_identities_never_merge() {
    let mut book = MemoryStore::default();
    book.link(None, &[card("a"), phone(1)]).unwrap();
    book.link(None, &[id("tmall", "t"), phone(2)]).unwrap();
    let before = book.records.clone();
    let refused = book.link(None, &[card("a"), id("tmall", "t"), device("new")]);
    assert_eq!(refused, Err(Refusal::Carried(IdentityType::PhoneSha256)));
    assert_eq!(book.records, before);
}

#[test]
fn two_user_ids_that_callers_gave_never_merge() {
    let mut book = MemoryStore::default();
    book.link(Some("K"), &[card("c")]).unwrap();
    book.link(Some("L"), &[phone(1)]).unwrap();
    assert_eq!(book.link(None, &[card("c"), phone(1)]), Err(Refusal::UserIds));
    assert_eq!(book.link(Some("M"), &[card("c")]), Err(Refusal::UserIds));
    assert_eq!(book.link(Some("L"), &[card("c")]), Err(Refusal::UserIds));
}

#[test]
fn a_user_id_that_is_given_later_is_what_the_person_goes_by() {
    let mut book = MemoryStore::default();
    let made_up = book.link(None, &[card("c")]).unwrap().user_id.unwrap();
    let outcome = book.link(Some("K"), &[card("c")]).unwrap();
    assert_eq!((outcome.user_id.as_deref(), outcome.status), (Some("K"), LinkStatus::Merged));
    assert_eq!(book.resolve(&[Name::User(&made_up)]).user_ids, ["K".to_owned(), made_up.clone()]);
    // The generated id is no name of its own against the given one.
    assert_eq!(book.link(Some(&made_up), &[phone(3)]).unwrap().user_id.as_deref(), Some("K"));
}

#[test]
fn a_device_of_two_known_people_becomes_shared() {
    let mut book = MemoryStore::default();
    book.link(Some("mother"), &[device("tablet"), card("m")]).unwrap();
    let outcome = book.link(Some("son"), &[device("tablet"), card("s")]).unwrap();
    assert_eq!((outcome.user_id.as_deref(), outcome.merges.len()), (Some("son"), 0));
    assert_eq!(outcome.identities, [IdentityStatus::Shared, IdentityStatus::Linked]);
    assert_eq!(book.who(&device("tablet")), None);
    for user_id in ["mother", "son"] {
        assert!(!book.resolve(&[Name::User(user_id)]).identities.contains(&device("tablet")));
    }
    let again = book.link(Some("mother"), &[device("tablet")]).unwrap();
    assert_eq!((again.status, again.identities[0]), (LinkStatus::Unchanged, IdentityStatus::Shared));
    let only = book.link(None, &[device("tablet")]).unwrap();
    assert_eq!((only.user_id, only.status), (None, LinkStatus::Unchanged));
    assert!(book.actions("mother").contains(&AuditAction::Shared { types: vec![IdentityType::DeviceId] }));
}

#[test]
fn a_new_strong_name_is_not_linked_by_a_device_alone() {
    let mut book = MemoryStore::default();
    book.link(Some("mother"), &[device("tablet")]).unwrap();
    let outcome = book.link(None, &[device("tablet"), phone(7)]).unwrap();
    assert_ne!(outcome.user_id.as_deref(), Some("mother"));
    assert_eq!(outcome.identities, [IdentityStatus::Shared, IdentityStatus::Linked]);
}

#[test]
fn where_nothing_says_more_a_device_names_its_person() {
    let mut book = MemoryStore::default();
    book.link(Some("K"), &[device("d")]).unwrap();
    let visit = id("session", "s");
    let outcome = book.link(None, &[device("d"), visit.clone()]).unwrap();
    assert_eq!((outcome.user_id.as_deref(), outcome.status), (Some("K"), LinkStatus::Linked));
    assert_eq!(book.who(&visit).as_deref(), Some("K"));
}

#[test]
fn what_is_shared_by_its_type_never_links_and_never_speaks() {
    let mut book = MemoryStore::default();
    let tablet = id("store_tablet", "S1-3");
    for user_id in ["K", "L"] {
        let outcome = book.link(Some(user_id), &[tablet.clone(), card(user_id)]).unwrap();
        assert_eq!(outcome.identities, [IdentityStatus::Shared, IdentityStatus::Linked]);
    }
    assert_eq!(book.who(&tablet), None);
    assert_eq!(book.link(Some("M"), &[tablet]).unwrap().status, LinkStatus::Unchanged);
}

#[test]
fn a_merge_that_is_taken_back_leaves_everyone_as_they_were() {
    let mut book = MemoryStore::default();
    let anonymous = book.link(None, &[device("d")]).unwrap().user_id.unwrap();
    book.link(Some("K"), &[card("c")]).unwrap();
    let before = book.people();
    let merge_id = book.link(Some("K"), &[device("d")]).unwrap().merges[0].merge_id.clone();
    // Identities linked meanwhile stay with the user id that they were linked to.
    book.link(Some("K"), &[phone(5)]).unwrap();
    book.link(Some(&anonymous), &[cookie("k")]).unwrap();
    let undone = book.undo(&merge_id);
    assert_eq!(undone, UndoOutcome::Undone { user_id: "K".to_owned(), parted: anonymous.clone() });
    let mut after = book.people();
    assert_eq!(book.who(&phone(5)).as_deref(), Some("K"));
    assert_eq!(book.who(&cookie("k")), Some(anonymous.clone()));
    after.values_mut().for_each(|person| person.identities.truncate(1));
    assert_eq!(after, before);
    assert_eq!(book.undo(&merge_id), UndoOutcome::Unchanged);
    assert_eq!(book.undo("m_unknown"), UndoOutcome::Unchanged);
    assert!(matches!(
        book.actions(&anonymous).last(),
        Some(AuditAction::Linked { .. } | AuditAction::Undone { .. })
    ));
}

#[test]
fn who_leaves_takes_along_whom_they_had_taken_in() {
    let mut book = MemoryStore::default();
    let first = book.link(None, &[device("1")]).unwrap().user_id.unwrap();
    let second = book.link(None, &[device("2")]).unwrap().user_id.unwrap();
    book.link(None, &[device("1"), device("2")]).unwrap();
    let merge_id = book.link(Some("K"), &[device("2")]).unwrap().merges[0].merge_id.clone();
    assert_eq!(book.resolve(&[Name::User("K")]).user_ids, ["K", &first, &second]);
    book.undo(&merge_id);
    assert_eq!(book.resolve(&[Name::User("K")]).user_ids, ["K"]);
    assert_eq!(book.resolve(&[Name::User(&second)]).user_ids, [first, second]);
}

#[test]
fn bounds_refuse_identities_and_rolling_ones_make_room() {
    let mut book = MemoryStore::default();
    let mut refused = 0;
    for n in 0..10_000 {
        match book.link(Some("guest"), &[device(&n.to_string())]) {
            Ok(_) => assert!(n < IdentityType::DeviceId.cap()),
            Err(refusal) => {
                assert_eq!(refusal, Refusal::TooManyOf(IdentityType::DeviceId));
                refused += 1;
            }
        }
    }
    assert_eq!(refused, 10_000 - IdentityType::DeviceId.cap());
    for n in 0..100 {
        book.link(Some("guest"), &[cookie(&n.to_string()), id("session", &n.to_string())]).unwrap();
    }
    let person = book.person("guest");
    assert_eq!(person.identities.len(), 10 + 8 + 8);
    assert_eq!((book.who(&cookie("91")), book.who(&cookie("99"))), (None, Some("guest".to_owned())));
    let all: Vec<Identity> = IdentityType::all()
        .filter(|kind| kind.cap() > 0 && !["device_id", "cookie", "session"].contains(&kind.name()))
        .flat_map(|kind| (0..kind.cap() as u32).map(move |n| id(kind.name(), &format!("{n:064x}"))))
        .collect();
    assert!(person.identities.len() + all.len() > MAX_IDENTITIES);
    assert_eq!(book.link(Some("guest"), &all), Err(Refusal::TooMany));
    assert!(book.actions("guest").len() <= audit::MAX_AUDITED);
}

#[test]
fn a_log_in_after_many_anonymous_visits_is_never_refused() {
    let mut book = MemoryStore::default();
    let mut merge_ids = Vec::new();
    for n in 0..40 {
        book.link(None, &[cookie(&n.to_string()), id("session", &n.to_string())]).unwrap();
        let outcome = book.link(Some("K"), &[cookie(&n.to_string())]).unwrap();
        merge_ids.push(outcome.merges[0].merge_id.clone());
    }
    assert_eq!(book.person("K").members.len(), MAX_MEMBERS);
    assert_eq!(book.undo(&merge_ids[0]), UndoOutcome::Unchanged, "too long ago");
    assert!(matches!(book.undo(&merge_ids[39]), UndoOutcome::Undone { .. }));
    assert!(book.records.len() < 100, "{}", book.records.len());
}

#[test]
fn the_first_name_by_which_somebody_is_known_says_who_is_meant() {
    let mut book = MemoryStore::default();
    book.link(Some("K"), &[device("d")]).unwrap();
    let (unknown, known, tablet) = (cookie("new"), device("d"), id("store_tablet", "t"));
    let names =
        [Name::Identity(&tablet), Name::Identity(&unknown), Name::Identity(&known), Name::Session("s")];
    let of = book.resolve(&names);
    assert_eq!((of.user_ids, of.identities), (vec!["K".to_owned()], vec![known.clone(), id("session", "s")]));
    let alone = book.resolve(&names[..2]);
    assert_eq!((alone.user_ids, alone.identities), (vec![], vec![unknown.clone()]));
    let visit = id("session", "s");
    book.link(Some("L"), &[visit]).unwrap();
    assert!(!book.resolve(&names).identities.contains(&id("session", "s")), "it is another's visit");
    assert_eq!(book.resolve(&[Name::Session("s")]).user_ids, ["L"]);
}

#[test]
fn silent_anonymous_people_are_forgotten() {
    let mut book = MemoryStore::default();
    let anonymous = book.link(None, &[device("d"), cookie("k")]).unwrap().user_id.unwrap();
    book.link(Some("K"), &[device("e")]).unwrap();
    let mut forgotten =
        |user_id: &str, moment| book.run(|records| forget(records, user_id, moment)).unwrap().is_some();
    assert!(!forgotten(&anonymous, 0) && !forgotten("K", 9) && !forgotten("nobody", 9));
    assert!(forgotten(&anonymous, 9));
    assert_eq!(book.people().len(), 1);
    check(&mut book);
}

#[test]
fn a_person_with_five_identities_takes_less_than_two_kilobytes() {
    let mut book = MemoryStore::default();
    book.link(None, &[device("5f2c99e17a3b4d1e"), cookie("GA1.2.1234567.1690")]).unwrap();
    let union_id = id("wechat_unionid", "oK1aB2cD3eF4gH5iJ6kL7mN8oP9q");
    book.link(Some("U00002519"), &[phone(1), card("MC-00042123"), union_id, device("5f2c99e17a3b4d1e")])
        .unwrap();
    let bytes: usize = book.records.iter().map(|(key, value)| key.encoded().len() + value.len()).sum();
    assert!((1_000..2_000).contains(&bytes), "{bytes}");
}

#[test]
fn damaged_records_are_an_error() {
    let mut book = MemoryStore::default();
    book.link(Some("K"), &[card("c")]).unwrap();
    let mut records = Records::default();
    records.supply(Key::User("K".to_owned()), Some(b"{\"person\":".to_vec()));
    assert_eq!(records.run(|records| resolve(records, &[Name::User("K")])), Err(Stop::Damaged));
}
