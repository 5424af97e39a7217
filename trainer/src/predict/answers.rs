//! Answers a chunk of keys from the model, on all cores.

use std::borrow::Cow;
use std::sync::OnceLock;

use qianmian_models::audience::{self, AudienceQuery};
use qianmian_models::consent::{Consents, Purpose};
use qianmian_models::ids::Vocabulary;
use qianmian_models::kernels::topk::Scored;
use qianmian_models::recommend::query::Query;
use qianmian_models::snapshot::Snapshot;
use qianmian_models::view::View;
use qianmian_models::{bundle, recommend, similar};
use rayon::prelude::*;

use super::keys::{Chunk, Key};
use super::rows::{Encoder, Part};
use super::summary::Tally;
use super::{Kind, Request};

/// Parts of a full chunk, each answered by one thread. Fixed, because the output must not depend on the number of
/// threads.
const PARTS: usize = 64;

/// The answers of one model to one request.
pub struct Answers<'a> {
    view: View<'a>,
    request: &'a Request,
    /// The slate of unknown users, and of users without consent to personal answers.
    anonymous: OnceLock<Vec<Scored>>,
}

impl<'a> Answers<'a> {
    /// Answers from `snapshot`, at the request's moment, within the users' consents.
    pub fn new(snapshot: &'a Snapshot, consents: &'a Consents, request: &'a Request) -> Self {
        let view = View::as_trained(snapshot).with_consents(consents);
        let view = view.at(request.at.unwrap_or(snapshot.data_until));
        Self { view, request, anonymous: OnceLock::new() }
    }

    /// The moment of the answers, unix seconds.
    pub fn at(&self) -> i64 {
        self.view.now
    }

    /// The answers to a chunk, in parts that follow the order of its keys.
    ///
    /// # Errors
    /// Fails if a part cannot be encoded.
    pub fn of(&self, chunk: &Chunk, encoder: &Encoder) -> anyhow::Result<Vec<(Part, Tally)>> {
        let keys = chunk.len().div_ceil(PARTS).max(1);
        let starts: Vec<usize> = (0..chunk.len()).step_by(keys).collect();
        let part = |start: usize| -> anyhow::Result<(Part, Tally)> {
            let mut rows = encoder.part();
            let mut tally = Tally::default();
            for n in start..chunk.len().min(start + keys) {
                let key = chunk.key(n);
                let answer = self.answer(&key, &mut tally);
                tally.count(key.known.is_empty(), answer.len(), self.request.count);
                rows.push(key.id, &answer, self.vocabulary())?;
            }
            Ok((rows.finish()?, tally))
        };
        starts.into_par_iter().map(part).collect()
    }

    /// The outside ids of the answers.
    fn vocabulary(&self) -> &'a Vocabulary {
        match self.request.kind {
            Kind::Audience => &self.view.snapshot.users,
            Kind::Recommend | Kind::Similar | Kind::Bundle => &self.view.snapshot.items,
        }
    }

    /// The answer to a key, best first. An unknown key gets an empty answer, but an unknown user gets best sellers.
    fn answer(&self, key: &Key<'_>, tally: &mut Tally) -> Cow<'_, [Scored]> {
        let (view, count) = (self.view, self.request.count);
        let answer: Vec<Scored> = match (self.request.kind, key.known) {
            (Kind::Recommend, &[user, ..]) if self.may_personalize(user, tally) => self.recommend(Some(user)),
            (Kind::Recommend, _) => {
                return Cow::Borrowed(self.anonymous.get_or_init(|| self.recommend(None)));
            }
            (_, []) => Vec::new(),
            (Kind::Similar, items) => {
                similar::similar(view, items, count).iter().map(|r| scored(r.item, r.score)).collect()
            }
            (Kind::Bundle, cart) => {
                let complements = match key.owner.filter(|&owner| self.may_personalize(owner, tally)) {
                    Some(user) => {
                        let person = Query::for_user(user, count);
                        bundle::personal_complements(view, cart, &person, count)
                    }
                    None => bundle::complements(view, cart, count),
                };
                complements.iter().map(|c| scored(c.item, c.score)).collect()
            }
            (Kind::Audience, items) => {
                // As in the server: an item that is off sale has no audience.
                let items: Vec<_> = items.iter().copied().filter(|&item| view.on_sale(item)).collect();
                let exclude_buyers = self.request.exclude_bought;
                let query = AudienceQuery { items, exclude_buyers, count, ..AudienceQuery::default() };
                let audience = audience::audience(view, &query);
                tally.without_consent += audience.without_consent as u64;
                audience.people.iter().map(|p| scored(p.user, p.score)).collect()
            }
        };
        Cow::Owned(answer)
    }

    /// True if `user` allows personal answers; counts users who do not.
    fn may_personalize(&self, user: u32, tally: &mut Tally) -> bool {
        let allows = self.view.allows(Purpose::Personalization, user);
        tally.without_consent += u64::from(!allows);
        allows
    }

    fn recommend(&self, user: Option<u32>) -> Vec<Scored> {
        let exclude_bought = self.request.exclude_bought;
        let query = Query { user, exclude_bought, count: self.request.count, ..Query::default() };
        recommend::recommend(self.view, &query).items.iter().map(|r| scored(r.item, r.score)).collect()
    }
}

/// A score that is not finite is 0, as in the server's answers.
fn scored(ix: u32, score: f32) -> Scored {
    Scored { ix, score: if score.is_finite() { score } else { 0.0 } }
}
