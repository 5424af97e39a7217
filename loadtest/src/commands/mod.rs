//! The commands, one per file, and the arguments that several of them share.

pub mod args;
pub mod floor;
pub mod load;
pub mod overload;
pub mod saturation;
