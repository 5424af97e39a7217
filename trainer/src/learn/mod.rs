//! The learners, one per file. Most turn a [`Dataset`](crate::dataset::Dataset) into one index of the artifact;
//! [`folds`] cuts past folds, from which [`ranking`] and [`likelihood`] learn rankings and probabilities.

pub mod als;
pub mod ann;
pub mod blend;
pub mod bundles;
pub mod co_purchase;
pub mod content_neighbors;
pub mod ease;
pub mod folds;
pub mod gbdt;
pub mod indexes;
pub mod likelihood;
pub mod localities;
pub mod low_pass;
pub mod matrix;
pub mod popularity;
pub mod profile;
pub mod purchases;
pub mod ranker;
pub mod ranking;
pub mod rooms;
pub mod transitions;
pub mod user_knn;
