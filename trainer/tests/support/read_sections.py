"""Opens every section of an artifact with pyarrow and with polars; prints what it saw as JSON."""

import datetime
import json
import pathlib
import sys

import polars as pl
import pyarrow as pa


def plain(rows):
    """The rows as JSON has them; a date is its ISO 8601 text."""
    return json.loads(json.dumps(rows, default=datetime.date.isoformat))


def with_pyarrow(path):
    before = pa.total_allocated_bytes()
    with pa.memory_map(str(path)) as source:
        reader = pa.ipc.open_file(source)
        table = reader.read_all()
        table.validate(full=True)
        seen = {
            "columns": {field.name: str(field.type) for field in table.schema},
            "batches": reader.num_record_batches,
            "rows": table.num_rows,
            "copied_bytes": pa.total_allocated_bytes() - before,
            "nulls": sum(column.null_count for column in table.columns),
            "aligned": all(
                buffer.address % 64 == 0
                for column in table.columns
                for chunk in column.chunks
                for buffer in chunk.buffers()
                if buffer is not None and buffer.size > 0
            ),
            "last": plain(table.slice(max(table.num_rows - 1, 0)).to_pylist()[:1]),
        }
        del table, reader
    return seen


def with_polars(path):
    frame = pl.read_ipc(path)
    return {
        "columns": {name: str(kind) for name, kind in frame.schema.items()},
        "rows": frame.height,
        "last": plain(frame.tail(1).to_dicts()),
    }


folder = pathlib.Path(sys.argv[1])
sections = json.loads((folder / "manifest.json").read_text())["sections"]
print(json.dumps({
    name: {"pyarrow": with_pyarrow(folder / entry["file"]), "polars": with_polars(folder / entry["file"])}
    for name, entry in sections.items()
}))
