//! A section: one Arrow IPC file, mapped into memory, verified, then read without copying.
//!
//! Invariant: the bytes are checked against the manifest's blake3 *before* anything is parsed, so a
//! flipped or missing byte is an [`Error`] and never reaches the decoder. Artifact files are immutable
//! once published; this is what makes mapping them sound, and it is the only `unsafe` of the project.

use std::collections::HashMap;
use std::path::Path;
use std::ptr::NonNull;
use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::types::{ArrowPrimitiveType, UInt32Type};
use arrow_array::{
    Array, ArrayRef, BooleanArray, ListArray, PrimitiveArray, RecordBatch, StringArray, StructArray,
};
use arrow_buffer::{Buffer, OffsetBuffer, ScalarBuffer};
use arrow_ipc::reader::{FileDecoder, read_footer_length};
use arrow_schema::{ArrowError, DataType, Field, Fields, Schema};

use crate::error::{Error, Result};
use crate::storage::durable_file::open_regular;

/// One verified section of an artifact. Cloning shares the mapping.
#[derive(Debug, Clone)]
pub struct Section {
    name: String,
    batch: RecordBatch,
}

impl Section {
    /// Maps `path`, checks its length and blake3, then decodes its single record batch in place.
    ///
    /// # Errors
    /// [`Error::Length`] and [`Error::Checksum`] for damage, [`Error::Malformed`] for an intact file
    /// that is not one Arrow record batch, [`Error::Io`] when it cannot be mapped.
    pub fn open(name: &str, path: &Path, bytes: u64, blake3_hex: &str) -> Result<Self> {
        let buffer = map(path)?;
        if buffer.len() as u64 != bytes {
            let (section, got) = (name.to_owned(), buffer.len() as u64);
            return Err(Error::Length { section, expected: bytes, got });
        }
        let got = blake3::hash(&buffer).to_hex();
        if got.as_str() != blake3_hex {
            let section = name.to_owned();
            return Err(Error::Checksum { section, expected: blake3_hex.to_owned(), got: got.to_string() });
        }
        let batch = decode(&buffer).map_err(|e| Error::malformed(name, "one Arrow IPC record batch", e))?;
        Ok(Self { name: name.to_owned(), batch })
    }

    /// A section that was just built and is not on disk.
    pub fn in_memory(name: &str, batch: RecordBatch) -> Self {
        Self { name: name.to_owned(), batch }
    }

    /// The section's name, as in the manifest.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Number of rows.
    pub fn rows(&self) -> usize {
        self.batch.num_rows()
    }

    /// Fails unless the section has exactly `expected` rows.
    pub fn expect_rows(&self, expected: usize) -> Result<()> {
        if self.rows() == expected {
            return Ok(());
        }
        Err(Error::malformed(&self.name, format!("{expected} rows"), format!("{} rows", self.rows())))
    }

    /// Fails unless the metadata `key` holds exactly these names.
    ///
    /// # Errors
    /// [`Error::Malformed`] with both lists.
    pub fn expect_names(&self, key: &str, names: &[&str]) -> Result<()> {
        let expected = names.join(", ");
        let got = self.batch.schema_ref().metadata().get(key).map_or("", String::as_str);
        if got == expected {
            return Ok(());
        }
        Err(Error::malformed(&self.name, format!("{key} [{expected}]"), format!("[{got}]")))
    }

    fn column(&self, column: &str) -> Result<&ArrayRef> {
        self.batch.column_by_name(column).ok_or_else(|| {
            let names: Vec<&str> =
                self.batch.schema_ref().fields().iter().map(|f| f.name().as_str()).collect();
            Error::malformed(&self.name, format!("a column `{column}`"), names.join(", "))
        })
    }

    /// A column of numbers without nulls.
    pub fn primitive<T: ArrowPrimitiveType>(&self, column: &str) -> Result<ScalarBuffer<T::Native>> {
        primitive::<T>(&self.name, column, self.column(column)?)
    }

