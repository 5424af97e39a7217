//! User attributes other than purchases: for segments, filters and consent.
//!
//! Section `user_attributes`: one row per user; `gender`, `city` (empty if unknown), `birthday` (days since
//! 1970-01-01), `registered_at` (unix seconds; both null if unknown), `tags` (a list of strings), and one boolean
//! column per kind of consent, named as in the users table (`consent_contact`, `consent_personalization`,
//! `consent_sms`, ...; null if none is recorded).

use std::sync::Arc;

use arrow_array::types::{Date32Type, Int64Type};
use arrow_array::{Array, ArrayRef, BooleanArray, Date32Array, Int64Array, RecordBatch, StringArray};

use crate::error::Result;
use crate::ids::UserIx;
use crate::storage::section::{self, Section, StringLists};

/// The section's name.
pub const SECTION: &str = "user_attributes";
/// Consent to be contacted.
pub const CONSENT_CONTACT: &str = "consent_contact";
/// Consent to personalized answers.
pub const CONSENT_PERSONALIZATION: &str = "consent_personalization";
/// Beginning of the names of consent columns.
const CONSENT: &str = "consent";

/// One user's attributes, to build [`UserAttributes`]; an unknown text is empty.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct UserAttribute {
    /// The source's own word.
    pub gender: String,
    /// City of residence.
    pub city: String,
    /// Days since 1970-01-01.
    pub birthday: Option<i32>,
    /// Unix seconds, UTC.
    pub registered_at: Option<i64>,
    /// Free labels.
    pub tags: Vec<String>,
    /// By name of the column; all names begin with `consent`. `None` if the user has no recorded answer.
    pub consents: Vec<(String, Option<bool>)>,
}

/// Attributes of all users.
#[derive(Debug, Clone)]
pub struct UserAttributes {
    gender: StringArray,
    city: StringArray,
    birthday: Date32Array,
    registered_at: Int64Array,
    tags: StringLists,
    consents: Vec<(String, BooleanArray)>,
}

impl UserAttributes {
    /// From one entry per user, in vocabulary order.
    ///
    /// # Errors
    /// More tags than a list column holds.
    pub fn new(users: &[UserAttribute]) -> Result<Self> {
        let mut names: Vec<&String> =
            users.iter().flat_map(|u| u.consents.iter().map(|(name, _)| name)).collect();
        names.sort_unstable();
        names.dedup();
        let said = |user: &UserAttribute, name: &String| {
            user.consents.iter().find(|(other, _)| other == name).and_then(|(_, said)| *said)
        };
        let consent = |name: &String| (name.clone(), users.iter().map(|user| said(user, name)).collect());
        let tags: Vec<Vec<&str>> =
            users.iter().map(|user| user.tags.iter().map(String::as_str).collect()).collect();
        Ok(Self {
            gender: StringArray::from_iter_values(users.iter().map(|user| user.gender.as_str())),
            city: StringArray::from_iter_values(users.iter().map(|user| user.city.as_str())),
            birthday: users.iter().map(|user| user.birthday).collect(),
            registered_at: users.iter().map(|user| user.registered_at).collect(),
            tags: StringLists::new(SECTION, &tags)?,
            consents: names.into_iter().map(consent).collect(),
        })
    }

    /// Number of users.
    pub fn len(&self) -> usize {
        self.gender.len()
    }

    /// True if there are no users.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Gender in the source's own word, if it is known.
    pub fn gender(&self, user: UserIx) -> Option<&str> {
        Some(self.gender.value(user as usize)).filter(|gender| !gender.is_empty())
    }

    /// City of residence, if it is known.
    pub fn city(&self, user: UserIx) -> Option<&str> {
        Some(self.city.value(user as usize)).filter(|city| !city.is_empty())
    }

    /// Birthday in days since 1970-01-01, if it is known.
    pub fn birthday(&self, user: UserIx) -> Option<i32> {
        let row = user as usize;
        self.birthday.is_valid(row).then(|| self.birthday.value(row))
    }

    /// Time of registration, unix seconds, if it is known.
    pub fn registered_at(&self, user: UserIx) -> Option<i64> {
        let row = user as usize;
        self.registered_at.is_valid(row).then(|| self.registered_at.value(row))
    }

