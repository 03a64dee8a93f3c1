"""ms-swift: messages with places held open, and `objects` that fill them in.

    {"messages": [{"role": "user", "content": "<image>Find the <ref-object> in the image"},
                  {"role": "assistant", "content": "<bbox><bbox>"}],
     "images": ["a.jpg"], "objects": {"ref": ["sheep"], "bbox": [[90, 160, 135, 212], [360, 480, 495, 532]]}}

Pixels, xyxy; two numbers are a point; `bbox_type` norm1 is parts of the picture; `image_id` says of which picture.
"""
from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from pathlib import Path

from app.formats import listing
from app.formats.base import PLAIN, Format, Odd, Options, Row, Thing, Told
from app.formats.instructions import turns
from app.formats.writing import Folder, Lines, Lost, known, names_of, rounded
from app.types import Sample

LIKE = '{"messages": […], "images": ["a.jpg"], "objects": {"ref": ["cat"], "bbox": [[10, 20, 30, 40]]}}'
HELD = re.compile(r"<ref-object>|<bbox>")
GROUND = "<image>Locate what this describes: <ref-object>"
POINT = "<image>Point to what this describes: <ref-object>"
DETECT = "<image>Detect the following objects: {}"
NOTHING = "None"
MOST = 1_000  # pictures in a row


def read(path: Path, options: Options = PLAIN) -> Iterator[Row]:
    """A .jsonl or .json, or a folder or zip with such files. Raises Unreadable, Unclear."""
    return listing.read(path, options, _row, like=LIKE)


def _row(told: dict) -> Iterator[Told]:
    asked, said = turns(told)
    files = listing.pictures(told, "images", "image")
    objects = told.get("objects")
    if objects in (None, {}):
        yield Told("", files, "ask", asked.replace("<image>", "").strip(), None, answer=said)
        return
    if not isinstance(objects, dict) or not isinstance(objects.get("bbox", []), list):
        raise Odd(f"has objects that are not like those of {LIKE}")
    refs, boxes = list(objects.get("ref") or ()), objects.get("bbox") or []
    kind = {"real": "xyxy", "norm1": "unit"}.get(objects.get("bbox_type") or "real")
    if kind is None:
        raise Odd(f"has bbox_type {str(objects['bbox_type'])[:40]!r}; it should be real or norm1")
    images = objects.get("image_id") or []
    own = _taken(asked, refs)
    things, named = _filled(said or "", refs[len(own):], boxes, own[-1] if own else "", kind, images)
    if said is None and not boxes:
        things = None
    yield Told("", files, *_task(asked, own, things or (), named), things)


def _taken(asked: str, refs: list) -> list[str]:
    """The names that fill the question."""
    count = asked.count("<ref-object>")
    if count > len(refs):
        raise Odd(f"holds {count} places for a ref open in its question, and has {len(refs)}")
    return [str(ref) for ref in refs[:count]]


def _filled(said: str, refs: list, boxes: list, label: str, kind: str, images: list) -> tuple[tuple[Thing, ...], bool]:
    """The objects of an answer, and whether it names them itself."""
    things, refs, left, named = [], iter(refs), iter(enumerate(boxes)), False
    for held in HELD.findall(said):
        if held == "<ref-object>":
            label, named = str(next(refs, "")), True
            continue
        number, box = next(left, (None, None))
        if number is None:
            raise Odd(f"holds more places for a bbox open than the {len(boxes)} it has")
        image = images[number] if number < len(images) and type(images[number]) is int else 0
        if isinstance(box, list) and len(box) == 2:
            things.append(Thing(label, None, kind, ((label, *box, "visible"),), image=image))
        else:
            things.append(Thing(label, tuple(box) if isinstance(box, list) else box, kind, image=image))
    if next(left, None) is not None:
        raise Odd(f"has {len(boxes)} bbox, and its answer holds fewer places open")
    return tuple(things), named


def _task(asked: str, own: list[str], things: tuple[Thing, ...], named: bool) -> tuple[str, str]:
    if any(thing.points for thing in things) or asked.startswith(POINT.partition("<ref")[0]):
        return "point", own[0] if own else asked.replace("<image>", "").strip()
    if asked.startswith(GROUND.partition("<ref")[0]) or (own and not named and len(own) == len(things) == 1):
        return "ground", own[0] if own else asked.replace("<image>", "").strip()
    names = list(dict.fromkeys([*own, *(thing.label for thing in things)]))
    return "detect", "; ".join(name.replace(";", ",") for name in names)


def write(samples: Iterable[Sample], out: Path) -> list[str]:
    """`data.jsonl` and `images/`."""
    lost = Lost()
    folder = Folder(out, lost)
    with Lines(out / "data.jsonl") as lines:
        for sample in known(samples, ("detect", "ground", "point", "ask"), lost, pictures=MOST):
            row = {"messages": [], "images": [folder.place(image) for image in sample.images]}
            more = "<image>" * (len(sample.images) - 1)
            if sample.task == "ask":
                asked, said = f"<image>{sample.query}", sample.answer or ""
            else:
                asked, said, row["objects"] = _objects(sample, lost)
            row["messages"] = [{"role": "user", "content": more + asked}, {"role": "assistant", "content": said}]
            if any(image.split for image in sample.images):
                lost.add("samples' splits")
            lines.add(row)
    return lost.sentences()


def _objects(sample: Sample, lost: Lost) -> tuple[str, str, dict]:
    """The question, the answer and what fills both."""
    places, refs, images = [], [], []
    for each in sample.truth:
        lost.unsaid(each, carried=("box", "points") if sample.task == "point" else ("box",))
        if sample.task != "detect" and each.label != sample.query:
            lost.add("labels of objects that an expression means")
        pointed = sample.task == "point" and each.points
        if pointed and any(point.name != each.label for point in each.points):
            lost.add("names of points beside their objects' labels")
        found = [rounded((p.x, p.y)) for p in each.points] if pointed else [rounded(each.box)] if each.box else []
        places += found
        refs += [each.label] * len(found)
        images += [each.image] * len(found)
    filled = {"image_id": images} if len(sample.images) > 1 else {}
    if sample.task == "detect":
        names = names_of(sample)
        asked = DETECT.format(", ".join(["<ref-object>"] * len(names)))
        return asked, "<ref-object><bbox>" * len(places) or NOTHING, {"ref": [*names, *refs], "bbox": places} | filled
    asked = GROUND if sample.task == "ground" else POINT
    return asked, "<bbox>" * len(places) or NOTHING, {"ref": [sample.query], "bbox": places} | filled


FORMAT = Format("swift", "ms-swift", "a .jsonl of messages, images and objects (ref, bbox). Boxes, points, answers",
                read, write, aliases=("ms-swift", "modelscope"))