    /// A column of strings; a null reads as the empty string.
    pub fn strings(&self, column: &str) -> Result<StringArray> {
        let array = self.column(column)?;
        array
            .as_string_opt::<i32>()
            .cloned()
            .ok_or_else(|| Error::malformed(&self.name, format!("`{column}` of strings"), array.data_type()))
    }

    /// A column of numbers in which a null means unknown.
    pub fn optional<T: ArrowPrimitiveType>(&self, column: &str) -> Result<PrimitiveArray<T>> {
        let array = self.column(column)?;
        let typed = array.as_primitive_opt::<T>().cloned();
        typed.ok_or_else(|| {
            Error::malformed(&self.name, format!("`{column}` of {}", T::DATA_TYPE), array.data_type())
        })
    }

    /// A column of booleans in which a null means unknown.
    pub fn booleans(&self, column: &str) -> Result<BooleanArray> {
        let array = self.column(column)?;
        let typed = array.as_boolean_opt().cloned();
        typed
            .ok_or_else(|| Error::malformed(&self.name, format!("`{column}` of booleans"), array.data_type()))
    }

    /// Names of the columns that begin with `prefix`.
    pub fn columns_named(&self, prefix: &str) -> Vec<String> {
        let names = self.batch.schema_ref().fields().iter().map(|field| field.name());
        names.filter(|name| name.starts_with(prefix)).cloned().collect()
    }

    /// A column of lists of strings.
    pub fn string_lists(&self, column: &str) -> Result<StringLists> {
        let array = self.column(column)?;
        let lists = array.as_list_opt::<i32>().filter(|lists| lists.null_count() == 0);
        let values = lists.and_then(|lists| Some((lists.offsets().clone(), lists.values().as_string_opt()?)));
        let (offsets, values) = values.ok_or_else(|| {
            let expected = format!("`{column}` of lists of strings without nulls");
            Error::malformed(&self.name, expected, array.data_type())
        })?;
        Ok(StringLists { offsets, values: values.clone() })
    }

    /// A list column `column` of structs, as offsets (`rows + 1`) and the struct's flat columns.
    pub fn lists(&self, column: &str) -> Result<Lists> {
        let array = self.column(column)?;
        let list = array.as_list_opt::<i32>().filter(|l| l.null_count() == 0).ok_or_else(|| {
            Error::malformed(&self.name, format!("`{column}` of lists without nulls"), array.data_type())
        })?;
        let values = list.values().as_struct_opt().ok_or_else(|| {
            Error::malformed(&self.name, format!("`{column}` of lists of structs"), list.values().data_type())
        })?;
        Ok(Lists { section: self.name.clone(), offsets: list.offsets().clone(), values: values.clone() })
    }

    /// A fixed-size list column of f32, as `(values, dim)`, row-major `rows x dim`.
    pub fn matrix(&self, column: &str) -> Result<(ScalarBuffer<f32>, usize)> {
        let array = self.column(column)?;
        let list = array.as_fixed_size_list_opt().filter(|l| l.null_count() == 0).ok_or_else(|| {
            Error::malformed(&self.name, format!("`{column}` of fixed-size lists"), array.data_type())
        })?;
        let dim = list.value_length().max(0) as usize;
        let values = primitive::<arrow_array::types::Float32Type>(&self.name, column, list.values())?;
        if values.len() != dim * list.len() || !values.iter().all(|v| v.is_finite()) {
            return Err(Error::malformed(
                &self.name,
                "finite values, rows x dim",
                format!("{} values", values.len()),
            ));
        }
        Ok((values, dim))
    }
}

/// A list of strings per row.
#[derive(Debug, Clone)]
pub struct StringLists {
    offsets: OffsetBuffer<i32>,
    values: StringArray,
}

