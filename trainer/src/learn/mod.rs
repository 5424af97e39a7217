//! The learners, one a file: each turns a [`Dataset`](crate::dataset::Dataset) into one index of the
//! artifact.

pub mod als;
pub mod ann;
pub mod blend;
pub mod bundles;
pub mod co_purchase;
pub mod ease;
pub mod gbdt;
pub mod goods;
pub mod likelihood;
pub mod low_pass;
pub mod matrix;
pub mod places;
pub mod popularity;
pub mod profile;
pub mod purchases;
pub mod ranker;
pub mod rehearsal;
pub mod resembling;
pub mod transitions;
