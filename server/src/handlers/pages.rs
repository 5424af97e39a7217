//! `/pages`: several shelves in one call, no item twice.
//!
//! All shelves are of one visitor, whose live state is loaded once, and of one model. They are made in their order: a
//! shelf leaves out what those before it show. A shelf that is asked for wrongly has a problem in its place.

use std::borrow::Cow;
use std::sync::Arc;

use axum::extract::State;
use axum::response::Response;
use qianmian_models::ids::ItemIx;
use qianmian_models::view::View;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::answer::{ModelRef, json};
use super::bundle::{BundleAnswer, BundleRequest};
use super::halls::{AskedHall, HallContent, Questions, no_hall};
use super::person::UserRef;
use super::recommend::{self, Context, RecommendRequest, SlateAnswer, Visitor};
use super::similar::{self, SimilarAnswer, SimilarRequest};
use crate::app::{self, App, Shop};
use crate::context::LiveContext;
use crate::extract::JsonBody;
use crate::fields::{DegradedPart, Id, Object, optional_id, optional_object};
use crate::guard::Call;
use crate::halls::ActiveHall;
use crate::live::USER_STATE;
use crate::problem::{Code, Problem};
use crate::request_id::RequestId;

/// Most shelves of a page.
const MAX_SHELVES: usize = 12;

/// Which shelves for this person, here and now?
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct PageRequest<'a> {
    /// The person; leave it out for an anonymous visitor.
    #[serde(borrow, default, deserialize_with = "optional_object")]
    user: Option<UserRef<'a>>,
    /// The session of the call: its events count beside the person's.
    #[serde(borrow, default, deserialize_with = "optional_id")]
    session_id: Option<Id<'a>>,
    /// What the person does now, for shelves that do not say otherwise.
    #[serde(borrow, default, deserialize_with = "optional_object")]
    context: Option<Context<'a>>,
    /// In the order in which they are filled.
    #[serde(borrow)]
    #[schema(value_type = Vec<Shelf<'a>>, min_items = 1, max_items = 12)]
    shelves: Vec<Object<Shelf<'a>>>,
}

/// A shelf: its name, and exactly one kind of content.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Shelf<'a> {
    /// Its name on the page.
    #[serde(borrow)]
    name: Id<'a>,
    /// As `POST /recommend`, without `user` and `session_id`, which are those of the page.
    #[serde(borrow, default, deserialize_with = "optional_object")]
    recommend: Option<RecommendRequest<'a>>,
    /// As `POST /similar`.
    #[serde(borrow, default, deserialize_with = "optional_object")]
    similar: Option<SimilarRequest<'a>>,
    /// As `POST /bundle`, without `user`, which is that of the page. Its sets share no items but those of the cart.
    #[serde(borrow, default, deserialize_with = "optional_object")]
    bundle: Option<BundleRequest<'a>>,
    /// The sections of a hall.
    #[serde(borrow, default, deserialize_with = "optional_object")]
    hall: Option<HallShelf<'a>>,
}

/// Which hall, and in which language.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct HallShelf<'a> {
    /// Its name.
    #[serde(borrow)]
    name: Id<'a>,
    /// The language of texts, such as `zh` or `en-GB`.
    #[serde(borrow, default)]
    language: Option<Cow<'a, str>>,
}

/// The shelves of a page.
#[derive(Serialize, ToSchema)]
pub struct PageResponse<'a> {
    /// Ties later events to this page.
    #[schema(value_type = String)]
    request_id: RequestId,
    model: ModelRef<'a>,
    /// Parts that did not answer; usually empty.
    #[schema(value_type = Vec<DegradedPart>)]
    degraded: &'a [&'a str],
    /// In the order of the request.
    shelves: Vec<ShelfAnswer<'a>>,
    /// Microseconds from reading the request's headers to writing this.
    took_us: u64,
}

