//! The types of identities: a closed list, so that no two systems merge people by a word that they use differently.

use serde::{Deserialize, Serialize};

/// The type of an id of a user in a channel.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[repr(u8)]
pub enum IdentityType {
    /// WeChat, over all apps of one operator.
    WechatUnionid = 0,
    /// SHA-256 of a phone number.
    PhoneSha256 = 1,
    /// SHA-256 of an e-mail address.
    EmailSha256 = 2,
    /// A loyalty card.
    MemberCard = 3,
    /// A buyer on Tmall or Taobao.
    Tmall = 4,
    /// A buyer on JD.
    Jd = 5,
    /// A buyer on Douyin.
    Douyin = 6,
    /// A buyer on Kuaishou.
    Kuaishou = 7,
    /// A buyer on Xiaohongshu.
    Xiaohongshu = 8,
    /// A buyer on Pinduoduo.
    Pinduoduo = 9,
    /// A buyer on Meituan.
    Meituan = 10,
    /// A payer by Alipay.
    Alipay = 11,
    /// WeChat, in one app.
    WechatOpenid = 12,
    /// A phone, a tablet, a computer.
    DeviceId = 13,
    /// A browser.
    Cookie = 14,
    /// A tracker's id of a visitor who has not logged in.
    AnonymousId = 15,
    /// One visit.
    Session = 16,
    /// A tablet that a store hands to its customers.
    StoreTablet = 17,
    /// Everyone at one address.
    Household = 18,
}

/// The reliability with which an identity names one person.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Strength {
    /// Exactly one person: people with different ones never merge.
    Strong,
    /// One person until a second one is seen with it; then it is shared.
    Weak,
    /// Several people: it identifies nobody.
    Shared,
}

use IdentityType as T;
use Strength::{Shared, Strong, Weak};

/// Every type in order of its number: name, type, strength, and the most that one person may have.
const TYPES: [(&str, IdentityType, Strength, usize); 19] = [
    ("wechat_unionid", T::WechatUnionid, Strong, 1),
    ("phone_sha256", T::PhoneSha256, Strong, 3),
    ("email_sha256", T::EmailSha256, Strong, 3),
    ("member_card", T::MemberCard, Strong, 5),
    ("tmall", T::Tmall, Strong, 3),
    ("jd", T::Jd, Strong, 3),
    ("douyin", T::Douyin, Strong, 3),
    ("kuaishou", T::Kuaishou, Strong, 3),
    ("xiaohongshu", T::Xiaohongshu, Strong, 3),
    ("pinduoduo", T::Pinduoduo, Strong, 3),
    ("meituan", T::Meituan, Strong, 3),
    ("alipay", T::Alipay, Strong, 3),
    ("wechat_openid", T::WechatOpenid, Weak, 8),
    ("device_id", T::DeviceId, Weak, 10),
    ("cookie", T::Cookie, Weak, 8),
    ("anonymous_id", T::AnonymousId, Weak, 8),
    ("session", T::Session, Weak, 8),
    ("store_tablet", T::StoreTablet, Shared, 0),
    ("household", T::Household, Shared, 0),
];

impl IdentityType {
    /// All types, in order of their number.
    pub fn all() -> impl Iterator<Item = Self> {
        TYPES.iter().map(|(_, kind, ..)| *kind)
    }

    /// The type with this name; case does not matter.
    pub fn named(name: &str) -> Option<Self> {
        TYPES.iter().find(|(known, ..)| known.eq_ignore_ascii_case(name)).map(|(_, kind, ..)| *kind)
    }

    /// The names of all types.
    pub fn names() -> impl Iterator<Item = &'static str> {
        TYPES.iter().map(|(name, ..)| *name)
    }

    /// The name in requests, answers and files.
    pub fn name(self) -> &'static str {
        TYPES[self as usize].0
    }

    /// The reliability with which identities of the type name one person.
    pub fn strength(self) -> Strength {
        TYPES[self as usize].2
    }

    /// Most identities of this type that one person may have.
    pub fn cap(self) -> usize {
        TYPES[self as usize].3
    }

    /// True if the oldest is dropped when there are too many: browsers and visits renew these all the time, and that
    /// must not make a login fail.
    pub fn rolls(self) -> bool {
        matches!(self, T::Cookie | T::AnonymousId | T::Session)
    }

    /// True if its values are SHA-256 digests.
    pub fn is_digest(self) -> bool {
        matches!(self, T::PhoneSha256 | T::EmailSha256)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_type_has_its_number_and_its_name() {
        for (number, kind) in IdentityType::all().enumerate() {
            assert_eq!(kind as usize, number);
            assert_eq!(IdentityType::named(kind.name()), Some(kind));
            assert_eq!(serde_json::to_value(kind).ok(), Some(kind.name().into()));
            assert_eq!(kind.cap() == 0, kind.strength() == Shared);
        }
    }
}
