//! A hall as people write it.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use qianmian_models::rules::expression::Expression;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::document_fault::DocumentFault;
use crate::fields::id::is_id;

/// Most sections of a hall.
const MAX_SECTIONS: usize = 40;
/// Most items of a section.
const MAX_ITEMS: usize = 1_000;
/// Longest text of a language, in bytes.
const MAX_TEXT: usize = 4_096;
/// Most languages of a text.
const MAX_LANGUAGES: usize = 20;

/// A text in several languages, by their tags, such as `zh` and `en-GB`.
pub type Texts = BTreeMap<String, String>;

/// A themed page (专题场景馆): titled sections, each filled for the person who looks at it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(default, deny_unknown_fields)]
pub struct HallDocument {
    /// For people who edit.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub description: String,
    /// Its title, by language.
    #[serde(skip_serializing_if = "Texts::is_empty")]
    pub title: Texts,
    /// The language of texts that lack the one asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub language: Option<String>,
    /// Which sections whose condition holds are shown.
    pub show: Show,
    /// In which order.
    pub order: Order,
    /// Its sections; an item that several could show is in the first of them.
    #[schema(min_items = 1, max_items = 40)]
    pub sections: Vec<SectionDocument>,
}

/// Which sections whose condition holds are shown.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Show {
    /// All of them.
    #[default]
    All,
    /// The first one: one address with another shelf for each segment.
    First,
}

/// The order of sections.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Order {
    /// As they are written.
    #[default]
    Written,
    /// By the person: the section with the likelier purchases first.
    Person,
}

/// A section of a hall: a title, and the items that it may show. Without `filter` and `item_ids` it may show all.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(default, deny_unknown_fields)]
pub struct SectionDocument {
    /// Its name in answers, unique in the hall.
    pub name: String,
    /// Its title, by language.
    #[serde(skip_serializing_if = "Texts::is_empty")]
    pub title: Texts,
    /// Its text, by language.
    #[serde(skip_serializing_if = "Texts::is_empty")]
    pub text: Texts,
    /// The address of its picture.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub image_url: Option<String>,
    /// For whom it is: a condition over `user` and `context`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false, max_length = 2048)]
    pub when: Option<String>,
    /// A predicate that its items satisfy.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false, max_length = 2048)]
    pub filter: Option<String>,
    /// The only items that it may show.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schema(max_items = 1000)]
    pub item_ids: Vec<String>,
    /// The scene whose rules hold in it; `hall` by default.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub scene: Option<String>,
    /// Most items; that of the scene by default.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false, minimum = 1, maximum = 200)]
    pub count: Option<usize>,
}

/// A hall that answers are made in.
#[derive(Debug, Clone)]
pub struct ActiveHall {
    /// As it was written.
    pub document: HallDocument,
    /// The conditions of its sections.
    pub conditions: Vec<Option<Arc<Expression>>>,
}

impl ActiveHall {
    /// Reads the body of a document.
    ///
    /// # Errors
    /// The first fault, with the path of its field.
    pub fn read(body: &str) -> Result<Self, DocumentFault> {
        let document = serde_json::from_str(body);
        Self::compile(document.map_err(|error| DocumentFault::new("hall", error.to_string()))?)
    }

    /// Checks and compiles a hall.
    ///
    /// # Errors
    /// The first fault, with the path of its field.
    pub fn compile(document: HallDocument) -> Result<Self, DocumentFault> {
        let n_sections = document.sections.len();
        if !(1..=MAX_SECTIONS).contains(&n_sections) {
            return Err(DocumentFault::new("sections", format!("1 to {MAX_SECTIONS}, not {n_sections}")));
        }
        at_most("description", document.description.len(), MAX_TEXT)?;
        check_texts("title", &document.title)?;
        let mut names = BTreeSet::new();
        let section = |(n, section): (usize, &SectionDocument)| {
            let field = |name: &str| format!("sections[{n}].{name}");
            if !is_id(&section.name) {
                return Err(DocumentFault::new(field("name"), "a name of 1 to 256 characters"));
            }
            if !names.insert(section.name.clone()) {
                let reason = format!("another section is named `{}`", section.name);
                return Err(DocumentFault::new(field("name"), reason));
            }
            section.check(&field)
        };
        let conditions = document.sections.iter().enumerate().map(section).collect::<Result<_, _>>()?;
        Ok(Self { document, conditions })
    }
}

