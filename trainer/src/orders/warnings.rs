//! Warnings about the data of a run: a stable code, numbers and a cure each.

use serde::Serialize;
use std::fmt;

/// The kinds of warnings. Codes are stable: a program may look for them in the account.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Code {
    /// The format of a file was detected from its content.
    FormatGuessed,
    /// Columns were found by other names than the canonical ones.
    ColumnsGuessed,
    /// A file lacks an optional column that others have.
    ColumnMissingInFile,
    /// A column looks like a misspelt canonical one.
    ColumnLooksMisspelt,
    /// No column of persons: all baskets are guest baskets.
    NoUsers,
    /// No column of times.
    NoTimes,
    /// No column of order ids: baskets are made of persons and days, or of lines.
    NoOrderIds,
    /// Sheets of a workbook that are not read.
    SheetsNotRead,
    /// Lines with a quote that is never closed.
    StrayQuotes,
    /// Values of an order's first line were carried down.
    FilledDown,
    /// Cells were read as lists.
    ListsSplit,
    /// Item ids look like lists.
    ItemsLookLikeLists,
    /// `.0` was removed from ids.
    IdsThroughFloat,
    /// Some ids end in `.0`.
    IdsEndInPointZero,
    /// Ids were rounded by a spreadsheet; their rows are rejected.
    IdsRounded,
    /// Unknown words in the status column.
    UnknownStatus,
    /// Rows that match `cancelled_when` have a negative quantity.
    CancelledRowsAreNegative,
    /// User ids that mean no user.
    GuestWords,
    /// A person has an outsized share of all lines.
    OutsizedPerson,
    /// Equal lines of an order, counted as pieces or as duplicates.
    EqualLines,
    /// Later states of order lines replaced earlier ones.
    LaterStates,
    /// Lines of price 0.
    FreeLines,
    /// Prices that cannot be read.
    UnreadablePrices,
    /// More rooms or merchants than the limit.
    RoomsBeyondLimit,
    /// Amounts have more decimals than the currency has.
    AmountsRounded,
    /// Amounts below zero were read as returns.
    NegativeAmounts,
    /// Times are day numbers of spreadsheets.
    SpreadsheetDays,
    /// Times were rounded by a spreadsheet.
    TimesRounded,
    /// A decimal comma was detected from the numbers.
    DecimalComma,
    /// Baskets that span more than a week.
    WideBaskets,
    /// Baskets with more items than `max_basket_items`.
    GiantBaskets,
    /// The meaning of the order of baskets was decided from the data.
    OrderOfBaskets,
    /// Every basket holds one line.
    OneLineBaskets,
    /// Each person has one basket.
    OneBasketEach,
    /// One person has all baskets.
    OnePerson,
    /// Orders have lines both with and without a person.
    PersonOnSomeLines,
}

impl Code {
    /// The code as text, as in the account.
    pub fn text(self) -> String {
        serde_json::to_value(self)
            .ok()
            .and_then(|value| value.as_str().map(str::to_owned))
            .unwrap_or_default()
    }

    /// True for a guess that `--strict` refuses.
    pub fn is_guess(self) -> bool {
        matches!(
            self,
            Self::FormatGuessed
                | Self::ColumnsGuessed
                | Self::NoOrderIds
                | Self::FilledDown
                | Self::ListsSplit
                | Self::IdsThroughFloat
                | Self::UnknownStatus
                | Self::EqualLines
                | Self::SpreadsheetDays
                | Self::TimesRounded
                | Self::DecimalComma
        )
    }
}

/// One warning.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Warning {
    /// Its kind.
    pub code: Code,
    /// Number of rows, ids or baskets concerned; 0 if nothing is counted.
    pub count: u64,
    /// One sentence with the numbers and the cure.
    pub text: String,
}

impl Warning {
    /// A warning about `count` rows, ids or baskets.
    pub fn new(code: Code, count: u64, text: impl Into<String>) -> Self {
        Self { code, count, text: text.into() }
    }
}

impl fmt::Display for Warning {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} [{}]", self.text, self.code.text())
    }
}
