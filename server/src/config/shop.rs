//! Limits and settings of one shop.

use std::collections::BTreeMap;

use qianmian_models::consent::ConsentPolicy;
use serde::Deserialize;

use super::error::{ConfigError, at_least_one, shop_name, value};
use crate::scenes::compile::ActiveScene;
use crate::scenes::document::SceneDocument;

/// Limits and settings of one shop.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ShopConfig {
    /// Requests of the shop in flight; more are refused with 503. Without it, only the limit of the process applies.
    pub in_flight: Option<usize>,
    /// The rule for users whose consent is unknown.
    pub unknown_consent: ConsentPolicy,
    /// Its scenes, by name. A scene with the same name that people edit by the API overrides the one here.
    pub scenes: BTreeMap<String, SceneDocument>,
}

impl ShopConfig {
    pub(super) fn check(&self, name: &str) -> Result<(), ConfigError> {
        shop_name(&format!("shops.{name}"), name)?;
        at_least_one(&format!("shops.{name}.in_flight"), self.in_flight)?;
        self.scenes.iter().try_for_each(|(scene, document)| {
            let fault = match ActiveScene::compile(document) {
                Ok(_) => return Ok(()),
                Err(fault) => fault,
            };
            let field = format!("shops.{name}.scenes.{scene}.{}", fault.field);
            Err(value(field, fault.reason, "something else"))
        })
    }
}
