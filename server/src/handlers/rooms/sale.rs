//! Flash sales: their terms, and reservations of their pieces.

use std::collections::BTreeMap;

use axum::http::HeaderMap;
use axum::response::Response;
use qianmian_live::check::Fault;
use qianmian_live::counters::{MAX_LINES, ReservationState, Reserve, ReserveOutcome};
use qianmian_live::rooms::commands::{Refused, SaleTerms};
use qianmian_live::rooms::{FlashSale, Room, RoomState, Visibility};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use xxhash_rust::xxh3::xxh3_128;

use super::{
    CommandHeaders, CommandQuery, CommandResponse, RoomConflict, check_name, command, done, idempotency_key,
};
use crate::extract::{JsonBody, PathId, PathPair, QueryString};
use crate::fields::{Amount, Count, Id, Object, Timestamp};
use crate::guard::Call;
use crate::handlers::answer::{Moment, json};
use crate::handlers::person::UserRef;
use crate::live::{Live, now_ms};
use crate::problem::{Code, Problem, ProblemBody};
use crate::request_id::RequestId;
use crate::rooms::LiveRoom;
use crate::rooms::command::problem;

/// Milliseconds for which pieces are held by default.
const HOLD_MS: i64 = 300_000;

/// Terms of a flash sale.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct SaleRequest {
    /// When it opens; now by default.
    #[serde(default)]
    #[schema(nullable = false)]
    opens_at: Option<Timestamp>,
    /// When it closes; at most 7 days after it opens.
    closes_at: Timestamp,
    /// Pieces for sale.
    quantity: Count<1000000000>,
    /// Most pieces of one person; no limit by default.
    #[serde(default)]
    #[schema(nullable = false)]
    per_person: Option<Count<1000000000>>,
    /// Price of a piece; that of the room by default.
    #[serde(default)]
    #[schema(nullable = false)]
    price: Option<Amount>,
}

/// Pieces to be held for a person.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ReserveRequest<'a> {
    /// The person, by any of their names: limits count all names of a person together.
    #[serde(borrow)]
    user: UserRef<'a>,
    /// All of them, or none; each product once.
    #[serde(borrow)]
    #[schema(value_type = Vec<ReserveLine<'a>>, min_items = 1, max_items = 50)]
    lines: Vec<Object<ReserveLine<'a>>>,
    /// Seconds until they are free again, unless the reservation is confirmed; 300 by default.
    #[serde(default)]
    #[schema(nullable = false)]
    ttl_seconds: Option<Count<86400>>,
}

/// Pieces of one product.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ReserveLine<'a> {
    #[serde(borrow)]
    item_id: Id<'a>,
    #[serde(default = "one")]
    quantity: Count<1000000000>,
}

fn one() -> Count<1000000000> {
    Count::of(1)
}

/// A reservation.
#[derive(Serialize, ToSchema)]
pub struct ReservationResponse {
    #[schema(value_type = String)]
    request_id: RequestId,
    room_id: String,
    /// Names the reservation when it is confirmed or released.
    token: String,
    #[schema(value_type = ReservationStateName)]
    state: ReservationState,
    /// When it expires, or would have; absent after a release.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false, value_type = Option<String>, format = DateTime)]
    until: Option<Moment>,
    /// True if an earlier call with the same key made it.
    repeated: bool,
    /// Microseconds from reading the request's headers to writing this.
    took_us: u64,
}

/// The state of a reservation.
// The schema of the type of `live`, which is free of HTTP.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum ReservationStateName {
    /// Its pieces are held until it expires.
    Held,
    /// Its pieces are sold.
    Confirmed,
    /// It was given back.
    Released,
    /// It was not confirmed in time.
    Expired,
}

/// Gives a product a flash sale. It opens and closes by the server's clock; while it is open its pieces are the stock of the
/// product in the room.
#[utoipa::path(post, path = "/rooms/{id}/products/{item_id}/flash_sale", operation_id = "start_flash_sale", tag = "rooms",
    params(("id" = String, Path), ("item_id" = String, Path), CommandQuery, CommandHeaders), request_body = SaleRequest,
    responses((status = 200, description = "It holds.", body = CommandResponse),
        (status = 404, description = "There is no such room, or it does not have the product.", body = ProblemBody<'_>,
            content_type = "application/problem+json"),
        (status = 409, description = "The product has a flash sale that is not over, or the room ended.", body = ProblemBody<'_>,
            content_type = "application/problem+json"),
        (status = 412, description = "Another revision is current.", body = RoomConflict<'_>,
            content_type = "application/problem+json")))]
