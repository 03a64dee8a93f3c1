"""The kinds of columns that SQLite and PostgreSQL share, and the one list of tables that they stand in."""
from __future__ import annotations

import json
import re
from collections.abc import Callable

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql

# PostgreSQL takes no NUL in a text, and neither database takes half a surrogate pair; models and file names can hold
# both. U+0010 is ASCII's "data link escape": it and they are written as U+0010 and four hexadecimal digits.
UNSAFE = re.compile(r"[\x00\x10\ud800-\udfff]")
ESCAPED = re.compile(r"\x10([0-9a-f]{4})")
UNSAFE_JSON = re.compile(r"\\u(?:0000|0010|d[89a-f])")  # what `json` writes for these; and pairs, which are fine
ESCAPED_JSON = r"\u0010"


class Words(sa.types.TypeDecorator):
    """Any text that Python can hold, exactly."""
    impl = sa.Text
    cache_ok = True

    def process_bind_param(self, value, dialect):
        return None if value is None else escape(value)

    def process_result_value(self, value, dialect):
        return None if value is None else unescape(value)


class Document(sa.types.TypeDecorator):
    """JSON, as JSONB on PostgreSQL; None is SQL's NULL and [] is a list. Its texts are escaped by `dumps`, below."""
    impl = sa.JSON(none_as_null=True)
    cache_ok = True

    def load_dialect_impl(self, dialect):
        if dialect.name == "postgresql":
            return dialect.type_descriptor(postgresql.JSONB(none_as_null=True))
        return dialect.type_descriptor(sa.JSON(none_as_null=True))


def dumps(value) -> str:
    """JSON in ASCII, as JSON can always be. NaN is refused where rows are made; this is the net below."""
    text = json.dumps(value, allow_nan=False)
    return json.dumps(_in_texts(escape, value), allow_nan=False) if UNSAFE_JSON.search(text) else text


def loads(text: str | bytes):
    """`dumps` undone. Hardly any text was escaped, and one look at the whole is cheaper than a look at each part."""
    if isinstance(text, bytes):
        text = text.decode()
    value = json.loads(text)
    return _in_texts(unescape, value) if ESCAPED_JSON in text.lower() else value


def escape(text: str) -> str:
    return UNSAFE.sub(lambda found: f"\x10{ord(found[0]):04x}", text)


def unescape(text: str) -> str:
    return ESCAPED.sub(lambda found: chr(int(found[1], 16)), text)


def _in_texts(change: Callable[[str], str], value):
    if isinstance(value, str):
        return change(value)
    if isinstance(value, list):
        return [_in_texts(change, one) for one in value]
    if isinstance(value, dict):
        return {key: _in_texts(change, one) for key, one in value.items()}
    return value


def column(name: str, kind, *rest, **named) -> sa.Column:
    return sa.Column(name, kind, *rest, **{"nullable": False} | named)


metadata = sa.MetaData()
