//! `/halls`: themed pages (专题场景馆), as people edit them and as they are shown.

mod edit;
mod show;

pub use edit::*;
pub use show::*;