pub async fn start_sale(
    call: Call,
    PathPair(id, item_id): PathPair,
    QueryString(query): QueryString<CommandQuery>,
    headers: HeaderMap,
    body: JsonBody,
) -> Result<Response, Problem> {
    let request: SaleRequest = body.parse()?;
    let live = call.shop.live()?;
    let words = [item_id.as_bytes(), b"\0", body.bytes()].concat();
    let command = command((&id, "flash_sale"), &query, &headers, words)?;
    let terms = |now| SaleTerms {
        opens_at: request.opens_at.map_or(now, |at| at.0),
        closes_at: request.closes_at.0,
        quantity: request.quantity.get() as u64,
        per_person: request.per_person.map(|most| most.get() as u64),
        price: request.price.map(Amount::decimal),
    };
    let change = |room: &mut Room, now| room.start_sale(&item_id, terms(now), now);
    let outcome = command.run(&call.shop.rooms, live, change).await;
    if let Ok(done) = &outcome
        && let Some(sale) = &done.outcome
    {
        // Should this fail, the first reservation does it.
        define(live, sale).await?;
    }
    done(&call, id.clone(), outcome)
}

/// Ends the flash sale of a product, or calls it off before it opens. Pieces that are held may still be confirmed.
#[utoipa::path(delete, path = "/rooms/{id}/products/{item_id}/flash_sale", operation_id = "end_flash_sale", tag = "rooms",
    params(("id" = String, Path), ("item_id" = String, Path), CommandQuery, CommandHeaders),
    responses((status = 200, description = "It is over.", body = CommandResponse),
        (status = 404, description = "There is no such room, or it does not have the product.", body = ProblemBody<'_>,
            content_type = "application/problem+json"),
        (status = 409, description = "The product has no flash sale that is not over.", body = ProblemBody<'_>,
            content_type = "application/problem+json"),
        (status = 412, description = "Another revision is current.", body = RoomConflict<'_>,
            content_type = "application/problem+json")))]
pub async fn end_sale(
    call: Call,
    PathPair(id, item_id): PathPair,
    QueryString(query): QueryString<CommandQuery>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let command = command((&id, "end_sale"), &query, &headers, item_id.as_bytes().to_vec())?;
    let change = |room: &mut Room, now| room.end_sale(&item_id, now);
    let outcome = command.run(&call.shop.rooms, call.shop.live()?, change).await;
    done(&call, id.clone(), outcome)
}

