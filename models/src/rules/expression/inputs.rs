//! The inputs of an expression: the person as the model knows them, the place, the moment, and the caller's
//! own parameters.

use std::cell::OnceCell;
use std::collections::BTreeMap;

use jiff::Timestamp;
use jiff::civil::Date;
use jiff::tz::TimeZone;

use crate::ids::UserIx;
use crate::index::user_attributes::UserAttributes;
use crate::snapshot::Snapshot;

pub use super::value::Owned as Param;
use super::value::Value;

/// The last hour of a day.
pub const MAX_LOCAL_HOUR: u8 = 23;
const DAY: f64 = 86_400.0;

/// The caller's description of a request; an unknown text is empty.
#[derive(Debug, Clone, Default)]
pub struct Asked {
    /// Name of the scene.
    pub scene: String,
    /// The person's channel.
    pub channel: String,
    /// The person's region.
    pub region: String,
    /// The store that the person is in.
    pub store_id: String,
    /// The city that the person is in.
    pub city: String,
    /// The wall clock, unix seconds.
    pub at: i64,
    /// The zone of hours and weekdays; UTC where there is none.
    pub zone: Option<TimeZone>,
    /// The caller's own values, by name.
    pub params: BTreeMap<String, Param>,
}

/// The inputs of the expressions of one request.
#[derive(Debug)]
pub struct Inputs<'a> {
    /// The model.
    pub snapshot: &'a Snapshot,
    /// The person, if the model knows them.
    pub user: Option<UserIx>,
    /// Baskets of the person since training, and the last one, unix seconds.
    pub since: (usize, Option<i64>),
    /// The caller's description.
    pub asked: &'a Asked,
    tags: OnceCell<Vec<String>>,
}

impl<'a> Inputs<'a> {
    /// The inputs of a request by `user`, who bought `since` training.
    pub fn new(
        snapshot: &'a Snapshot,
        user: Option<UserIx>,
        since: (usize, Option<i64>),
        asked: &'a Asked,
    ) -> Self {
        Self { snapshot, user, since, asked, tags: OnceCell::new() }
    }

    /// Labels of the person.
    pub fn tags(&self) -> &[String] {
        self.tags.get_or_init(|| {
            let tags = self.user.into_iter().flat_map(|user| self.snapshot.user_attributes.tags(user));
            tags.map(str::to_owned).collect()
        })
    }

    /// Gender in the source's own word.
    pub fn gender(&self) -> &str {
        self.attribute(UserAttributes::gender)
    }

    /// City of residence.
    pub fn city(&self) -> &str {
        self.attribute(UserAttributes::city)
    }

    /// The channel that the person buys through most.
    pub fn usual_channel(&self) -> &str {
        self.user.and_then(|user| self.snapshot.profiles.channel(user)).unwrap_or_default()
    }

    /// Baskets of the person, those since training included.
    pub fn baskets(&self) -> f64 {
        let trained = self.user.map_or(0, |user| self.snapshot.profiles.activity(user).0);
        f64::from(trained) + self.since.0 as f64
    }

    /// Days since the person's last purchase; `None` if there is none.
    pub fn days_since_last(&self) -> Option<f64> {
        let activity = self.user.map(|user| self.snapshot.profiles.activity(user));
        let trained = activity.filter(|(baskets, _)| *baskets > 0).map(|(_, last_at)| i64::from(last_at));
        let last = trained.max(self.since.1)?;
        Some((self.asked.at - last).max(0) as f64 / DAY)
    }

    /// Days until the person's next birthday, in the shop's zone; 0 on the day itself. Who was born on a leap day has it on
    /// March 1 in other years.
    pub fn days_to_birthday(&self) -> Option<f64> {
        let born = self.user.and_then(|user| self.snapshot.user_attributes.birthday(user))?;
        let born = Timestamp::from_second(i64::from(born) * DAY as i64).ok()?.to_zoned(TimeZone::UTC).date();
        let today = self.zoned().date();
        let in_year =
            |year| Date::new(year, born.month(), born.day()).or_else(|_| Date::new(year, 3, 1)).ok();
        let next =
            in_year(today.year()).filter(|date| *date >= today).or_else(|| in_year(today.year() + 1))?;
        Some(f64::from(today.until(next).ok()?.get_days()))
    }

    /// Hour of the day, `0..=23`, in the shop's zone.
    pub fn hour(&self) -> u8 {
        self.local(|zoned| zoned.hour())
    }

    /// Day of the week, 1 for Monday to 7 for Sunday.
    pub fn weekday(&self) -> u8 {
        self.local(|zoned| zoned.weekday().to_monday_one_offset())
    }

    /// A parameter of the caller.
    pub fn param(&self, name: &str) -> Option<Value<'_>> {
        self.asked.params.get(name).map(Param::borrowed)
    }

    fn local(&self, of: impl Fn(&jiff::Zoned) -> i8) -> u8 {
        u8::try_from(of(&self.zoned())).unwrap_or_default()
    }

    fn zoned(&self) -> jiff::Zoned {
        let at = Timestamp::from_second(self.asked.at).unwrap_or_default();
        at.to_zoned(self.asked.zone.clone().unwrap_or(TimeZone::UTC))
    }

    fn attribute(&self, of: impl Fn(&'a UserAttributes, UserIx) -> Option<&'a str>) -> &str {
        self.user.and_then(|user| of(&self.snapshot.user_attributes, user)).unwrap_or_default()
    }
}
