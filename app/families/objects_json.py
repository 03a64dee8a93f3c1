"""Objects as Qwen writes them: ```json [{"bbox_2d": [x1, y1, x2, y2], "label": "chair"}, …]```, and all its variants.

    detect, ground   {"bbox_2d": [x1, y1, x2, y2], "label": "cat"}
    point            {"point_2d": [x, y], "label": "cat"}
    keypoints        {"bbox_2d": […], "label": "person", "keypoints": {"head": [x, y], …}}   (the box if there is one)
    count            {"cat": 3, "dog": 0}          bare, without a fence
    nothing there    an empty list, or a count of 0: status "empty"

Keys and shapes come from recorded answers of Qwen2-VL, 2.5 and 3: labels under `name_en`, `names.en` or `object`, a
list of boxes under `bboxes`, a bare object, JSON lines, a tool call in prose, Molmo's tags. Numbers are in the
family's own units: `Reading` knows them.
"""
from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from app.families import syntax_json, syntax_refs, syntax_tags
from app.families.answer import Found
from app.families.counts_json import count
from app.families.forms import JsonForm
from app.families.joints_json import figures, joints_of
from app.families.keys_json import (
    BOX_KEYS,
    CORNERS,
    JOINT_KEYS,
    LABEL_KEYS,
    OTHER_KEYS,
    PLACE_KEYS,
    POINT_KEYS,
    label_of,
    numbers_of,
    numbers_within,
)
from app.families.reading import Reading, asked_label, boxed, counted, pointed
from app.families.syntax_json import Node, dumps
from app.families.syntax_tags import as_number
from app.families.words import MOST_COUNTED
from app.geometry import clamp
from app.types import Annotation, Request


@dataclass(frozen=True)
class Spelling:
    """How one family spells objects: its keys, the order of its numbers, and the form of the list."""
    box: str = "bbox_2d"
    point: str = "point_2d"
    y_first: bool = False
    label_first: bool = False
    decimals: int = 0  # 0 is whole units
    fenced: bool = True  # in ```json, an object a line; else all in one line
    indent: str = "\t"


QWEN = Spelling()
LARGEST = 9999  # no pixel of what a model sees has a larger number


def write(annotations: Sequence[Annotation], request: Request, size: tuple[int, int], units: tuple[float, float],
          spelling: Spelling = QWEN) -> str:
    """The answer a perfect model writes, in its units: the training target."""
    def places(*values: float) -> list[float]:
        found = [clamp(round(value / size[i % 2] * units[i % 2], spelling.decimals), units[i % 2])
                 for i, value in enumerate(values)]
        found = [found[i ^ 1] for i in range(len(found))] if spelling.y_first else found
        return found if spelling.decimals else [int(value) for value in found]

    if request.task == "count":
        return dumps(counted(annotations, request.names))
    objects = []
    for annotation in annotations:
        if request.task == "point":
            objects += [{spelling.point: places(x, y), "label": annotation.label} for x, y in pointed(annotation)]
            continue
        boxless = annotation.box is None and request.task == "keypoints"
        found = {} if boxless else {spelling.box: places(*boxed(annotation, request.task))}
        found["label"] = annotation.label
        if request.task == "keypoints":
            found["keypoints"] = {joint.name: places(joint.x, joint.y) for joint in annotation.points
                                  if joint.visibility != "absent"}
        objects.append(found)
    return _listed(objects, spelling)


def _listed(objects: list[dict], spelling: Spelling) -> str:
    if spelling.label_first:
        objects = [{"label": found["label"]} | found for found in objects]
    opening, between, closing, nothing = _brackets(spelling)
    return f"{opening}{between.join(map(dumps, objects))}{closing}" if objects else nothing


def _brackets(spelling: Spelling) -> tuple[str, str, str, str]:
    """What stands before, between and behind the objects of a list, and the empty list."""
    if not spelling.fenced:
        return "[", ", ", "]", "[]"
    return f"```json\n[\n{spelling.indent}", f",\n{spelling.indent}", "\n]\n```", "```json\n[]\n```"


