"""Parquet and Arrow files as `datasets` writes them, row by row; pictures inside them become files for a while.

No code of a dataset is run: a table is a table.
"""
from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from pathlib import Path

from app.formats import reading
from app.formats.base import Options, Unreadable

ENDINGS = (".parquet", ".arrow")
AT_ONCE = 16  # rows in memory, with their pictures
LARGEST_PICTURE = 100 * 1024**2


def rows(file: Path) -> Iterator[dict]:
    """The rows of a .parquet or .arrow file. Raises Unreadable."""
    import pyarrow as pa  # half a second, and only some formats need it
    import pyarrow.ipc
    import pyarrow.parquet
    try:
        if file.suffix.lower() == ".parquet":
            with pyarrow.parquet.ParquetFile(file) as opened:
                for batch in opened.iter_batches(batch_size=AT_ONCE):
                    yield from batch.to_pylist()
            return
        with pa.memory_map(str(file)) as source:
            for batch in _batches(source):
                for start in range(0, batch.num_rows, AT_ONCE):
                    yield from batch.slice(start, AT_ONCE).to_pylist()
    except (pa.ArrowException, OSError, UnicodeDecodeError) as problem:
        raise Unreadable(f"{file.name} cannot be read ({str(problem).splitlines()[0][:150]})") from problem


def _batches(source) -> Iterator:
    import pyarrow as pa
    import pyarrow.ipc
    try:
        yield from pyarrow.ipc.open_stream(source)  # what `save_to_disk` writes
    except pa.ArrowInvalid:
        source.seek(0)
        opened = pyarrow.ipc.open_file(source)
        for number in range(opened.num_record_batches):
            yield opened.get_batch(number)


def features(file: Path) -> dict:
    """What `datasets` says about the columns; {} where it has said nothing."""
    import pyarrow as pa
    import pyarrow.ipc
    import pyarrow.parquet
    try:
        if file.suffix.lower() == ".parquet":
            schema = pyarrow.parquet.read_schema(file)
        else:
            with pa.memory_map(str(file)) as source:
                schema = pyarrow.ipc.open_stream(source).schema
        told = json.loads((schema.metadata or {}).get(b"huggingface", b"{}"))
        return told["info"]["features"]
    except (pa.ArrowException, OSError, ValueError, KeyError, TypeError):
        return {}


def class_names(told: object) -> list[str] | None:
    """The names of the first ClassLabel anywhere in a column's description."""
    if isinstance(told, dict):
        if told.get("_type") == "ClassLabel" and isinstance(told.get("names"), list):
            return told["names"]
        return next((names for value in told.values() if (names := class_names(value))), None)
    if isinstance(told, list):
        return next((names for value in told if (names := class_names(value))), None)
    return None


def picture(told: object, options: Options) -> str | Path | None:
    """A picture's column: bytes become a file under their hash; a path stays what it is; None is no picture."""
    if isinstance(told, str):
        return told
    if not isinstance(told, dict):
        return None
    content = told.get("bytes")
    if not content:
        return told.get("path") or None
    if len(content) > LARGEST_PICTURE:
        return None
    name = str(told.get("path") or "picture").replace("\\", "/").rpartition("/")[2][-100:] or "picture"
    folder = embedded(options) / hashlib.sha256(content).hexdigest()[:32]
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "".join(c if c.isalnum() or c in "._- " else "_" for c in name).strip(". ")
    if not path.is_file() or path.stat().st_size != len(content):
        path.write_bytes(content)
    return path


def embedded(options: Options) -> Path:
    return reading.scratch(options) / "embedded"
