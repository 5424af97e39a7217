//! The answer, in dense indices: ordered slots, and facts about how they were filled.

use crate::ids::ItemIx;
use crate::rules::rule::Unmet;
use crate::source::{Evidence, Source};

/// One slot of a slate.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Recommended {
    /// The item.
    pub item: ItemIx,
    /// Comparable within one slate; higher is better.
    pub score: f32,
    /// The source that contributed most.
    pub source: Source,
    /// Score of each source divided by its best in this answer; `0..=1`.
    pub evidence: Evidence,
    /// The item of the user that contributed most, if there is one.
    pub seed: Option<ItemIx>,
    /// The way this slot was filled.
    pub slot: Slot,
}

/// The ordered answer, and facts about how it was made.
#[derive(Debug, Clone, Default)]
pub struct Slate {
    /// Best first.
    pub items: Vec<Recommended>,
    /// True if the person's history or session contributed.
    pub personalized: bool,
    /// The weights of the sources that ordered it.
    pub weights: Evidence,
    /// Items proposed, by [`Source`]: counted once for each seed that led to them.
    pub proposed: [u32; Source::COUNT],
    /// Candidates taken out or demoted, by [`Filter`].
    pub filtered: [u32; Filter::COUNT],
    /// Rules about slots that it does not satisfy.
    pub unmet: Vec<Unmet>,
}

/// The way a slot of a slate was filled.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Slot {
    /// By rank.
    Ranked,
    /// Reserved for an item without sales.
    Exploration,
    /// By a rule that pins the item to it.
    Pinned,
    /// By an item that ranking did not propose and a rule asks for.
    Ruled,
    /// By a demoted item, because too few others were left.
    Backfill(Demotion),
}

/// The reason for which a candidate was demoted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Demotion {
    /// The user bought it, in a shop where users do not buy the same items again.
    Bought,
    /// It was shown to the user often and ignored.
    Overexposed,
}

/// The reason for which a candidate was removed or demoted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum Filter {
    /// The caller excluded it.
    Excluded = 0,
    /// It is not on sale.
    OffSale = 1,
    /// The user bought it, and the query leaves bought items out.
    Bought = 2,
    /// It was shown to the user often and ignored: demoted, not removed.
    Overexposed = 3,
    /// A filter, a hide rule or the caller's pool leaves it out.
    Ruled = 4,
}

impl Filter {
    /// Number of reasons.
    pub const COUNT: usize = 5;
    /// All reasons, in index order.
    pub const ALL: [Self; Self::COUNT] =
        [Self::Excluded, Self::OffSale, Self::Bought, Self::Overexposed, Self::Ruled];

    /// The name in metrics.
    pub fn name(self) -> &'static str {
        match self {
            Self::Excluded => "excluded",
            Self::OffSale => "off_sale",
            Self::Bought => "bought",
            Self::Overexposed => "overexposed",
            Self::Ruled => "ruled",
        }
    }
}