def form(schema: dict, spelling: Spelling = QWEN) -> JsonForm:
    """The form of an answer of that schema, as `write` writes it."""
    return JsonForm(schema, *_brackets(spelling)) if schema["type"] == "array" else JsonForm(schema)


def schema(request: Request, spelling: Spelling = QWEN, largest: int = LARGEST) -> dict | None:
    """The JSON schema of the answer without its fence; None where the answer is words."""
    def numbers(count: int) -> dict:
        number = {"type": "number" if spelling.decimals else "integer", "minimum": 0,
                  "maximum": 1 if spelling.decimals else largest}
        return {"type": "array", "items": number, "minItems": count, "maxItems": count}

    if request.task == "ask":
        return None
    if request.task == "count":
        number = {"type": "integer", "minimum": 0, "maximum": MOST_COUNTED}
        return _closed(dict.fromkeys(request.names, number), list(request.names))
    named = request.task == "detect" and request.names
    label = {"type": "string", "enum": list(request.names)} if named else {"type": "string"}
    if request.task == "point":
        item = _closed({spelling.point: numbers(2), "label": label}, [spelling.point, "label"])
    elif request.task == "keypoints":
        joints = _closed({name: numbers(2) for name in request.names}, [])
        item = _closed({spelling.box: numbers(4), "label": label, "keypoints": joints}, ["label", "keypoints"])
    else:
        item = _closed({spelling.box: numbers(4), "label": label}, [spelling.box, "label"])
    if spelling.label_first:
        item["properties"] = {"label": label} | item["properties"]
    return {"type": "array", "items": item}


def _closed(properties: dict, required: list[str]) -> dict:
    return {"type": "object", "properties": properties, "required": required, "additionalProperties": False}


def read(said: str, reading: Reading) -> Found:
    """Reads the objects, counts or joints of a text into `reading`; where there is no JSON, tags that others write."""
    roots, cut, stray = syntax_json.read(said)
    if reading.request.task == "count" and (status := count(said, roots, cut, reading)):
        return Found(status=status)
    walker = _Walker(reading)
    walker.roots(roots)
    if not reading.annotations:
        _ = syntax_refs.read(said, reading, untagged=True) or syntax_tags.read(said, reading)
    if stray and reading.annotations:
        reading.problem("the JSON is broken; what is whole in it was kept")
    return Found(cut, walker.nothing)


