//! What is asked and what is answered, in dense indices: [`Query`] in, candidates with evidence on the
//! way, a [`Slate`] out. Outside ids are resolved by the caller, which also takes them back out.

use serde::{Deserialize, Serialize};

use crate::ids::{ItemIx, UserIx};
use crate::index::places::PlaceIx;

/// Where a candidate comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[repr(u8)]
pub enum Source {
    /// The user bought it before (goods -> people: bought the item before).
    Personal = 0,
    /// It shares baskets with what the user bought or looks at (goods -> people: bought its companions).
    CoPurchase = 1,
    /// The user's and the item's vectors point the same way.
    Factors = 2,
    /// It sells well (goods -> people: the user buys often).
    Popularity = 3,
    /// Regressed on all that the user bought (EASE).
    Ease = 4,
    /// Regressed on what the user bought lately.
    EaseRecent = 5,
    /// It is bought after what the user bought last.
    Transition = 6,
    /// People who buy what this user buys, buy it.
    UserKnn = 7,
    /// It lies in the smooth directions of what the user bought.
    LowPass = 8,
    /// The first thing that was learned elsewhere says so.
    #[serde(rename = "external_1")]
    External1 = 9,
    /// The second one does.
    #[serde(rename = "external_2")]
    External2 = 10,
    /// What is written of it resembles what the user bought or looks at, where one of the two was never sold.
    Content = 11,
}

impl Source {
    /// How many there are.
    pub const COUNT: usize = 12;
    /// All of them, in index order.
    pub const ALL: [Self; Self::COUNT] = [
        Self::Personal,
        Self::CoPurchase,
        Self::Factors,
        Self::Popularity,
        Self::Ease,
        Self::EaseRecent,
        Self::Transition,
        Self::UserKnn,
        Self::LowPass,
        Self::External1,
        Self::External2,
        Self::Content,
    ];

    /// The name in answers, metrics and configuration.
    pub fn name(self) -> &'static str {
        match self {
            Self::Personal => "personal",
            Self::CoPurchase => "co_purchase",
            Self::Factors => "factors",
            Self::Popularity => "popularity",
            Self::Ease => "ease",
            Self::EaseRecent => "ease_recent",
            Self::Transition => "transition",
            Self::UserKnn => "user_knn",
            Self::LowPass => "low_pass",
            Self::External1 => "external_1",
            Self::External2 => "external_2",
            Self::Content => "content",
        }
    }
}

/// Why a candidate was taken out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum Filter {
    /// The caller excluded it.
    Excluded = 0,
    /// It is not on sale.
    OffSale = 1,
    /// The user bought it, and bought items were not wanted.
    Bought = 2,
    /// It was shown to the user often enough: it comes only where nothing else is left.
    Tired = 3,
}

impl Filter {
    /// How many there are.
    pub const COUNT: usize = 4;
    /// All of them, in index order.
    pub const ALL: [Self; Self::COUNT] = [Self::Excluded, Self::OffSale, Self::Bought, Self::Tired];

    /// The name in metrics.
    pub fn name(self) -> &'static str {
        match self {
            Self::Excluded => "excluded",
            Self::OffSale => "off_sale",
            Self::Bought => "bought",
            Self::Tired => "tired",
        }
    }
}

/// Which goods for this person, here, now?
#[derive(Debug, Clone, Default)]
pub struct Query {
    /// The person, if the model knows them.
    pub user: Option<UserIx>,
    /// Items the person looks at, has in the cart or touched in this session; latest first.
    pub recent: Vec<ItemIx>,
    /// Items that the person touched lately, each with how much it draws them (`0..=1`), most first. Unlike
    /// those of `recent` they may be returned.
    pub touched: Vec<(ItemIx, f32)>,
    /// Items that the person bought since the model was trained, each with when, unix seconds.
    pub bought: Vec<(ItemIx, i64)>,
    /// Items that were shown to the person often and left alone: they come after all others.
    pub tired: Vec<ItemIx>,
    /// What sells and is looked at right now, each with how much (`0..=1`, where 1 is as much as the best seller).
    pub trending: Vec<(ItemIx, f32)>,
    /// Items that must not be returned.
    pub exclude: Vec<ItemIx>,
    /// Leave out what the person bought before.
    pub exclude_bought: bool,
    /// Length of the slate.
    pub count: usize,
    /// The moment to answer as of, unix seconds.
    pub at: i64,
    /// Where the person is; what sells there stands in for a history that is not known.
    pub place: Option<PlaceIx>,
}

impl Query {
    /// A plain query for a known user.
    pub fn for_user(user: UserIx, count: usize, at: i64) -> Self {
        Self { user: Some(user), count, at, ..Self::default() }
    }
}

/// The scores that the sources gave a candidate, indexed by [`Source`]; 0 where one did not propose it.
pub type Evidence = [f32; Source::COUNT];

/// One place of a slate.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Recommended {
    /// The item.
    pub item: ItemIx,
    /// Comparable within one slate; higher is better.
    pub score: f32,
    /// The source that contributed most.
    pub source: Source,
    /// What each source said, each divided by its best in this answer; `0..=1`.
    pub evidence: Evidence,
    /// The item of the user's that argued most for this one, where there is one.
    pub because: Option<ItemIx>,
}

/// The ordered answer, and the facts of how it came about.
#[derive(Debug, Clone, Default)]
pub struct Slate {
    /// Best first.
    pub items: Vec<Recommended>,
    /// Whether anything of the person (history or session) went into it.
    pub personalized: bool,
    /// Candidates proposed, by [`Source`].
    pub proposed: [u32; Source::COUNT],
    /// Candidates taken out, by [`Filter`].
    pub filtered: [u32; Filter::COUNT],
}
