//! `GET /halls/{name}/slate`: a hall as one person sees it.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::sync::Arc;

use axum::extract::State;
use axum::response::Response;
use qianmian_models::ids::ItemIx;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::edit::no_hall;
use crate::app::{self, App};
use crate::context::LiveContext;
use crate::extract::{PathId, QueryString};
use crate::fields::{DegradedPart, Id, OwnedId, optional_owned_id};
use crate::guard::Call;
use crate::halls::document::in_language;
use crate::halls::{ActiveHall, Order, SectionDocument, Show, Texts};
use crate::handlers::answer::{ModelRef, json};
use crate::handlers::person::UserRef;
use crate::handlers::recommend::{Asked, Context, Place, RecommendRequest, SlateAnswer, Visitor};
use crate::live::USER_STATE;
use crate::problem::Problem;
use crate::request_id::RequestId;

/// The scene of sections that name none.
const SCENE: &str = "hall";

/// The person who looks at the hall, and the language.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct HallSlateQuery {
    /// The person; leave it out for an anonymous visitor.
    #[param(inline)]
    #[serde(default, deserialize_with = "optional_owned_id")]
    user_id: Option<OwnedId>,
    /// The session of the call.
    #[param(inline)]
    #[serde(default, deserialize_with = "optional_owned_id")]
    session_id: Option<OwnedId>,
    /// The channel of the person.
    #[param(inline)]
    #[serde(default, deserialize_with = "optional_owned_id")]
    channel: Option<OwnedId>,
    /// The region of the person.
    #[param(inline)]
    #[serde(default, deserialize_with = "optional_owned_id")]
    region: Option<OwnedId>,
    /// The language of texts, such as `zh` or `en-GB`.
    language: Option<String>,
}

/// A hall as one person sees it.
#[derive(Serialize, ToSchema)]
pub struct HallSlateResponse<'a> {
    /// Ties later events to it.
    #[schema(value_type = String)]
    request_id: RequestId,
    model: ModelRef<'a>,
    /// Parts that did not answer; usually empty.
    #[schema(value_type = Vec<DegradedPart>)]
    degraded: &'a [&'a str],
    name: &'a str,
    #[serde(flatten)]
    content: HallContent<'a>,
    /// Microseconds from reading the request's headers to writing this.
    took_us: u64,
}

/// A hall as one person sees it.
#[derive(Serialize, ToSchema)]
pub struct HallContent<'a> {
    /// In the language asked for, if there is one.
    title: Option<&'a str>,
    /// Sections with items, in the order in which to show them.
    sections: Vec<HallSection<'a>>,
}

/// A section as one person sees it.
#[derive(Serialize, ToSchema)]
pub struct HallSection<'a> {
    name: &'a str,
    /// In the language asked for, if there is one.
    title: Option<&'a str>,
    /// In the language asked for, if there is one.
    text: Option<&'a str>,
    image_url: Option<&'a str>,
    #[serde(flatten)]
    slate: SlateAnswer<'a>,
}

/// A hall as one person sees it: the sections for them, ranked for them. No item is in two sections.
#[utoipa::path(get, path = "/halls/{name}/slate", operation_id = "hall_slate", tag = "halls",
    params(("name" = String, Path), HallSlateQuery),
    responses((status = 200, description = "The sections.", body = HallSlateResponse<'_>)))]
pub async fn slate(
    call: Call,
    State(app): State<Arc<App>>,
    PathId(name): PathId,
    QueryString(query): QueryString<HallSlateQuery>,
) -> Result<Response, Problem> {
    let hall = call.shop.halls.get(&name).ok_or_else(|| no_hall(&name))?;
    let user = query.user_id.map(|id| UserRef::of(id.into()));
    let session_id = query.session_id.map(Id::from);
    let context = Context::at(query.channel.map(Id::from), query.region.map(Id::from));
    let visitor = Visitor::new(&call, user.as_ref(), session_id.as_ref(), Some(&context))?;
    let questions = Questions::of(&hall);
    let asked = questions.asked(&call, &app, &visitor, Some(&context))?;
    // Before the model is taken: it is not held while something waits.
    let live = LiveContext::load(&call.shop, visitor.visit(true)).await;
    let model = call.shop.model()?;
    let (live, refused) = live.as_allowed(&call.shop, &model);
    app.telemetry.consents.made_anonymous(refused);
    if live.degraded().contains(&USER_STATE) {
        app.telemetry.degraded_user_state.increment(1);
    }
    let view = model.view(app::now());
    let place = Place { shop: &call.shop, view, context: &live, elsewhere: &[] };
    let (content, items) = asked.answer(&app, place, query.language.as_deref());
    let response = HallSlateResponse {
        request_id: call.id,
        model: ModelRef::of(view.snapshot),
        degraded: live.degraded(),
        name: &name,
        content,
        took_us: call.took_us(),
    };
    json(&response, 512 + 300 * items.len())
}

/// The requests of a hall for each of its sections, and for their order.
pub struct Questions<'h> {
    hall: &'h ActiveHall,
    sections: Vec<RecommendRequest<'h>>,
    order: RecommendRequest<'h>,
}

/// The questions, checked.
pub struct AskedHall<'h> {
    hall: &'h ActiveHall,
    /// Nothing for a section whose scene needs what a hall does not have, such as a parameter.
    sections: Vec<Option<Asked<'h>>>,
    order: Asked<'h>,
}