/// Holds pieces of open flash sales for a person, all lines or none, for a limited time. The same `Idempotency-Key` gives the
/// same reservation.
#[utoipa::path(post, path = "/rooms/{id}/reservations", operation_id = "reserve_in_room", tag = "rooms",
    params(("id" = String, Path),
        ("idempotency-key" = String, Header, description = "Names the reservation; 1 to 256 bytes.")),
    request_body = ReserveRequest<'_>,
    responses((status = 200, description = "The reservation.", body = ReservationResponse),
        (status = 404, description = "There is no such room, or it does not have the product.", body = ProblemBody<'_>,
            content_type = "application/problem+json"),
        (status = 409, description = "There are not enough pieces, the person has as many as one may, no sale is open, or the \
            key names another reservation.", body = ProblemBody<'_>, content_type = "application/problem+json")))]
pub async fn reserve(
    call: Call,
    PathId(id): PathId,
    headers: HeaderMap,
    body: JsonBody,
) -> Result<Response, Problem> {
    check_name(&id)?;
    let request: ReserveRequest<'_> = body.parse()?;
    let Some(key) = idempotency_key(&headers)? else {
        let detail = "`Idempotency-Key` names the reservation, so that a repeated call holds nothing twice";
        return Err(Problem::new(Code::MissingField, detail).at_field("idempotency-key"));
    };
    let (live, room) = (call.shop.live()?, call.shop.rooms.required(&id)?);
    let token = token(&id, key);
    let (who, now) = (request.user.who()?, now_ms());
    let (known, _) = who.known(&call.shop, None, now).await;
    let holder = who.holder(&known).ok_or_else(|| {
        Problem::new(Code::InvalidField, "a name of one person: `id`, or an identity that is not shared")
            .at_field("user")
    })?;
    let sales = match open_sales(&room, &request.lines, now) {
        Ok(sales) => sales,
        // What was reserved while the sale was open stays reserved.
        Err(refused) => match live.reservation(&token).await? {
            Some((state, until)) => return reservation(&call, id, token, (state, Some(until), true)),
            None => return Err(refused),
        },
    };
    let ttl_ms = request.ttl_seconds.map_or(HOLD_MS, |seconds| seconds.get() as i64 * 1_000);
    let outcome = hold(live, &sales, (&token, &holder), ttl_ms).await?;
    room.read_sales(live, now_ms()).await;
    let item_of = |counter: &str| {
        sales.iter().find(|(sale, _, _)| sale.counter == counter).map(|(_, id, _)| id.as_str())
    };
    match outcome {
        ReserveOutcome::Reserved { state, until, repeated } => {
            reservation(&call, id, token, (state, Some(until), repeated))
        }
        ReserveOutcome::KeyConflict => {
            Err(Problem::new(Code::KeyConflict, "another reservation was made with this key"))
        }
        ReserveOutcome::Unknown { .. } => Err(Problem::new(Code::NoSale, "the flash sale has no stock yet")),
        ReserveOutcome::SoldOut { counter, available } => {
            let item = item_of(&counter).unwrap_or_default();
            Err(Problem::new(Code::SoldOut, format!("`{item}` has {available} pieces left"))
                .at_field("lines"))
        }
        ReserveOutcome::OverLimit { counter, left } => {
            let item = item_of(&counter).unwrap_or_default();
            let detail = format!("this person can have {left} more pieces of `{item}`");
            Err(Problem::new(Code::OverLimit, detail).at_field("lines"))
        }
    }
}

/// Confirms a reservation: the order was placed. Confirming it again changes nothing.
#[utoipa::path(post, path = "/rooms/{id}/reservations/{token}/confirm", operation_id = "confirm_reservation", tag = "rooms",
    params(("id" = String, Path), ("token" = String, Path)),
    responses((status = 200, description = "Its pieces are sold.", body = ReservationResponse),
        (status = 404, description = "There is no such reservation.", body = ProblemBody<'_>, content_type = "application/problem+json"),
        (status = 409, description = "It was released, or it expired.", body = ProblemBody<'_>,
            content_type = "application/problem+json")))]
pub async fn confirm(call: Call, PathPair(id, token): PathPair) -> Result<Response, Problem> {
    let state = call.shop.live()?.confirm(checked_token(&token)?).await?;
    finished(&call, id, token, state, &[ReservationState::Confirmed]).await
}

/// Gives the pieces of a reservation back. Releasing it again changes nothing.
#[utoipa::path(post, path = "/rooms/{id}/reservations/{token}/release", operation_id = "release_reservation", tag = "rooms",
    params(("id" = String, Path), ("token" = String, Path)),
    responses((status = 200, description = "Its pieces are free.", body = ReservationResponse),
        (status = 404, description = "There is no such reservation.", body = ProblemBody<'_>, content_type = "application/problem+json"),
        (status = 409, description = "It is confirmed.", body = ProblemBody<'_>,
            content_type = "application/problem+json")))]
pub async fn release(call: Call, PathPair(id, token): PathPair) -> Result<Response, Problem> {
    let state = call.shop.live()?.release(checked_token(&token)?).await?;
    finished(&call, id, token, state, &[ReservationState::Released, ReservationState::Expired]).await
}

async fn finished(
    call: &Call,
    room_id: String,
    token: String,
    state: Option<ReservationState>,
    wanted: &[ReservationState],
) -> Result<Response, Problem> {
    let state =
        state.ok_or_else(|| Problem::new(Code::UnknownReservation, "no reservation has this token"))?;
    if let (Some(room), Ok(live)) = (call.shop.rooms.get(&room_id), call.shop.live()) {
        room.read_sales(live, now_ms()).await;
    }
    if !wanted.contains(&state) {
        let state = format!("{state:?}").to_lowercase();
        return Err(Problem::new(Code::ReservationOver, format!("the reservation is {state}")));
    }
    reservation(call, room_id, token, (state, None, false))
}

