//! Files of a model: one mapped section, one version, and one shop's folder of versions.

pub mod artifact;
pub mod section;
pub mod versions;