impl StringLists {
    /// From one list per row.
    ///
    /// # Errors
    /// As [`offsets`].
    pub fn new<S: AsRef<str>>(section: &str, rows: &[Vec<S>]) -> Result<Self> {
        Ok(Self {
            offsets: offsets(section, rows.iter().map(Vec::len))?,
            values: StringArray::from_iter_values(rows.iter().flatten()),
        })
    }

    /// The strings of a row, in the order in which they were given.
    pub fn of(&self, row: u32) -> impl ExactSizeIterator<Item = &str> {
        range(&self.offsets, row).map(|n| self.values.value(n))
    }

    /// The column.
    pub(crate) fn column(&self, section: &str) -> Result<ArrayRef> {
        let item = Arc::new(Field::new("item", DataType::Utf8, false));
        let list = ListArray::try_new(item, self.offsets.clone(), Arc::new(self.values.clone()), None);
        list.map(|list| Arc::new(list) as ArrayRef)
            .map_err(|e| Error::malformed(section, "rising offsets", e))
    }
}

/// A list column taken apart: row `r` owns `offsets[r]..offsets[r + 1]` of every flat column.
pub struct Lists {
    section: String,
    /// `rows + 1` offsets, rising.
    pub offsets: OffsetBuffer<i32>,
    values: StructArray,
}

impl Lists {
    /// A flat column of the struct.
    pub fn primitive<T: ArrowPrimitiveType>(&self, field: &str) -> Result<ScalarBuffer<T::Native>> {
        let array = self.values.column_by_name(field).ok_or_else(|| {
            Error::malformed(&self.section, format!("a field `{field}`"), self.values.data_type())
        })?;
        primitive::<T>(&self.section, field, array)
    }

    /// A flat column of dense indices, each below `bound`.
    pub fn indices(&self, field: &str, bound: usize) -> Result<ScalarBuffer<u32>> {
        let values = self.primitive::<UInt32Type>(field)?;
        match values.iter().find(|&&v| v as usize >= bound) {
            None => Ok(values),
            Some(v) => Err(Error::malformed(&self.section, format!("`{field}` below {bound}"), v)),
        }
    }
}

fn primitive<T: ArrowPrimitiveType>(
    section: &str,
    column: &str,
    array: &ArrayRef,
) -> Result<ScalarBuffer<T::Native>> {
    match array.as_primitive_opt::<T>().filter(|a| a.null_count() == 0) {
        Some(a) => Ok(a.values().clone()),
        None => {
            let expected = format!("`{column}` of {} without nulls", T::DATA_TYPE);
            Err(Error::malformed(section, expected, array.data_type()))
        }
    }
}

/// A batch from named columns, all non-null fields unless the column holds nulls.
pub fn batch(section: &str, columns: Vec<(&str, ArrayRef)>) -> Result<RecordBatch> {
    batch_with(section, columns, &[])
}

/// The same with metadata: lists of names, which [`Section::expect_names`] compares.
pub fn batch_with(
    section: &str,
    columns: Vec<(&str, ArrayRef)>,
    metadata: &[(&str, &[&str])],
) -> Result<RecordBatch> {
    let fields: Vec<Field> = columns
        .iter()
        .map(|(name, array)| Field::new(*name, array.data_type().clone(), array.is_nullable()))
        .collect();
    let arrays = columns.into_iter().map(|(_, array)| array).collect();
    let metadata: HashMap<String, String> =
        metadata.iter().map(|(key, names)| ((*key).to_owned(), names.join(", "))).collect();
    RecordBatch::try_new(Arc::new(Schema::new_with_metadata(fields, metadata)), arrays)
        .map_err(|e| Error::malformed(section, "columns of one length", e))
}

