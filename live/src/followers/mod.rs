//! Followers: derived from the log of events, never from a request.

pub mod follow;
pub mod recent_buyers;
pub mod room_figures;
mod told;
pub mod trending;

pub use follow::Follower;
pub use recent_buyers::{Reaction, RecentBuyers};
pub use room_figures::RoomFigures;
pub use trending::{Trending, TrendingByLocality};
