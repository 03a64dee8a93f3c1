"""A sample as a question and an answer in words, and back: for the formats that are conversations.

The wording is that of VLM-R1's own data where it has one, so that its users' rows are understood; an answer in places
is JSON in pixels of the picture. A conversation in other words is understood by its answer.
"""
from __future__ import annotations

import ast
import json
import re
from collections import Counter

from app.formats.base import Thing
from app.formats.writing import Lost, names_of, rounded
from app.types import Annotation, Sample

QUESTIONS = {
    "ground": "Please provide the bounding box coordinate of the region this sentence describes: {}.",
    "detect": "Please carefully check the image and detect the following objects: {}.",
    "point": "Please point to what this describes: {}.",
    "keypoints": "Please give the bounding box of each figure and these keypoints of it: {}.",
    "count": "Please count the following objects: {}.",
    "phrases": "Please detect each thing that this caption names: {}.",
}
NAMES = ("detect", "keypoints", "count")  # whose question is a list of names
PATTERNS = {task: re.compile(re.escape(words).replace(r"\{\}", "(.*?)") + "?$", re.DOTALL)
            for task, words in QUESTIONS.items()}
GROUND = re.compile(r"(?:region|object) (?:that )?this sentence describes:\s*(.*?)\.?\s*$", re.DOTALL)
LISTED = re.compile(r"\[\s*['\"].*?['\"]\s*\]", re.DOTALL)
NOTHING = "None"
FENCE = re.compile(r"^\s*(?:<answer>)?\s*```(?:json)?\s*(.*?)\s*```\s*(?:</answer>)?\s*$", re.DOTALL)
ANSWER = re.compile(r"<answer>(.*?)</answer>", re.DOTALL)
POINTED = (*NAMES, "ground", "point", "phrases")


def question(sample: Sample) -> str:
    """Raises KeyError for a task that has no words."""
    if sample.task == "ask":
        return sample.query
    if sample.task in NAMES:
        names = [" ".join(name.split()) for name in sample.query.split(";") if name.strip()]
        return QUESTIONS[sample.task].format(names)
    return QUESTIONS[sample.task].format(sample.query)


def answer(sample: Sample, lost: Lost) -> str:
    """The true answer in words. What words do not carry is counted in `lost`."""
    if sample.task == "ask":
        if sample.truth:
            lost.add("places that belong to an answer in words")
        return sample.answer or ""
    truth = sample.truth or ()
    if sample.answer is not None:
        lost.add("answers in words beside places")
    if sample.task == "count":
        for each in truth:
            lost.unsaid(each)
        counted = Counter(each.label for each in truth)
        return json.dumps({name: counted[name] for name in names_of(sample)}, ensure_ascii=False)
    if not truth:
        return NOTHING
    for each in truth:
        lost.unsaid(each, carried=CARRIED[sample.task])
        if sample.task != "point" and each.box is None:
            lost.add("objects without a box")
    if sample.task == "ground" and len(truth) == 1 and truth[0].box:
        return json.dumps(rounded(truth[0].box))
    told = [one for each in truth for one in _objects(each, sample, lost)]
    return json.dumps(told, ensure_ascii=False)


CARRIED = {"detect": ("box",), "ground": ("box",), "phrases": ("box",), "point": ("box", "points"),
           "keypoints": ("box", "points", "visibility")}


def _objects(annotation: Annotation, sample: Sample, lost: Lost) -> list[dict]:
    image = {"image": annotation.image} if len(sample.images) > 1 else {}
    label = {} if sample.task == "ground" else {"label": annotation.label}
    if sample.task == "ground" and annotation.label != sample.query:
        lost.add("labels of objects that an expression means")
    if sample.task == "point" and annotation.points:
        if any(point.name != annotation.label for point in annotation.points):
            lost.add("names of points beside their objects' labels")
        return [{"point_2d": rounded((p.x, p.y))} | label | image for p in annotation.points]
    if annotation.box is None:
        return []
    told = {"bbox_2d": rounded(annotation.box)} | label | image
    if sample.task == "keypoints" and annotation.points:
        told["keypoints"] = {p.name: [*rounded((p.x, p.y)), p.visibility] for p in annotation.points}
    return [told]