/// A list-of-structs column over flat columns that share `offsets`.
pub fn list_column(
    section: &str,
    offsets: &OffsetBuffer<i32>,
    columns: Vec<(&str, ArrayRef)>,
) -> Result<ArrayRef> {
    let fields: Fields =
        columns.iter().map(|(name, array)| Field::new(*name, array.data_type().clone(), false)).collect();
    let arrays = columns.into_iter().map(|(_, array)| array).collect();
    let build = || -> std::result::Result<ListArray, ArrowError> {
        let values = StructArray::try_new(fields.clone(), arrays, None)?;
        let item = Arc::new(Field::new("item", values.data_type().clone(), false));
        ListArray::try_new(item, offsets.clone(), Arc::new(values), None)
    };
    build().map(|list| Arc::new(list) as ArrayRef).map_err(|e| Error::malformed(section, "rising offsets", e))
}

/// Offsets from list lengths.
///
/// # Errors
/// [`Error::Malformed`] past 2^31 - 1 entries in all, Arrow's bound for a list column.
pub fn offsets(section: &str, lengths: impl IntoIterator<Item = usize>) -> Result<OffsetBuffer<i32>> {
    let mut ends = vec![0i32];
    let mut total = 0usize;
    for length in lengths {
        total += length;
        let end = i32::try_from(total)
            .map_err(|_| Error::malformed(section, "at most 2147483647 list entries", total))?;
        ends.push(end);
    }
    Ok(OffsetBuffer::new(ends.into()))
}

/// The bounds of row `row` in the flat columns of a list.
#[inline]
pub(crate) fn range(offsets: &OffsetBuffer<i32>, row: u32) -> std::ops::Range<usize> {
    offsets[row as usize] as usize..offsets[row as usize + 1] as usize
}

fn decode(buffer: &Buffer) -> std::result::Result<RecordBatch, ArrowError> {
    let bad = |what: &str| ArrowError::IpcError(what.to_owned());
    let trailer = buffer.len().checked_sub(10).ok_or_else(|| bad("shorter than a footer"))?;
    let tail = buffer[trailer..].try_into().map_err(|_| bad("no footer"))?;
    let start =
        trailer.checked_sub(read_footer_length(tail)?).ok_or_else(|| bad("footer longer than the file"))?;
    let footer = arrow_ipc::root_as_footer(&buffer[start..trailer]).map_err(|e| bad(&e.to_string()))?;
    let schema = arrow_ipc::convert::try_fb_to_schema(footer.schema().ok_or_else(|| bad("no schema"))?)?;
    let blocks = footer.recordBatches().ok_or_else(|| bad("no record batch"))?;
    if blocks.len() != 1 {
        return Err(bad(&format!("{} record batches", blocks.len())));
    }
    let block = blocks.get(0);
    let (offset, meta) = (usize::try_from(block.offset()).ok(), usize::try_from(block.metaDataLength()).ok());
    let body = usize::try_from(block.bodyLength()).ok();
    let (Some(offset), Some(meta), Some(body)) = (offset, meta, body) else {
        return Err(bad("negative block"));
    };
    let length = meta.checked_add(body).ok_or_else(|| bad("block too long"))?;
    if offset.checked_add(length).is_none_or(|end| end > start) {
        return Err(bad("block outside the file"));
    }
    let decoder = FileDecoder::new(Arc::new(schema), footer.version());
    let data = buffer.slice_with_length(offset, length);
    decoder.read_record_batch(block, &data)?.ok_or_else(|| bad("empty block"))
}

#[expect(
    unsafe_code,
    reason = "an Arrow buffer over a memory map; the files of a published artifact never change"
)]
fn map(path: &Path) -> Result<Buffer> {
    let file = open_regular(path)?;
    // SAFETY: published artifact files are never written again (they are renamed into place whole and
    // only ever unlinked, which keeps a mapping valid).
    let map = unsafe { memmap2::Mmap::map(&file) }.map_err(Error::io(path))?;
    let map = Arc::new(map);
    let Some(start) = NonNull::new(map.as_ptr().cast_mut()) else {
        return Ok(Buffer::from_vec(Vec::<u8>::new()));
    };
    // SAFETY: `start` points at `map.len()` readable bytes that live as long as the `Arc` given as owner.
    Ok(unsafe { Buffer::from_custom_allocation(start, map.len(), map) })
}
