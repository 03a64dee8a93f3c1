"""The form that an answer must have, for a backend that lets a model write nothing else: only numbers and labels are
left to it. A family says which form its answers have; without one they are written freely."""
from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class JsonForm:
    """JSON of a schema, written as the family's `format` writes it.

    A list of objects is `opening item (between item)* closing`, or `nothing`; without an opening it is one object.
    """
    schema: dict
    opening: str = ""
    between: str = ""
    closing: str = ""
    nothing: str = ""


@dataclass(frozen=True)
class LocForm:
    """PaliGemma's objects: so many location tokens, a space, one of the labels; ` ; ` between two; or nothing."""
    places: int  # 4 for a box, 2 for a point
    labels: tuple[str, ...]
    separator: str