    /// Labels of the user.
    pub fn tags(&self, user: UserIx) -> impl ExactSizeIterator<Item = &str> {
        self.tags.of(user)
    }

    /// Names of the kinds of consent that the users table has, in byte order.
    pub fn consent_names(&self) -> impl ExactSizeIterator<Item = &str> {
        self.consents.iter().map(|(name, _)| name.as_str())
    }

    /// The user's consent of one kind, such as [`CONSENT_CONTACT`]; `None` if the table has no such column or no value.
    pub fn consent(&self, user: UserIx, name: &str) -> Option<bool> {
        let (_, column) = self.consents.iter().find(|(other, _)| other == name)?;
        column.is_valid(user as usize).then(|| column.value(user as usize))
    }

    /// Each user's consent of one kind, in vocabulary order; `None` if the table has no such column or no value.
    pub(crate) fn consents(&self, name: &str) -> impl Iterator<Item = Option<bool>> + '_ {
        let column = self.consents.iter().find(|(other, _)| other == name).map(|(_, column)| column);
        (0..self.len())
            .map(move |row| column.filter(|column| column.is_valid(row)).map(|column| column.value(row)))
    }

    pub(crate) fn batch(&self) -> Result<RecordBatch> {
        let mut columns: Vec<(&str, ArrayRef)> = vec![
            ("gender", Arc::new(self.gender.clone())),
            ("city", Arc::new(self.city.clone())),
            ("birthday", Arc::new(self.birthday.clone())),
            ("registered_at", Arc::new(self.registered_at.clone())),
            ("tags", self.tags.column(SECTION)?),
        ];
        let consents = self.consents.iter();
        columns.extend(consents.map(|(name, said)| (name.as_str(), Arc::new(said.clone()) as ArrayRef)));
        section::batch(SECTION, columns)
    }

    pub(crate) fn open(section: &Section, n_users: usize) -> Result<Self> {
        section.expect_rows(n_users)?;
        let consent = |name: String| section.booleans(&name).map(|said| (name, said));
        Ok(Self {
            gender: section.strings("gender")?,
            city: section.strings("city")?,
            birthday: section.optional::<Date32Type>("birthday")?,
            registered_at: section.optional::<Int64Type>("registered_at")?,
            tags: section.string_lists("tags")?,
            consents: section.columns_named(CONSENT).into_iter().map(consent).collect::<Result<_>>()?,
        })
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]
    use super::*;

    #[test]
    fn unknown_attributes_and_unspoken_consents_are_none() {
        let known = UserAttribute {
            gender: "f".to_owned(),
            city: "上海".to_owned(),
            birthday: Some(-3_000),
            registered_at: Some(1_700_000_000),
            tags: vec!["vip".to_owned(), "会员".to_owned()],
            consents: vec![(CONSENT_CONTACT.to_owned(), Some(false)), ("consent_sms".to_owned(), Some(true))],
        };
        let built = UserAttributes::new(&[known, UserAttribute::default()]).unwrap();
        let back = UserAttributes::open(&Section::in_memory(SECTION, built.batch().unwrap()), 2).unwrap();
        assert_eq!((back.gender(0), back.city(0), back.birthday(0)), (Some("f"), Some("上海"), Some(-3_000)));
        assert_eq!(back.registered_at(0), Some(1_700_000_000));
        assert_eq!(back.tags(0).collect::<Vec<_>>(), ["vip", "会员"]);
        assert_eq!(back.consent_names().collect::<Vec<_>>(), [CONSENT_CONTACT, "consent_sms"]);
        assert_eq!(
            (back.consent(0, CONSENT_CONTACT), back.consent(0, "consent_sms")),
            (Some(false), Some(true))
        );
        assert_eq!(
            (back.consent(1, CONSENT_CONTACT), back.consent(0, CONSENT_PERSONALIZATION)),
            (None, None)
        );
        assert_eq!((back.gender(1), back.birthday(1), back.registered_at(1)), (None, None, None));
        assert_eq!(back.tags(1).len(), 0);
        assert!(UserAttributes::open(&Section::in_memory(SECTION, built.batch().unwrap()), 3).is_err());
    }
}
