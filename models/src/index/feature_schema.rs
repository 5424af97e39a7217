//! The schema of features: the names of the columns that trees read, in one list per model.
//!
//! Rows of features are plain arrays, so trees name a column by its position. The names are written beside the trees
//! (metadata `features` of their section), and a reader that has other names refuses them with both lists: a column
//! that was added, removed or moved can never be read as another one.

/// Declares the columns of a row of features.
macro_rules! schema {
    ($(#[$meta:meta])* $schema:ident { $($(#[$doc:meta])* $column:ident = $name:literal,)+ }) => {
        $(#[$meta])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        #[repr(usize)]
        pub enum $schema { $($(#[$doc])* $column,)+ }

        impl $schema {
            /// Names of the columns, in order.
            pub const NAMES: &[&str] = &[$($name,)+];
            /// Number of columns.
            pub const COUNT: usize = Self::NAMES.len();
        }
    };
}

schema! {
    /// Columns that the rankers (people -> items) read.
    ///
    /// The first ones are the normalized scores of the sources, in the order of [`Source`](crate::source::Source).
    /// Columns about the user's purchases of the item are NaN if there are none.
    RankColumn {
        /// Score of the source, divided by its best.
        Personal = "personal",
        /// Likewise.
        CoPurchase = "co_purchase",
        /// Likewise.
        Factors = "factors",
        /// Likewise.
        Popularity = "popularity",
        /// Likewise.
        Ease = "ease",
        /// Likewise.
        EaseRecent = "ease_recent",
        /// Likewise.
        Transition = "transition",
        /// Likewise.
        UserKnn = "user_knn",
        /// Likewise.
        UserKnnRecent = "user_knn_recent",
        /// Likewise.
        LowPass = "low_pass",
        /// Likewise.
        External1 = "external_1",
        /// Likewise.
        External2 = "external_2",
        /// Likewise.
        Content = "content",
        /// Blended score.
        Blend = "blend",
        /// Baskets of the user that held the item.
        PairBaskets = "pair_baskets",
        /// The same, decayed by age.
        PairDecayed = "pair_decayed",
        /// Days since the user last bought the item.
        PairDaysSinceLast = "pair_days_since_last",
        /// Days since the user first bought the item.
        PairDaysSinceFirst = "pair_days_since_first",
        /// Mean days between two purchases of the item; NaN before the second.
        PairMeanGapDays = "pair_mean_gap_days",
        /// Days since the last purchase over the mean gap.
        PairOverdue = "pair_overdue",
        /// Share of the user's baskets that held the item.
        PairBasketShare = "pair_basket_share",
        /// Baskets per day since the item was first bought.
        PairBasketsPerDay = "pair_baskets_per_day",
        /// Days between the last purchase of the item and the user's last basket.
        PairDaysBeforeLastBasket = "pair_days_before_last_basket",
        /// Decayed baskets of the shop that held the item.
        ItemPopularity = "item_popularity",
        /// Baskets of the last 7 days.
        ItemBaskets7d = "item_baskets_7d",
        /// Baskets of the last 30 days.
        ItemBaskets30d = "item_baskets_30d",
        /// Baskets of the last 90 days.
        ItemBaskets90d = "item_baskets_90d",
        /// All baskets.
        ItemBaskets = "item_baskets",
        /// Baskets of 7 days over those of 30, smoothed.
        ItemTrend7d = "item_trend_7d",
        /// Baskets of 30 days over those of 90, smoothed.
        ItemTrend30d = "item_trend_30d",
        /// Baskets of 90 days over all, smoothed.
        ItemTrend90d = "item_trend_90d",
        /// Share of the item's buyers who bought it again, smoothed.
        ItemRepeatRate = "item_repeat_rate",
        /// Buyers of the item.
        ItemBuyers = "item_buyers",
        /// Baskets of the user.
        UserBaskets = "user_baskets",
        /// Days since the user's last basket.
        UserSilentDays = "user_silent_days",
        /// Different items per basket of the user.
        UserItemsPerBasket = "user_items_per_basket",
        /// Share of the user's purchases that repeat an earlier one.
        UserRepeatShare = "user_repeat_share",
        /// Share of the user's purchases in the item's category; NaN if unknown.
        TasteCategory = "taste_category",
        /// Share in the item's department (first step of the category).
        TasteDepartment = "taste_department",
        /// Share of the item's brand.
        TasteBrand = "taste_brand",
        /// Logarithm of the item's price over the user's usual one.
        TastePrice = "taste_price",
        /// Raw score of content: the best of an answer may hardly resemble the user's items.
        ContentRaw = "content_raw",
    }
}

schema! {
    /// Columns that the models of likelihood (items -> people) read.
    ///
    /// Columns about the user's purchases of the item are NaN if there are none, and so are columns about the item
    /// where it has no sales.
    LikelihoodColumn {
        /// Raw score of the source.
        Personal = "personal",
        /// Likewise.
        Factors = "factors",
        /// Likewise.
        Activity = "activity",
        /// Likewise.
        Ease = "ease",
        /// Likewise.
        EaseRecent = "ease_recent",
        /// Score of the source, divided by its best.
        PersonalShare = "personal_share",
        /// Likewise.
        FactorsShare = "factors_share",
        /// Likewise.
        ActivityShare = "activity_share",
        /// Likewise.
        EaseShare = "ease_share",
        /// Likewise.
        EaseRecentShare = "ease_recent_share",
        /// Blended score.
        Blend = "blend",
        /// Baskets of the user that held the item; NaN for users who never bought it.
        PairBaskets = "pair_baskets",
        /// Days since the user last bought the item.
        PairDaysSinceLast = "pair_days_since_last",
        /// Days since the user first bought the item.
        PairDaysSinceFirst = "pair_days_since_first",
        /// Mean days between two purchases of the item; NaN before the second.
        PairMeanGapDays = "pair_mean_gap_days",
        /// Days since the last purchase over the mean gap.
        PairOverdue = "pair_overdue",
        /// Share of the user's baskets that held the item.
        PairBasketShare = "pair_basket_share",
        /// Baskets per day since the item was first bought.
        PairBasketsPerDay = "pair_baskets_per_day",
        /// Days between the last purchase of the item and the user's last basket.
        PairDaysBeforeLastBasket = "pair_days_before_last_basket",
        /// Decayed baskets of the shop that held the item; NaN for items without sales.
        ItemPopularity = "item_popularity",
        /// Baskets of the last 7 days.
        ItemBaskets7d = "item_baskets_7d",
        /// Baskets of the last 30 days.
        ItemBaskets30d = "item_baskets_30d",
        /// Baskets of the last 90 days.
        ItemBaskets90d = "item_baskets_90d",
        /// All baskets.
        ItemBaskets = "item_baskets",
        /// Baskets of 7 days over those of 30, smoothed.
        ItemTrend7d = "item_trend_7d",
        /// Baskets of 30 days over those of 90, smoothed.
        ItemTrend30d = "item_trend_30d",
        /// Baskets of 90 days over all, smoothed.
        ItemTrend90d = "item_trend_90d",
        /// Share of the item's buyers who bought it again, smoothed.
        ItemRepeatRate = "item_repeat_rate",
        /// Buyers of the item.
        ItemBuyers = "item_buyers",
        /// Buyers whose first purchase is at most 30 days old.
        ItemNewBuyers30d = "item_new_buyers_30d",
        /// Buyers whose first purchase is at most 90 days old.
        ItemNewBuyers90d = "item_new_buyers_90d",
        /// Baskets of the user.
        UserBaskets = "user_baskets",
        /// Days since the user's last basket.
        UserSilentDays = "user_silent_days",
        /// Order lines per basket of the user.
        UserLinesPerBasket = "user_lines_per_basket",
        /// Share of the user's lines that repeat an earlier one.
        UserRepeatShare = "user_repeat_share",
        /// Days since the user's first basket.
        UserTenureDays = "user_tenure_days",
        /// Baskets per 30 days of tenure.
        UserBasketsPerMonth = "user_baskets_per_month",
        /// Days since the last basket over the user's mean gap between baskets.
        UserOverdue = "user_overdue",
        /// Different items that the user bought.
        UserItems = "user_items",
        /// Raw score of the first external source.
        External1 = "external_1",
        /// Raw score of the second external source.
        External2 = "external_2",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::source::Source;

    #[test]
    fn rank_columns_begin_with_the_sources() {
        assert_eq!(RankColumn::NAMES[..Source::COUNT], Source::ALL.map(Source::name));
        assert_eq!(RankColumn::NAMES[RankColumn::Blend as usize], "blend");
    }

    #[test]
    fn names_are_distinct() {
        for names in [RankColumn::NAMES, LikelihoodColumn::NAMES] {
            let distinct: std::collections::BTreeSet<_> = names.iter().collect();
            assert_eq!(distinct.len(), names.len());
        }
    }
}
