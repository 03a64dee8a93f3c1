"""Joints in JSON, `{"head": [x, y], …}` and the other shapes they come in."""
from __future__ import annotations

from app.families.keys_json import POINT_KEYS, label_of, numbers_of, numbers_within
from app.families.reading import Reading, asked_label
from app.families.syntax_json import Node
from app.families.syntax_tags import as_number
from app.types import Annotation, Point


def joints_of(value: object, reading: Reading) -> list[tuple[str, list[float | None] | None]]:
    """Joints as {"head": [x, y]}, [{"name": "head", "x": 1, "y": 2}, …], or bare pairs in the order of the question."""
    if not isinstance(value, Node):
        return []
    if value.kind == "{":
        return [(key, _xy(place, reading)) for key, place in value.pairs.items()]
    found, names = [], reading.request.names
    for i, item in enumerate(value.values):
        pairs = {key.lower(): inner for key, inner in item.pairs.items()} if isinstance(item, Node) else {}
        name = label_of(pairs) or (names[i] if len(value.entries) == len(names) else "")
        found.append((name, _xy(next((pairs[key] for key in POINT_KEYS if key in pairs), item), reading)))
    return found


def _xy(place: object, reading: Reading) -> list[float | None] | None:
    """Two numbers, x first; a third tells how well it is seen. None where the joint is said to be absent."""
    if isinstance(place, str):
        return reading.x_first(numbers_within(place)) or None  # " <540> <351> ", and "unvisible" has none
    if not isinstance(place, Node):
        return None
    if place.kind == "{":
        pairs = {key.lower(): value for key, value in place.pairs.items()}
        return [as_number(pairs.get("x")), as_number(pairs.get("y"))]
    numbers = numbers_of(place) or []
    return reading.x_first(numbers[:2] if len(numbers) == 3 else numbers)


def figures(reading: Reading) -> None:
    """{"point_2d": …, "label": "head"}, … : joints written as objects of their own are one figure until one repeats."""
    found, spans = [], []
    for annotation, span in zip(reading.annotations, reading.spans, strict=True):
        loose = annotation.box is None and len(annotation.points) == 1 and not annotation.points[0].name
        if not loose:
            found.append(annotation)
            spans.append(span)
            continue
        x, y = annotation.points[0].x, annotation.points[0].y
        joint = Point(annotation.label, x, y)
        previous = found[-1] if found else None
        if previous is None or previous.box is not None or any(p.name == joint.name for p in previous.points):
            found.append(Annotation(asked_label(reading.request), points=(joint,)))
            spans.append(span)
        else:
            found[-1] = Annotation(previous.label, points=(*previous.points, joint))
            spans[-1] = (spans[-1][0], span[1])
    reading.annotations, reading.spans = found, spans