class _Walker:
    """Goes through the closed lists and objects in order and notes each place with its label."""

    def __init__(self, reading: Reading):
        self.reading = reading
        self.nothing = False  # an empty list or a null box was seen: the model's way of saying "none"
        self.bare: list[Node] = []  # lists of numbers without an object around them

    def roots(self, nodes: list[Node]) -> None:
        for node in nodes:
            # What is left of an object that never ended says nothing by itself, except whole objects in it.
            if not (node.orphan and (node.key or "").lower() in JOINT_KEYS):
                self.visit(node, "")
        if not self.reading.annotations:
            for node in self.bare:
                self._place(node, "", node)
        if self.reading.request.task == "keypoints":
            figures(self.reading)

    def visit(self, node: Node, label: str) -> None:
        if not node.entries:
            self.nothing = True
        elif node.kind == "{":
            self._object(node, label)
        elif numbers_of(node) is not None:
            if not node.orphan:
                self.bare.append(node)
        else:
            for value in node.values:
                if isinstance(value, Node):
                    self.visit(value, label)

    def _object(self, node: Node, inherited: str) -> None:
        pairs = {str(key).lower(): value for key, value in node.pairs.items()}
        label = label_of(pairs) or inherited
        joints = next((pairs[key] for key in JOINT_KEYS if key in pairs), None)
        if joints is not None:
            return self._figure(node, label, pairs, joints)
        if self.reading.request.task == "keypoints" and self._only_joints(node):
            return self._figure(node, label, {}, node)
        corners = next(([as_number(pairs[key]) for key in keys] for keys in CORNERS
                        if all(key in pairs for key in keys)), None)
        if corners:
            return self._box(corners, label, node)
        placed = False
        for key, value in pairs.items():
            if key in BOX_KEYS + POINT_KEYS + PLACE_KEYS:
                placed = True
                if value is None or (isinstance(value, Node) and not value.entries):
                    self.nothing = True
                else:
                    self._place(value, label, node, _kind(key))
        if placed:
            return None
        for key, value in node.pairs.items():
            if isinstance(value, Node) and key.lower() not in LABEL_KEYS + OTHER_KEYS:
                if value.kind == "[" and _is_place(value):
                    self._place(value, label or key, node)  # {"cat": [x1, y1, x2, y2]}
                else:
                    self.visit(value, label)
        for key, value in node.entries:
            if key is None and isinstance(value, Node):
                self.visit(value, label)

    def _place(self, value: object, label: str, node: Node, kind: str = "") -> None:
        """Four numbers, two, a list of such, `[[x1, y1], [x2, y2]]`, an object of corners, or "1, 2, 3, 4"."""
        if isinstance(value, str):
            return self._numbers(self.reading.x_first(numbers_within(value)), label, node, kind)
        if not isinstance(value, Node):
            return self.reading.problem(f"left out a place that is {value!r}"[:80])
        if value.kind == "{":
            pairs = {str(key).lower(): inner for key, inner in value.pairs.items()}
            for keys in (*CORNERS, ("x", "y")):
                if all(key in pairs for key in keys):
                    return self._numbers([as_number(pairs[key]) for key in keys], label_of(pairs) or label, node, kind)
            return self.reading.problem("left out a place without coordinates")
        values = numbers_of(value)
        if values is not None:
            return self._numbers(self.reading.x_first(values), label, node, kind)
        inner = [child for child in value.values if isinstance(child, Node)]
        pair = [numbers_of(child) for child in inner]
        if len(inner) != len(value.entries) or not inner:
            return self._numbers([as_number(child) for child in value.values], label, node, kind)
        if kind == "box" and len(pair) == 2 and all(found is not None and len(found) == 2 for found in pair):
            return self._numbers(self.reading.x_first(pair[0] + pair[1]), label, node, kind)
        for child in inner:
            if child.entries and all(isinstance(number, Node) for number in child.values):
                self.reading.problem("left out a place nested too deep")
            else:
                self._place(child, label, node, kind)
        return None

    def _numbers(self, values: list[float | None], label: str, node: Node, kind: str) -> None:
        if (kind == "point" and len(values) != 4) or (kind != "box" and len(values) == 2):
            point = self.reading.point(values)
            if point is not None:
                self._add(Annotation(self.reading.label(label), points=(point,)), node)
        else:
            self._box(values, label, node)

    def _box(self, values: list[float | None], label: str, node: Node) -> None:
        box = self.reading.box(values)
        if box is not None:
            self._add(Annotation(self.reading.label(label), box), node)

    def _figure(self, node: Node, label: str, pairs: dict, joints: object) -> None:
        value = next((pairs[key] for key in BOX_KEYS if pairs.get(key) is not None), None)
        numbers = numbers_of(value) if isinstance(value, Node) else numbers_within(str(value))
        box = None if value is None else self.reading.box(self.reading.x_first(numbers or []))
        points = []
        for name, place in joints_of(joints, self.reading):
            if place is None:
                continue  # named, and said to be absent
            point = self.reading.point(place, name)
            if point is not None:
                points.append(point)
        if box is not None or points:
            label = label or _unnumbered(node.key or "") or asked_label(self.reading.request)
            self._add(Annotation(label, box, tuple(points)), node)
        elif value is None:
            self.nothing = True

    def _only_joints(self, node: Node) -> bool:
        return bool(node.pairs) and set(node.pairs) <= set(self.reading.request.names)

    def _add(self, annotation: Annotation, node: Node) -> None:
        self.reading.add(annotation, (node.start, node.end))


def _unnumbered(key: str) -> str:
    """{"person1": …, "person2": …} are persons; a key without a number is no name."""
    name = key.rstrip("0123456789").strip()
    return name if name != key else ""


def _kind(key: str) -> str:
    return "box" if key in BOX_KEYS else "point" if key in POINT_KEYS else ""


def _is_place(node: Node) -> bool:
    inner = [child for child in node.values if isinstance(child, Node)]
    return numbers_of(node) is not None or (bool(inner) and all(numbers_of(child) is not None for child in inner))
