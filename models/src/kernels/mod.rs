//! Inner loops shared by all answers: dot products, passes over blocks of scores, exact scans, the best of many, and
//! tree ensembles.

pub mod blocks;
pub mod scan;
pub mod shares;
pub mod simd;
pub mod topk;
pub mod trees;
