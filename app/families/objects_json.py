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

import re
from collections.abc import Sequence

from app.families import syntax_tags
from app.families.counts_json import count
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
)
from app.families.reading import Reading, asked_label, counted, pointed
from app.families.syntax_json import Node, dumps, read
from app.families.syntax_tags import as_number
from app.families.words import denied, refused
from app.geometry import clamp
from app.types import Annotation, Parsed, Request

OPENING = "```json\n["
# VLM-R1's wording, which GRPO's format reward expects.
THINK = (" First output the thinking process in <think> </think> tags and then output the final answer in "
         "<answer> </answer> tags.")


def write(annotations: Sequence[Annotation], request: Request, size: tuple[int, int], units: tuple[int, int]) -> str:
    """The answer a perfect model writes, in whole units: the training target."""
    def places(*values: float) -> list[int]:
        return [int(clamp(round(value / size[i % 2] * units[i % 2]), units[i % 2])) for i, value in enumerate(values)]

    if request.task == "ask":
        raise ValueError("the answer to a question is its own text; only places and counts are formatted")
    if request.task == "count":
        return dumps(counted(annotations, request.names))
    objects = []
    for annotation in annotations:
        if request.task == "point":
            objects += [{"point_2d": places(x, y), "label": annotation.label} for x, y in pointed(annotation)]
            continue
        if annotation.box is None and request.task != "keypoints":
            raise ValueError(f"{annotation.label!r} has no box, and {request.task} answers in boxes")
        found = {} if annotation.box is None else {"bbox_2d": places(*annotation.box)}
        found["label"] = annotation.label
        if request.task == "keypoints":
            found["keypoints"] = {joint.name: places(joint.x, joint.y) for joint in annotation.points
                                  if joint.visibility != "absent"}
        objects.append(found)
    lines = ",\n".join(f"\t{dumps(found)}" for found in objects)
    return f"```json\n[\n{lines}\n]\n```" if objects else "```json\n[]\n```"


def schema(request: Request) -> dict | None:
    """The JSON schema of the answer without its fence; None where the answer is words."""
    def numbers(count: int) -> dict:
        return {"type": "array", "items": {"type": "integer", "minimum": 0}, "minItems": count, "maxItems": count}

    if request.task == "ask":
        return None
    if request.task == "count":
        return _closed({name: {"type": "integer", "minimum": 0} for name in request.names}, list(request.names))
    named = request.task == "detect" and request.names
    label = {"type": "string", "enum": list(request.names)} if named else {"type": "string"}
    if request.task == "point":
        item = _closed({"point_2d": numbers(2), "label": label}, ["point_2d", "label"])
    elif request.task == "keypoints":
        joints = _closed({name: numbers(2) for name in request.names}, [])
        item = _closed({"bbox_2d": numbers(4), "label": label, "keypoints": joints}, ["label", "keypoints"])
    else:
        item = _closed({"bbox_2d": numbers(4), "label": label}, ["bbox_2d", "label"])
    return {"type": "array", "items": item}


def _closed(properties: dict, required: list[str]) -> dict:
    return {"type": "object", "properties": properties, "required": required, "additionalProperties": False}


def parse(text: str, reading: Reading) -> Parsed:
    """Read an answer into `reading`. Never raises; a thousand objects or a megabyte is a matter of a second."""
    request = reading.request
    start, end, thinking = answer_part(text, request.think)
    said = text[start:end]
    if request.task == "ask":
        return reading.parsed("ok" if said.strip() else "truncated" if thinking else "empty")
    if thinking:
        reading.problem("the answer ends while the model is still thinking")
        return reading.parsed("truncated")
    said = reading.short(said)
    roots, cut, stray = read(said)
    if request.task == "count" and (status := count(said, roots, cut, reading)):
        return reading.parsed(status)
    walker = _Walker(reading, start)
    walker.roots(roots)
    if not reading.annotations:
        _tags(said, start, reading)
    if stray and reading.annotations:
        reading.problem("the JSON is broken; what is whole in it was kept")
    if cut:
        reading.problem("the answer ends in the middle of an object")
    return reading.parsed(_status(said, cut, walker.nothing, reading))


