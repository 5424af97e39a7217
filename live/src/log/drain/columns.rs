//! The columns of a drained event.

use std::sync::Arc;

use arrow_array::{
    ArrayRef, BooleanArray, Float64Array, Int64Array, RecordBatch, StringArray, TimestampMillisecondArray,
};
use arrow_schema::{ArrowError, DataType, Field, Schema, SchemaRef, TimeUnit};

use crate::event::Event;
use crate::identity::Identity;
use crate::log::Logged;

/// A text column: its name, true if every event has it, and its value in an event.
type Text = (&'static str, bool, fn(&Event) -> Option<&str>);

/// The text columns, in order. A new field of [`Event`] gets a line here.
const TEXTS: [Text; 12] = [
    ("event_id", true, |event| Some(&event.event_id)),
    ("type", true, |event| Some(event.kind.name())),
    ("user_id", false, |event| event.user_id.as_deref()),
    ("identity_type", false, |event| event.identity.as_ref().map(|identity| identity.kind().name())),
    ("identity_value", false, |event| event.identity.as_ref().map(Identity::value)),
    ("session_id", false, |event| event.session_id.as_deref()),
    ("item_id", false, |event| event.item_id.as_deref()),
    ("channel", false, |event| event.channel.as_deref()),
    ("region", false, |event| event.region.as_deref()),
    ("scene", false, |event| event.scene.as_deref()),
    ("room_id", false, |event| event.room_id.as_deref()),
    ("request_id", false, |event| event.request_id.as_deref()),
];

/// The schema: `number`, `received_at`, `occurred_at`, the text columns, `value`, `storefront`.
pub(super) fn schema() -> SchemaRef {
    let time = DataType::Timestamp(TimeUnit::Millisecond, Some("UTC".into()));
    let mut fields = vec![
        // Signed, because Spark has no unsigned integers.
        Field::new("number", DataType::Int64, false),
        Field::new("received_at", time.clone(), false),
        Field::new("occurred_at", time, false),
    ];
    fields.extend(TEXTS.map(|(name, always, _)| Field::new(name, DataType::Utf8, !always)));
    fields.push(Field::new("value", DataType::Float64, true));
    fields.push(Field::new("storefront", DataType::Boolean, false));
    Arc::new(Schema::new(fields))
}

/// Converts events to rows of [`schema`].
pub(super) fn rows(schema: &SchemaRef, events: &[&Logged]) -> Result<RecordBatch, ArrowError> {
    let number = |logged: &Logged| i64::try_from(logged.number).unwrap_or(i64::MAX);
    let time = |at: fn(&Logged) -> i64| -> ArrayRef {
        let times = TimestampMillisecondArray::from_iter_values(events.iter().copied().map(at));
        Arc::new(times.with_timezone("UTC"))
    };
    let mut columns: Vec<ArrayRef> = vec![
        Arc::new(Int64Array::from_iter_values(events.iter().copied().map(number))),
        time(|logged| logged.received_at),
        time(|logged| logged.event.occurred_at),
    ];
    for (_, _, text) in TEXTS {
        let texts = events.iter().map(|logged| text(&logged.event));
        columns.push(Arc::new(texts.collect::<StringArray>()));
    }
    let values = events.iter().map(|logged| logged.event.value);
    columns.push(Arc::new(values.collect::<Float64Array>()));
    let storefront = events.iter().map(|logged| Some(logged.event.storefront));
    columns.push(Arc::new(storefront.collect::<BooleanArray>()));
    RecordBatch::try_new(Arc::clone(schema), columns)
}
