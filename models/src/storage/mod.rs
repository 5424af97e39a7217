//! Files of a model: one mapped section, one version, and one shop's folder of versions.

pub mod artifact;
mod durable_file;
pub mod metrics;
mod names;
pub mod section;
pub mod versions;