/// A shelf: what it was asked for, or the problem with that.
#[derive(Serialize, ToSchema)]
pub struct ShelfAnswer<'a> {
    name: &'a str,
    #[serde(flatten)]
    content: ShelfContent<'a>,
}

/// What is on a shelf.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum ShelfContent<'a> {
    /// A slate.
    Recommend(SlateAnswer<'a>),
    /// Similar items.
    Similar(SimilarAnswer<'a>),
    /// Complements and bundles.
    Bundle(BundleAnswer<'a>),
    /// Sections of a hall.
    Hall(HallContent<'a>),
    /// What is wrong with the shelf; the other shelves answer.
    Problem(ShelfProblem),
}

/// What is wrong with a shelf.
#[derive(Serialize, ToSchema)]
pub struct ShelfProblem {
    code: Code,
    /// The fault and its cure.
    detail: String,
    /// The field of the shelf at fault.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    field: Option<String>,
}

/// Fills several shelves for a person; no item is shown twice.
#[utoipa::path(post, path = "/pages", operation_id = "page", tag = "people -> goods", request_body = PageRequest<'_>,
    responses((status = 200, description = "The shelves.", body = PageResponse<'_>)))]
pub async fn post(call: Call, State(app): State<Arc<App>>, body: JsonBody) -> Result<Response, Problem> {
    let request: PageRequest<'_> = body.parse()?;
    request.check()?;
    let context = request.context.as_ref();
    let visitor = Visitor::new(&call, request.user.as_ref(), request.session_id.as_ref(), context)?;
    let hall = |Object(shelf): &Object<Shelf<'_>>| call.shop.halls.get(shelf.hall.as_ref()?.name.as_str());
    let halls: Vec<Option<Arc<ActiveHall>>> = request.shelves.iter().map(hall).collect();
    let questions: Vec<Option<Questions<'_>>> =
        halls.iter().map(|hall| hall.as_deref().map(Questions::of)).collect();
    let asked: Vec<(&str, Result<Asked<'_>, Problem>)> = request
        .shelves
        .iter()
        .zip(&questions)
        .map(|(Object(shelf), hall)| {
            (shelf.name.as_str(), shelf.asked(&call, &app, (&visitor, context), hall.as_ref()))
        })
        .collect();
    // Before the model is taken: it is not held while something waits.
    let context = LiveContext::load(&call.shop, visitor.visit(true)).await;
    let model = call.shop.model()?;
    let (context, refused) = context.as_allowed(&call.shop, &model);
    app.telemetry.consents.made_anonymous(refused);
    if context.degraded().contains(&USER_STATE) {
        app.telemetry.degraded_user_state.increment(1);
    }
    let view = model.view(app::now());
    let mut page = Page {
        call: &call,
        app: &app,
        view,
        context: &context,
        anonymous: context.anonymous(),
        shown: Vec::new(),
    };
    let shelves: Vec<ShelfAnswer<'_>> =
        asked.into_iter().map(|(name, asked)| ShelfAnswer { name, content: page.content(asked) }).collect();
    let response = PageResponse {
        request_id: call.id,
        model: ModelRef::of(view.snapshot),
        degraded: context.degraded(),
        shelves,
        took_us: call.took_us(),
    };
    json(&response, 512 + 300 * page.shown.len())
}

impl PageRequest<'_> {
    /// Checks that involve several fields.
    fn check(&self) -> Result<(), Problem> {
        let wrong =
            |field: String, detail: String| Err(Problem::new(Code::InvalidField, detail).at_field(field));
        let n_shelves = self.shelves.len();
        if !(1..=MAX_SHELVES).contains(&n_shelves) {
            return wrong("shelves".to_owned(), format!("1 to {MAX_SHELVES} shelves, not {n_shelves}"));
        }
        for (n, Object(shelf)) in self.shelves.iter().enumerate() {
            if self.shelves[..n].iter().any(|Object(other)| other.name == shelf.name) {
                let detail = format!("another shelf is named `{}`", shelf.name.as_str());
                return wrong(format!("shelves[{n}].name"), detail);
            }
        }
        Ok(())
    }
}

/// A shelf that was checked.
enum Asked<'r> {
    Recommend(Box<recommend::Asked<'r>>),
    Similar(similar::Asked<'r>),
    Bundle(&'r BundleRequest<'r>),
    Hall(Box<AskedHall<'r>>, Option<&'r str>),
}

impl<'a> Shelf<'a> {
    fn asked<'r>(
        &'r self,
        call: &Call,
        app: &App,
        (visitor, context): (&Visitor<'_>, Option<&'r Context<'r>>),
        hall: Option<&'r Questions<'r>>,
    ) -> Result<Asked<'r>, Problem> {
        let of_page = |field: &str| {
            let detail = format!("`{field}` is that of the page: give it there");
            Err(Problem::new(Code::InvalidField, detail).at_field(field))
        };
        match (&self.recommend, &self.similar, &self.bundle, &self.hall) {
            (Some(request), None, None, None) => {
                if let Some(field) = request.visitor_field() {
                    return of_page(field);
                }
                let context = request.context().or(context);
                recommend::Asked::new(call, app, request, visitor, context)
                    .map(|asked| Asked::Recommend(Box::new(asked)))
            }
            (None, Some(request), None, None) => similar::Asked::new(call, request).map(Asked::Similar),
            (None, None, Some(request), None) if request.names_person() => of_page("user"),
            (None, None, Some(request), None) => request.check().map(|()| Asked::Bundle(request)),
            (None, None, None, Some(HallShelf { name, language })) => {
                let questions = hall.ok_or_else(|| no_hall(name.as_str()).at_field("hall.name"))?;
                let asked = questions.asked(call, app, visitor, context)?;
                Ok(Asked::Hall(Box::new(asked), language.as_deref()))
            }
            _ => {
                let detail = "a shelf has exactly one of `recommend`, `similar`, `bundle` and `hall`";
                Err(Problem::new(Code::InvalidField, detail))
            }
        }
    }
}

/// A page being filled.
struct Page<'a> {
    call: &'a Call,
    app: &'a App,
    view: View<'a>,
    context: &'a LiveContext,
    /// The same without the person, for shelves that are not personal.
    anonymous: LiveContext,
    shown: Vec<ItemIx>,
}

impl<'a> Page<'a> {
    fn content(&mut self, asked: Result<Asked<'a>, Problem>) -> ShelfContent<'a> {
        let Self { call, app, view, context, anonymous, shown } = self;
        let shop: &Shop = &call.shop;
        let (content, items) = match asked {
            Ok(Asked::Recommend(asked)) => {
                let context = if asked.is_personal() { context } else { &*anonymous };
                let place = recommend::Place { shop, view: *view, context, elsewhere: shown };
                let (slate, items) = asked.ready(place).answer(app);
                (ShelfContent::Recommend(slate), items)
            }
            Ok(Asked::Similar(asked)) => {
                let (similar, items) = asked.answer(*view, shown);
                (ShelfContent::Similar(similar), items)
            }
            Ok(Asked::Bundle(request)) => {
                let context =
                    Some(&**context).filter(|context| request.is_personal() && !context.is_anonymous());
                let (bundle, items) = request.answer(call, *view, context, Some(shown));
                (ShelfContent::Bundle(bundle), items)
            }
            Ok(Asked::Hall(asked, language)) => {
                let place = recommend::Place { shop, view: *view, context, elsewhere: shown };
                let (hall, items) = asked.answer(app, place, language);
                (ShelfContent::Hall(hall), items)
            }
            Err(problem) => {
                let (code, detail) = (problem.code(), problem.detail().to_owned());
                let field = problem.field().map(str::to_owned);
                return ShelfContent::Problem(ShelfProblem { code, detail, field });
            }
        };
        shown.extend(items);
        content
    }
}
