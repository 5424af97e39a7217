//! From a scene as people write it to one that answers are made in.

use std::collections::BTreeSet;
use std::sync::Arc;

use jiff::tz::TimeZone;
use qianmian_models::rules::expression::Expression;
use qianmian_models::rules::rule::{Action, Rule};
use qianmian_models::rules::validity::Validity;
use qianmian_models::scene::{About, Combine, Scene};

use super::document::{AboutName, CombineName, SceneDocument};
use super::rule_document::{ActionDocument, RuleDocument};
use crate::document_fault::DocumentFault;
use crate::fields::card_fields::CardFields;
use crate::fields::id::is_id;

/// A scene that answers are made in.
#[derive(Debug, Clone)]
pub struct ActiveScene {
    /// The form that the pipeline reads.
    pub scene: Scene,
    /// Length of a slate whose request does not say.
    pub count: usize,
    /// What answers carry of every item, where the request does not say.
    pub fields: CardFields,
    /// True if items that the person bought are left out.
    pub exclude_bought: bool,
    /// Exposures without a click after which an item ranks last; 0: never.
    pub exposures: usize,
    /// Seconds that an exposure counts.
    pub exposure_window_seconds: u32,
    /// The zone of hours and weekdays; UTC where there is none.
    pub zone: Option<TimeZone>,
    /// Scenes that fill the slate up.
    pub fallback: Vec<String>,
    /// Parameters without which no item satisfies its filters.
    pub required_params: Vec<String>,
    /// Priorities of the rules in `scene`, in their order.
    priorities: Vec<i32>,
}

/// Slots of a slate whose scene does not say.
const USUAL_COUNT: usize = 20;
/// Priority of a scene's own filter: it is hard, so its place among the rules does not matter.
const FILTER_PRIORITY: i32 = i32::MAX;
/// Name of the rule that a scene's filter is.
const FILTER_RULE: &str = "filter";

impl Default for ActiveScene {
    fn default() -> Self {
        Self {
            scene: Scene::DEFAULT,
            count: USUAL_COUNT,
            fields: CardFields::default(),
            exclude_bought: false,
            exposures: 5,
            exposure_window_seconds: 86_400,
            zone: None,
            fallback: Vec::new(),
            required_params: Vec::new(),
            priorities: Vec::new(),
        }
    }
}

impl ActiveScene {
    /// Compiles a scene.
    ///
    /// # Errors
    /// The first fault, with the path of its field.
    pub fn compile(document: &SceneDocument) -> Result<Self, DocumentFault> {
        document.check()?;
        let own_rules = document.rules.len();
        let full = document.with_preset();
        let preset_rules = full.rules.len() - own_rules;
        let mut names = BTreeSet::new();
        let mut rules: Vec<(i32, Rule)> = Vec::new();
        if let Some(filter) = &full.filter {
            let items = expression("filter", filter)?;
            rules.push((FILTER_PRIORITY, plain(FILTER_RULE, Action::Only(items))));
        }
        let zone = full.zone.as_deref().map(|name| zone("zone", name)).transpose()?;
        for (n, rule) in full.rules.iter().enumerate() {
            // Paths are those of the document, whose rules come after the preset's.
            let field = format!("rules[{}]", n.saturating_sub(preset_rules));
            rule.check(&field)?;
            if !names.insert(rule.id.clone()) {
                return Err(DocumentFault::new(
                    format!("{field}.id"),
                    format!("another rule is named `{}`", rule.id),
                ));
            }
            let compiled = compile_rule(&field, rule, &zone)?;
            if rule.enabled {
                rules.push((rule.priority, compiled));
            }
        }
        if let Some(n) = full.fallback.iter().position(|name| !is_id(name)) {
            return Err(DocumentFault::new(format!("fallback[{n}]"), "a name of 1 to 256 characters"));
        }
        rules.sort_by_key(|(priority, _)| std::cmp::Reverse(*priority));
        let usual = Self::default();
        let mut required_params: Vec<String> = rules.iter().flat_map(|(_, rule)| required(rule)).collect();
        required_params.sort_unstable();
        required_params.dedup();
        let priorities = rules.iter().map(|(priority, _)| *priority).collect();
        let scene = Scene {
            slots_per_cold_item: match full.exploration_percent {
                Some(percent) => 100usize.checked_div(percent).unwrap_or(0),
                None => Scene::DEFAULT.slots_per_cold_item,
            },
            about: full.about.map_or(About::Everything, About::from),
            boosts: full.boosts.map_or(Combine::Product, Combine::from),
            rules: rules.into_iter().map(|(_, rule)| rule).collect(),
            ..Scene::DEFAULT
        };
        Ok(Self {
            scene,
            count: full.count.unwrap_or(usual.count),
            fields: full.fields.unwrap_or_default(),
            exclude_bought: full.exclude_bought.unwrap_or(false),
            exposures: full.exposures.unwrap_or(usual.exposures),
            exposure_window_seconds: full.exposure_window_seconds.unwrap_or(usual.exposure_window_seconds),
            zone,
            fallback: full.fallback,
            required_params,
            priorities,
        })
    }