impl SectionDocument {
    /// Checks the fields; returns the condition.
    fn check(&self, field: &dyn Fn(&str) -> String) -> Result<Option<Arc<Expression>>, DocumentFault> {
        check_texts(&field("title"), &self.title)?;
        check_texts(&field("text"), &self.text)?;
        at_most(&field("image_url"), self.image_url.as_ref().map_or(0, String::len), MAX_TEXT)?;
        at_most(&field("item_ids"), self.item_ids.len(), MAX_ITEMS)?;
        if let Some(n) = self.item_ids.iter().position(|id| !is_id(id)) {
            return Err(DocumentFault::new(field(&format!("item_ids[{n}]")), "an id of 1 to 256 characters"));
        }
        if self.scene.as_ref().is_some_and(|scene| !is_id(scene)) {
            return Err(DocumentFault::new(field("scene"), "a name of 1 to 256 characters"));
        }
        if let Some(count) = self.count.filter(|count| !(1..=200).contains(count)) {
            return Err(DocumentFault::new(field("count"), format!("1 to 200, not {count}")));
        }
        let compile = |name: &str, source: &String| {
            let compiled = Expression::compile(source);
            let compiled = compiled.map_err(|error| DocumentFault::of_expression(field(name), error))?;
            match compiled.params().first() {
                Some(param) => {
                    let reason = format!("it reads the parameter `{param}`, which halls do not have");
                    Err(DocumentFault::new(field(name), reason))
                }
                None => Ok(compiled),
            }
        };
        if let Some(filter) = &self.filter {
            let filter = compile("filter", filter)?;
            if filter.reads().cost {
                let reason = "`item.cost` is not told to people; rules of scenes may read it";
                return Err(DocumentFault::new(field("filter"), reason));
            }
        }
        let Some(when) = &self.when else { return Ok(None) };
        let condition = compile("when", when)?;
        if condition.reads().item {
            let reason = "a condition reads `user` and `context`; what reads `item` is a `filter`";
            return Err(DocumentFault::new(field("when"), reason));
        }
        Ok(Some(Arc::new(condition)))
    }
}

fn at_most(field: &str, got: usize, most: usize) -> Result<(), DocumentFault> {
    if got <= most { Ok(()) } else { Err(DocumentFault::new(field, format!("at most {most}, not {got}"))) }
}

fn check_texts(field: &str, texts: &Texts) -> Result<(), DocumentFault> {
    at_most(field, texts.len(), MAX_LANGUAGES)?;
    for (language, text) in texts {
        let is_tag = |c: char| c.is_ascii_alphanumeric() || c == '-';
        if !(2..=35).contains(&language.len()) || !language.chars().all(is_tag) {
            let reason = format!("a language tag such as `zh` or `en-GB`, not `{language}`");
            return Err(DocumentFault::new(field, reason));
        }
        at_most(&format!("{field}.{language}"), text.len(), MAX_TEXT)?;
    }
    Ok(())
}

/// The text in `asked`, else in a language that it begins with or that begins with it, else in `usual`, else in any.
pub fn in_language<'t>(texts: &'t Texts, asked: Option<&str>, usual: Option<&str>) -> Option<&'t str> {
    let primary = |tag: &str| tag.split('-').next().unwrap_or_default().to_ascii_lowercase();
    let of = |wanted: &str| {
        let exact = texts.iter().find(|(tag, _)| tag.eq_ignore_ascii_case(wanted));
        exact.or_else(|| texts.iter().find(|(tag, _)| primary(tag) == primary(wanted)))
    };
    let found = asked.and_then(of).or_else(|| usual.and_then(of)).or_else(|| texts.iter().next());
    found.map(|(_, text)| text.as_str())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_are_in_the_language_that_fits_best() {
        let texts: Texts = [("zh", "母亲节"), ("en-GB", "Mum's"), ("en-US", "Mom's")]
            .map(|(k, v)| (k.into(), v.into()))
            .into();
        for (asked, usual, text) in [
            (Some("zh"), None, "母亲节"),
            (Some("zh-Hant-TW"), None, "母亲节"),
            (Some("EN-us"), None, "Mom's"),
            (Some("en"), None, "Mum's"),
            (Some("fr"), Some("zh"), "母亲节"),
            (None, Some("zh"), "母亲节"),
            (Some("fr"), None, "Mum's"),
        ] {
            assert_eq!(in_language(&texts, asked, usual), Some(text), "{asked:?} {usual:?}");
        }
        assert_eq!(in_language(&Texts::new(), Some("zh"), None), None);
    }
}