impl<'h> Questions<'h> {
    /// The questions of a hall.
    pub fn of(hall: &'h ActiveHall) -> Self {
        let section = |section: &'h SectionDocument| {
            let scene = section.scene.as_deref().unwrap_or(SCENE);
            let filter = section.filter.as_deref().map(Cow::Borrowed);
            RecommendRequest::of_section(scene, filter, &section.item_ids, section.count)
        };
        let sections = hall.document.sections.iter().map(section).collect();
        Self { hall, sections, order: RecommendRequest::of_section(SCENE, None, &[], None) }
    }

    /// The same, checked, of `visitor` in `context`.
    ///
    /// # Errors
    /// The scene `hall` needs a parameter.
    pub fn asked<'r>(
        &'r self,
        call: &Call,
        app: &App,
        visitor: &Visitor<'_>,
        context: Option<&'r Context<'r>>,
    ) -> Result<AskedHall<'r>, Problem> {
        let asked = |request: &'r RecommendRequest<'h>| Asked::new(call, app, request, visitor, context);
        let order = asked(&self.order)?;
        Ok(AskedHall {
            hall: self.hall,
            sections: self.sections.iter().map(|s| asked(s).ok()).collect(),
            order,
        })
    }
}

impl<'h> AskedHall<'h> {
    /// The sections that are for the visitor and have items, in order; and their items.
    pub fn answer<'a>(
        self,
        app: &App,
        place: Place<'a, '_>,
        language: Option<&str>,
    ) -> (HallContent<'a>, Vec<ItemIx>)
    where
        'h: 'a,
    {
        let document = &self.hall.document;
        let text = |texts: &'h Texts| in_language(texts, language, document.language.as_deref());
        let mut taken: Vec<ItemIx> = place.elsewhere.to_vec();
        let mut sections: Vec<(Vec<ItemIx>, HallSection<'a>)> = Vec::new();
        let written = document.sections.iter().zip(&self.hall.conditions);
        for (asked, (section, condition)) in self.sections.into_iter().zip(written) {
            let Some(asked) = asked else { continue };
            let ready = asked.ready(Place { elsewhere: &taken, ..place });
            if !condition.as_ref().is_none_or(|condition| ready.holds(condition)) {
                continue;
            }
            let (slate, items) = ready.answer(app);
            if items.is_empty() {
                continue;
            }
            taken.extend(&items);
            let (title, text) = (text(&section.title), text(&section.text));
            let (name, image_url, slate) = (&*section.name, section.image_url.as_deref(), slate.whole());
            sections.push((items, HallSection { name, title, text, image_url, slate }));
            if document.show == Show::First {
                break;
            }
        }
        let shown = taken.split_off(place.elsewhere.len());
        if document.order == Order::Person {
            let ranked = self.order.ready(Place { elsewhere: &[], ..place }).ranked(shown.clone());
            sort_by_rank(&mut sections, &ranked);
        }
        let sections = sections.into_iter().map(|(_, section)| section).collect();
        (HallContent { title: text(&document.title), sections }, shown)
    }
}

/// Orders sections by the mean rank of their items.
fn sort_by_rank<S>(sections: &mut [(Vec<ItemIx>, S)], ranked: &[ItemIx]) {
    let ranks: BTreeMap<ItemIx, usize> = ranked.iter().copied().zip(0..).collect();
    let mean = |items: &[ItemIx]| {
        let sum: usize = items.iter().map(|item| ranks.get(item).copied().unwrap_or(ranks.len())).sum();
        sum as f64 / items.len().max(1) as f64
    };
    sections.sort_by(|(a, _), (b, _)| mean(a).total_cmp(&mean(b)));
}
