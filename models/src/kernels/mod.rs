//! Inner loops shared by all answers: dot products, the best of many, and tree ensembles.

pub mod simd;
pub mod topk;
pub mod trees;
