//! The blend: a linear weight for every source, per kind of query. In the manifest, weights are maps from the name of a
//! source to its weight.

use std::collections::BTreeMap;

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

use crate::source::{Evidence, Source};

/// Weights of all sources. Each source's score is first divided by its best in the answer, so weights are comparable.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Blend {
    /// people -> items.
    #[serde(with = "by_name")]
    pub recommend: Evidence,
    /// people -> items that they did not buy before.
    #[serde(with = "by_name")]
    pub recommend_new: Evidence,
    /// people -> items, for visitors without a known user.
    #[serde(with = "by_name")]
    pub recommend_visitor: Evidence,
    /// items -> people.
    #[serde(with = "by_name")]
    pub audience: Evidence,
    /// True if users buy the same items again. If they do not, items that a user bought rank below all others.
    pub repeats: bool,
}

impl Default for Blend {
    fn default() -> Self {
        let recommend = Source::TABLE.map(|spec| spec.recommend);
        Self {
            recommend,
            recommend_new: recommend,
            recommend_visitor: recommend,
            repeats: true,
            audience: Source::TABLE.map(|spec| spec.audience),
        }
    }
}

/// Weights as a map from the name of a source to its weight. A source without an entry has weight 0; an unknown name is
/// an error, since the blend was trained with a signal that this program does not have.
mod by_name {
    use super::*;

    pub(super) fn serialize<S: Serializer>(weights: &Evidence, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(Source::ALL.map(|source| (source.name(), weights[source as usize])))
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Evidence, D::Error> {
        let mut weights = Evidence::default();
        for (name, weight) in BTreeMap::<String, f32>::deserialize(deserializer)? {
            let source = Source::named(&name).ok_or_else(|| {
                let known = Source::ALL.map(Source::name).join(", ");
                de::Error::custom(format!("unknown source `{name}`, expected one of {known}"))
            })?;
            weights[source as usize] = weight;
        }
        Ok(weights)
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]
    use super::*;

    #[test]
    fn weights_are_written_by_name_and_unknown_names_are_refused() {
        let mut blend = Blend::default();
        blend.recommend[Source::UserKnn as usize] = 0.7;
        let json = serde_json::to_value(&blend).unwrap();
        assert_eq!(json["recommend"]["user_knn"].as_f64().unwrap() as f32, 0.7);
        assert_eq!(serde_json::from_value::<Blend>(json.clone()).unwrap(), blend);
        let mut other = json;
        other["audience"] = serde_json::json!({"personal": 1.0, "horoscope": 0.2});
        let error = serde_json::from_value::<Blend>(other).unwrap_err().to_string();
        assert!(error.contains("horoscope") && error.contains("user_knn"), "{error}");
    }
}