def answer_part(text: str, think: bool) -> tuple[int, int, bool]:
    """Where the answer stands in the text: after the thoughts, inside `<answer>`; and whether it is still thinking."""
    start, end = 0, len(text)
    thought = text.rfind("</think>")
    if thought >= 0:
        start = thought + len("</think>")
    opened = text.find("<answer>", start)
    if thought < 0 and opened < 0 and (think or text.lstrip().startswith("<think>")):
        return start, end, True
    if opened >= 0:
        start = opened + len("<answer>")
        closed = text.find("</answer>", start)
        end = closed if closed >= 0 else end
    return start, end, False


def _status(said: str, cut: bool, nothing: bool, reading: Reading) -> str:
    if cut:
        return "truncated"
    if reading.annotations:
        return "ok"
    plain = re.sub(r"<\|[a-z_]+\|>|</s>", "", said).strip()
    if refused(plain):
        return "refused"
    if not plain:
        reading.problem("the answer is blank")
        return "empty"
    if denied(plain) or (nothing and not reading.problems):
        return "empty"
    if OPENING.startswith(plain):
        reading.problem("the answer ends before it begins")
        return "truncated"
    reading.problem("there is text, but no place that can be read in it")
    return "unreadable"


class _Walker:
    """Goes through the closed lists and objects in order and notes each place with its label."""

    def __init__(self, reading: Reading, offset: int):
        self.reading = reading
        self.offset = offset  # of the answer in the whole text, for the spans
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
            found = re.findall(r"[-+]?\d{1,9}(?:\.\d{1,9})?", value[:200])
            return self._numbers([float(text) for text in found], label, node, kind)
        if not isinstance(value, Node):
            return self.reading.problem(f"left out a place that is {value!r}"[:80])
        if value.kind == "{":
            pairs = {str(key).lower(): as_number(number) for key, number in value.pairs.items()}
            for keys in (*CORNERS, ("x", "y")):
                if all(key in pairs for key in keys):
                    return self._numbers([pairs[key] for key in keys], label, node, kind)
            return self.reading.problem("left out a place without coordinates")
        values = numbers_of(value)
        if values is not None:
            return self._numbers(values, label, node, kind)
        inner = [child for child in value.values if isinstance(child, Node)]
        pair = [numbers_of(child) for child in inner]
        if len(inner) != len(value.entries) or not inner:
            return self._numbers([as_number(child) for child in value.values], label, node, kind)
        if kind == "box" and len(pair) == 2 and all(found is not None and len(found) == 2 for found in pair):
            return self._numbers(pair[0] + pair[1], label, node, kind)
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
        numbers = numbers_of(value) if isinstance(value, Node) else None
        box = None if value is None else self.reading.box(numbers or [])
        points = []
        for name, place in joints_of(joints, self.reading.request.names):
            if place is None:
                continue  # named, and said to be absent
            point = self.reading.point(place[:2] if len(place) == 3 else place, name)
            if point is not None:
                points.append(point)
        if box is not None or points:
            self._add(Annotation(label or asked_label(self.reading.request), box, tuple(points)), node)
        elif value is None:
            self.nothing = True

    def _only_joints(self, node: Node) -> bool:
        return bool(node.pairs) and set(node.pairs) <= set(self.reading.request.names)

    def _add(self, annotation: Annotation, node: Node) -> None:
        self.reading.add(annotation, (self.offset + node.start, self.offset + node.end))


def _kind(key: str) -> str:
    return "box" if key in BOX_KEYS else "point" if key in POINT_KEYS else ""


def _is_place(node: Node) -> bool:
    inner = [child for child in node.values if isinstance(child, Node)]
    return numbers_of(node) is not None or (bool(inner) and all(numbers_of(child) is not None for child in inner))


def _tags(said: str, start: int, reading: Reading) -> None:
    found = list(syntax_tags.boxes(said)) or list(syntax_tags.points(said))
    for values, label, (first, last) in found:
        span = (start + first, start + last)
        if len(values) == 4 and (box := reading.box(values)):
            reading.add(Annotation(reading.label(label), box), span)
        elif len(values) == 2 and (point := reading.point(values)):
            reading.add(Annotation(reading.label(label), points=(point,)), span)
