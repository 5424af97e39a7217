//! Bounds and choices of one shop.

use std::collections::BTreeMap;

use qianmian_live::people::state::MAX_EXPOSURES;
use qianmian_models::consent::ConsentPolicy;
use serde::Deserialize;

use super::error::{ConfigError, at_least_one, shop_name, value};

/// Bounds and choices of one shop.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ShopConfig {
    /// Requests of the shop in flight; more are refused with 503. Without it, only the process is bounded.
    pub in_flight: Option<usize>,
    /// What holds for users whose consent is unknown.
    pub unknown_consent: ConsentPolicy,
    /// Settings of scenes, by name.
    pub scenes: BTreeMap<String, SceneConfig>,
}

/// Settings of a scene. A scene without settings has the defaults.
#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct SceneConfig {
    /// Exposures without a click after which an item is ranked below all others for that person; 0: never.
    pub exposures: usize,
    /// Seconds that an exposure counts; live state remembers it for at most `live.ttl_seconds`.
    pub exposure_window_seconds: u32,
}

impl Default for SceneConfig {
    fn default() -> Self {
        Self { exposures: 5, exposure_window_seconds: 86_400 }
    }
}

impl ShopConfig {
    pub(super) fn check(&self, name: &str) -> Result<(), ConfigError> {
        shop_name(&format!("shops.{name}"), name)?;
        at_least_one(&format!("shops.{name}.in_flight"), self.in_flight)?;
        self.scenes
            .iter()
            .try_for_each(|(scene, settings)| settings.check(&format!("shops.{name}.scenes.{scene}")))
    }
}

impl SceneConfig {
    fn check(&self, field: &str) -> Result<(), ConfigError> {
        if self.exposures > MAX_EXPOSURES {
            let expected = format!("0 to {MAX_EXPOSURES}");
            return Err(value(format!("{field}.exposures"), expected, self.exposures));
        }
        let window = self.exposure_window_seconds;
        if !(1..=31_536_000).contains(&window) {
            return Err(value(format!("{field}.exposure_window_seconds"), "1 to 31536000 seconds", window));
        }
        Ok(())
    }
}
