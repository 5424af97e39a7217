//! Order lines as Arrow columns, for Parquet.

use std::sync::Arc;

use anyhow::Context;
use arrow_array::builder::{Float64Builder, Int32Builder, StringBuilder, TimestampMillisecondBuilder};
use arrow_array::{ArrayRef, RecordBatch};
use arrow_schema::{DataType, Field, Schema, SchemaRef, TimeUnit};

use super::cart::Line;
use super::rows;
use super::shop::Shop;

/// The canonical columns of the orders; times are milliseconds, UTC.
pub fn schema() -> SchemaRef {
    let text = |name: &str, nullable| Field::new(name, DataType::Utf8, nullable);
    let utc = DataType::Timestamp(TimeUnit::Millisecond, Some("UTC".into()));
    Arc::new(Schema::new(vec![
        text("order_id", false),
        text("user_id", true),
        text("item_id", false),
        Field::new("ordered_at", utc, false),
        Field::new("quantity", DataType::Int32, false),
        Field::new("unit_price", DataType::Float64, false),
        text("channel", false),
        text("store_id", true),
        text("room_id", true),
        text("merchant_id", false),
        text("status", false),
    ]))
}

/// Turns lines into one batch of [`schema`].
///
/// # Errors
/// Never in practice: the ids of this shop are ASCII.
pub fn batch(shop: &Shop, lines: &[Line]) -> anyhow::Result<RecordBatch> {
    let mut times = TimestampMillisecondBuilder::with_capacity(lines.len());
    let mut quantities = Int32Builder::with_capacity(lines.len());
    let mut prices = Float64Builder::with_capacity(lines.len());
    for line in lines {
        times.append_value(line.at * 1_000);
        quantities.append_value(line.quantity);
        prices.append_value(f64::from(line.price_fen) / 100.0);
    }
    let text = |write: &dyn Fn(&mut Vec<u8>, &Line)| texts(lines, write);
    let columns: Vec<ArrayRef> = vec![
        text(&|out, line| rows::order_id(out, shop, line))?,
        text(&|out, line| {
            if !line.guest {
                rows::user_id(out, line.user);
            }
        })?,
        text(&|out, line| rows::item_id(out, shop, line.item))?,
        Arc::new(times.finish().with_timezone("UTC")),
        Arc::new(quantities.finish()),
        Arc::new(prices.finish()),
        text(&|out, line| out.extend_from_slice(line.channel.name().as_bytes()))?,
        text(&|out, line| rows::store_id(out, line.store))?,
        text(&|out, line| rows::room_id(out, line.room))?,
        text(&|out, line| rows::merchant_id(out, shop, line.item))?,
        text(&|out, _| out.extend_from_slice(b"paid"))?,
    ];
    RecordBatch::try_new(schema(), columns).context("order lines as Arrow columns")
}

/// One text column; an empty text is null.
fn texts(lines: &[Line], write: &dyn Fn(&mut Vec<u8>, &Line)) -> anyhow::Result<ArrayRef> {
    let mut builder = StringBuilder::with_capacity(lines.len(), lines.len() * 16);
    let mut buffer = Vec::new();
    for line in lines {
        buffer.clear();
        write(&mut buffer, line);
        let text = std::str::from_utf8(&buffer).context("an id that is not UTF-8")?;
        builder.append_option((!text.is_empty()).then_some(text));
    }
    Ok(Arc::new(builder.finish()))
}