    /// This scene with the rules of the whole shop; of equal priority, the scene's own come first.
    pub fn with_shop(mut self, shop: &Self) -> Self {
        let own = self.priorities.drain(..).zip(self.scene.rules.drain(..));
        let mut rules: Vec<(i32, Rule)> = own.collect();
        rules.extend(shop.priorities.iter().copied().zip(shop.scene.rules.iter().cloned()));
        rules.sort_by_key(|(priority, _)| std::cmp::Reverse(*priority));
        (self.priorities, self.scene.rules) = rules.into_iter().unzip();
        self.required_params.extend(shop.required_params.iter().cloned());
        self.required_params.sort_unstable();
        self.required_params.dedup();
        if self.zone.is_none() {
            self.zone.clone_from(&shop.zone);
        }
        self
    }
}

/// Parameters without which a hard rule leaves nothing.
fn required(rule: &Rule) -> Vec<String> {
    match &rule.action {
        Action::Only(items) if rule.when.is_none() => items.params().to_vec(),
        _ => Vec::new(),
    }
}

fn plain(id: &str, action: Action) -> Rule {
    Rule { id: id.into(), when: None, validity: Validity::default(), action }
}

fn compile_rule(field: &str, rule: &RuleDocument, zone: &Option<TimeZone>) -> Result<Rule, DocumentFault> {
    let when = rule.when.as_ref().map(|when| condition(&format!("{field}.when"), when)).transpose()?;
    let of = |action: &str, items: &str| expression(&format!("{field}.action.{action}.items"), items);
    let action = match &rule.action {
        ActionDocument::Filter { items } => Action::Only(of("filter", items)?),
        ActionDocument::Hide { items } => Action::Hide(of("hide", items)?),
        ActionDocument::Boost { items, factor } => Action::Boost(of("boost", items)?, *factor),
        ActionDocument::Bury { items } => Action::Bury(of("bury", items)?),
        ActionDocument::Pin { item_id, slot } => {
            if !is_id(item_id) {
                return Err(DocumentFault::new(
                    format!("{field}.action.pin.item_id"),
                    "an id of 1 to 256 characters",
                ));
            }
            Action::Pin { item_id: item_id.clone(), slot: slot.saturating_sub(1) }
        }
        ActionDocument::Mix(quota) => {
            let (least, most) = quota.shares();
            Action::Mix { items: of("mix", &quota.items)?, least, most, first: quota.first }
        }
        ActionDocument::Spacing { by, at_most, window } => {
            Action::Spacing { by: (*by).into(), most: *at_most, window: *window }
        }
    };
    let weekly =
        rule.weekly.iter().enumerate().map(|(n, hours)| hours.compile(&format!("{field}.weekly[{n}]")));
    let validity = Validity {
        from: RuleDocument::moment(format!("{field}.from"), &rule.from)?,
        until: RuleDocument::moment(format!("{field}.until"), &rule.until)?,
        weekly: weekly.collect::<Result<_, _>>()?,
        zone: zone.clone(),
    };
    if validity.from.zip(validity.until).is_some_and(|(from, until)| from >= until) {
        return Err(DocumentFault::new(format!("{field}.until"), "a moment after `from`"));
    }
    Ok(Rule { id: rule.id.as_str().into(), when, validity, action })
}

/// A condition: it reads no item.
fn condition(field: &str, source: &str) -> Result<Arc<Expression>, DocumentFault> {
    let compiled = expression(field, source)?;
    if compiled.reads().item {
        let reason =
            "a condition reads `user`, `context` and `params`; what reads `item` belongs into the action";
        return Err(DocumentFault::new(field, reason));
    }
    Ok(compiled)
}

fn expression(field: &str, source: &str) -> Result<Arc<Expression>, DocumentFault> {
    Expression::compile(source).map(Arc::new).map_err(|error| DocumentFault::of_expression(field, error))
}

fn zone(field: &str, name: &str) -> Result<TimeZone, DocumentFault> {
    TimeZone::get(name)
        .map_err(|_| DocumentFault::new(field, "the name of an IANA zone, such as Asia/Shanghai"))
}

impl From<AboutName> for About {
    fn from(name: AboutName) -> Self {
        match name {
            AboutName::Everything => Self::Everything,
            AboutName::Bought => Self::Bought,
            AboutName::Due => Self::Due,
            AboutName::Trending => Self::Trending,
        }
    }
}

impl From<CombineName> for Combine {
    fn from(name: CombineName) -> Self {
        match name {
            CombineName::Product => Self::Product,
            CombineName::Max => Self::Max,
        }
    }
}