fn reservation(
    call: &Call,
    room_id: String,
    token: String,
    (state, until, repeated): (ReservationState, Option<i64>, bool),
) -> Result<Response, Problem> {
    let until = until.map(|until| Moment(until.div_euclid(1_000)));
    let took_us = call.took_us();
    json(&ReservationResponse { request_id: call.id, room_id, token, state, until, repeated, took_us }, 256)
}

/// The open sales of the lines, each with its item and pieces.
fn open_sales(
    room: &LiveRoom,
    lines: &[Object<ReserveLine<'_>>],
    now: i64,
) -> Result<Vec<(FlashSale, String, u64)>, Problem> {
    if !(1..=MAX_LINES).contains(&lines.len()) {
        let fault = Fault::new("lines", format!("1 to {MAX_LINES} products, not {}", lines.len()));
        return Err(problem(fault.into()));
    }
    let known = room.known();
    let mut sales: BTreeMap<String, (FlashSale, String, u64)> = BTreeMap::new();
    for Object(line) in lines {
        let item_id = line.item_id.as_str();
        let sale = open_sale(&known.room, item_id, now).map_err(problem)?;
        let line = (sale.clone(), item_id.to_owned(), line.quantity.get() as u64);
        if sales.insert(sale.counter.clone(), line).is_some() {
            return Err(problem(
                Fault::new("lines", format!("each product once; `{item_id}` is there twice")).into(),
            ));
        }
    }
    Ok(sales.into_values().collect())
}

fn open_sale<'r>(room: &'r Room, item_id: &str, now: i64) -> Result<&'r FlashSale, Refused> {
    let product = room.product(item_id).ok_or_else(|| Refused::NotInRoom(item_id.to_owned()))?;
    if room.state != RoomState::Live {
        return Err(Refused::WrongState { state: room.state, needs: "live" });
    }
    match product.visibility {
        Visibility::Hidden => return Err(Refused::OffShelf(item_id.to_owned())),
        Visibility::VisibleNotBuyable => return Err(Refused::NotBuyable(item_id.to_owned())),
        Visibility::Visible => {}
    }
    let sale = product.flash_sale.as_ref().filter(|sale| sale.is_open(now));
    sale.ok_or_else(|| Refused::NoSale(item_id.to_owned()))
}

/// Reserves; a counter that was never defined, because the server died after it wrote the sale, is defined first.
async fn hold(
    live: &Live,
    sales: &[(FlashSale, String, u64)],
    (token, holder): (&str, &str),
    ttl_ms: i64,
) -> Result<ReserveOutcome, Problem> {
    let lines: Vec<(&str, u64)> =
        sales.iter().map(|(sale, _, pieces)| (sale.counter.as_str(), *pieces)).collect();
    let fault = |fault: Fault| problem(fault.into());
    let reserve = Reserve::check(token, holder, &lines, ttl_ms, now_ms()).map_err(fault)?;
    let outcome = live.reserve(reserve.clone()).await?;
    let ReserveOutcome::Unknown { .. } = outcome else { return Ok(outcome) };
    for (sale, _, _) in sales {
        if live.counter(&sale.counter).await.is_none() {
            define(live, sale).await?;
        }
    }
    live.reserve(reserve).await
}

async fn define(live: &Live, sale: &FlashSale) -> Result<(), Problem> {
    live.define_counter(&sale.counter, sale.quantity, sale.per_person).await.map(|_| ())
}

/// The token of a reservation: the same for the same key.
fn token(room_id: &str, key: &str) -> String {
    let bytes = [room_id.as_bytes(), b"\0", key.as_bytes()].concat();
    format!("{:032x}", xxh3_128(&bytes))
}

fn checked_token(token: &str) -> Result<&str, Problem> {
    let is_token = token.len() == 32 && token.bytes().all(|byte| byte.is_ascii_hexdigit());
    let unknown = || Problem::new(Code::UnknownReservation, "no reservation has this token");
    is_token.then_some(token).ok_or_else(unknown)
}