def understood(asked: str, said: str) -> tuple[str, str, tuple[Thing, ...] | None, str | None]:
    """(task, query, objects, answer in words) of a question and an answer. Boxes are pixels, xyxy."""
    asked = " ".join(asked.replace("<image>", " ").split())
    said = ANSWER.findall(said)[-1].strip() if ANSWER.search(said) else said.strip()
    said = FENCE.sub(r"\1", said)
    task, query = _asked(asked)
    value = _json(said)
    if task is None and isinstance(value, list) and value:
        task, query = _by_answer(value, asked)
    if task is None:
        return "ask", asked, None, said
    if said in (NOTHING, "", "[]"):
        return task, query, (), None
    things = _counted(value) if task == "count" else _things(value, query if task in ("ground", "point") else "")
    return (task, query, things, None) if things is not None else ("ask", asked, None, said)


def listed_names(text: str) -> list[str]:
    """The names in a list that stands in a sentence, as Python writes one: ['cat', 'dog']."""
    found = LISTED.search(text)
    if not found:
        return []
    try:
        names = ast.literal_eval(found[0])
    except (ValueError, SyntaxError, RecursionError, MemoryError):
        return []
    return [name for name in names if isinstance(name, str) and name.strip()]


def _asked(asked: str) -> tuple[str | None, str]:
    for task, pattern in PATTERNS.items():
        if found := pattern.match(asked):
            said = found[1].strip()
            if task not in NAMES:
                return task, said
            if names := listed_names(said) or [name.strip() for name in re.split(r"[,;]", said) if name.strip()]:
                return task, "; ".join(name.replace(";", ",") for name in names)
    if found := GROUND.search(asked):
        return "ground", found[1].strip()
    return None, ""


def _by_answer(value: list, asked: str) -> tuple[str | None, str]:
    """What must have been asked, where the answer is made of places."""
    if _is_box(value):
        return "ground", asked
    if all(isinstance(each, dict) and _box_of(each) is not None for each in value):
        labels = [str(each.get("label") or "") for each in value]
        if not all(labels):
            return "ground", asked
        return "detect", "; ".join(dict.fromkeys(name.replace(";", ",") for name in
                                                 (listed_names(asked) or labels)))
    if all(isinstance(each, dict) and "point_2d" in each for each in value):
        return "point", asked
    return None, ""


def _things(value: object, label: str) -> tuple[Thing, ...] | None:
    if _is_box(value):
        return (Thing(label, tuple(value)),)
    if not isinstance(value, list):
        return None
    things = []
    for each in value:
        if _is_box(each):
            things.append(Thing(label, tuple(each)))
        elif isinstance(each, dict) and isinstance(each.get("point_2d"), list) and len(each["point_2d"]) == 2:
            name = str(each.get("label") or label)
            things.append(Thing(name, None, points=((name, *each["point_2d"], "visible"),), image=_image(each)))
        elif isinstance(each, dict) and (box := _box_of(each)) is not None:
            things.append(Thing(str(each.get("label") or label), box, points=_joints(each.get("keypoints")),
                                image=_image(each)))
        else:
            return None
    return tuple(things)


def _joints(told: object) -> tuple:
    if not isinstance(told, dict):
        return ()
    return tuple((str(name), place[0], place[1], place[2] if len(place) > 2 else "visible")
                 for name, place in told.items() if isinstance(place, list) and len(place) in (2, 3))


def _counted(value: object) -> tuple[Thing, ...] | None:
    if not isinstance(value, dict) or not all(type(n) is int and 0 <= n <= 10_000 for n in value.values()):
        return None
    return tuple(Thing(label) for label, count in value.items() for _ in range(count))


def _box_of(told: dict) -> tuple | None:
    box = next((told[key] for key in ("bbox_2d", "bbox", "box_2d", "box") if key in told), None)
    return tuple(box) if isinstance(box, list) and len(box) == 4 else None


def _is_box(value: object) -> bool:
    return isinstance(value, list | tuple) and len(value) == 4 and all(type(v) in (int, float) for v in value)


def _image(told: dict) -> int:
    return told["image"] if type(told.get("image")) is int else 0


def _json(said: str) -> object:
    for reads in (json.loads, ast.literal_eval):  # people's scripts write Python's single quotes too
        try:
            return reads(said[:1 << 20])
        except (ValueError, SyntaxError, RecursionError, MemoryError):
            continue
    return None
