"""RefCOCO, RefCOCO+ and RefCOCOg: expressions that mean one thing in a COCO picture. Each caption becomes a sample.

    the layout of jxu124/refcoco, as a folder of `datasets`, parquet or JSON lines; its bbox is x1, y1, x2, y2
        {"file_name": "COCO_train2014_….jpg", "image_path": "coco/train2014/….jpg", "bbox": […], "captions": ["…", …],
         "split": "train", "raw_image_info": "{…}"}
    the original files: refs(unc).p (or refs.json) beside instances.json, whose bbox is x, y, width, height
    rows of one expression each: {"image", "expression", "box_xyxy" or null, "no_target", "image_width", "image_height"}

Pictures come from a folder, from a mirror of COCO, or, where the operator allows it, from the rows' own addresses. A
pickle is opened without any of its classes: there are only lists, dictionaries and texts in these files.
"""
from __future__ import annotations

import io
import json
import pickle
from collections.abc import Iterable, Iterator
from dataclasses import replace
from pathlib import Path

from app.formats import listing, reading, tables
from app.formats.base import PLAIN, Format, Odd, Options, Refused, Row, Thing, Told, Unreadable, split_of
from app.formats.finding import Pictures
from app.formats.judging import judged
from app.formats.writing import Folder, Lines, Lost, known, rounded
from app.types import Sample

LIKE = '{"image_path": "coco/train2014/a.jpg", "bbox": [10, 20, 30, 40], "captions": ["the left cat"]}'
LARGEST_PICKLE = 1 << 30  # bytes; RefCOCO's have 30 MB


def read(path: Path, options: Options = PLAIN) -> Iterator[Row]:
    """A file of these, or a folder or zip with some. Raises Unreadable, Unclear."""
    path = Path(path)
    with reading.opened(path, options) as (place, left_out):
        yield from left_out
        refs = [place] if place.is_file() else reading.files(place, ".p", ".json")
        refs = [file for file in refs if file.suffix == ".p" or file.stem.startswith("refs")]
        if refs:
            for file in refs:
                yield from _original(file, options)
            return
        files = [place] if place.is_file() else reading.files(place, *tables.ENDINGS)
        files = [file for file in files if file.suffix.lower() in tables.ENDINGS]
        for file in files:
            told = _told(file)
            yield from judged(told, Pictures(file.parent, options), options, source=path.name)
        if not files:
            yield from listing.read(place, options, row, like=LIKE)


def _told(file: Path) -> Iterator[Told | Refused]:
    for number, value in enumerate(tables.rows(file), 1):
        where = f"{file.name} row {number}"
        try:
            for told in row(value):
                yield replace(told, row=where, split=told.split or listing.split_in_name(file))
        except Odd as problem:
            yield Refused(where, str(problem))


def row(told: dict) -> Iterator[Told]:
    """One element in the layout of `datasets`, or one expression."""
    if "expression" in told:
        yield _expression(told)
        return
    info = _inner(told.get("raw_image_info"))
    files = listing.pictures(told, "image_path", "file_name")
    captions = told.get("captions")
    if captions is None and isinstance(told.get("sentences"), list):
        captions = [each.get("sent") or each.get("raw") for each in told["sentences"] if isinstance(each, dict)]
    if not isinstance(captions, list) or not captions or not all(isinstance(each, str) for each in captions):
        raise Odd(f"has no captions, as in {LIKE}")
    box = told.get("bbox")
    for caption in captions:
        things = () if box is None or box == [] else (Thing(caption, tuple(box) if isinstance(box, list) else box),)
        yield Told("", files, "ground", caption, things, (listing.size(info) or listing.size(told),),
                   split_of(told.get("split")), urls=(str(info.get("coco_url") or info.get("flickr_url") or ""),))


def _expression(told: dict) -> Told:
    expression, box = listing.text(told, "expression"), told.get("box_xyxy", told.get("bbox"))
    if box is None and told.get("no_target") is not True:
        raise Odd('has no box, and does not say "no_target": true')
    if box is not None and told.get("no_target") is True:
        raise Odd('has a box, and says "no_target": true')
    things = () if box is None else (Thing(expression, tuple(box) if isinstance(box, list) else box),)
    return Told("", listing.pictures(told, "image", "file_name"), "ground", expression, things, (listing.size(told),),
                split_of(told.get("split")))


def _inner(told: object) -> dict:
    """JSON in a text in JSON, as this layout has it."""
    try:
        found = json.loads(told) if isinstance(told, str) else told
    except (ValueError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}


def _original(file: Path, options: Options) -> Iterator[Row]:
    instances = file.with_name("instances.json")
    if not instances.is_file():
        raise Unreadable(f"{file.name} needs its instances.json beside it")
    refs = _refs(file)
    with reading.index(options) as known_rows:
        known_rows.execute("CREATE TABLE found (kind TEXT, id TEXT, told TEXT, PRIMARY KEY (kind, id))")
        for key, number, value in reading.elements(instances):
            if number and key in ("images", "annotations") and isinstance(value, dict):
                value.pop("segmentation", None)
                known_rows.execute("INSERT OR REPLACE INTO found VALUES (?, ?, ?)",
                                   (key, json.dumps(value.get("id")), json.dumps(value)))
        told = (each for number, ref in enumerate(refs, 1) for each in _ref(f"ref {number}", ref, known_rows))
        yield from judged(told, Pictures(file.parent, options), options, source=file.name)


def _refs(file: Path) -> Iterable[object]:
    if file.suffix != ".p":
        return (value for _, value in reading.rows(file))
    if file.stat().st_size > LARGEST_PICKLE:
        raise Unreadable(f"{file.name} has {file.stat().st_size / 1024**2:.0f} MB; no such file is so large")
    try:
        refs = _Plain(io.BytesIO(file.read_bytes()), encoding="latin-1").load()
    except Exception as problem:  # a damaged pickle fails in as many ways as there are opcodes
        raise Unreadable(f"{file.name} is no pickle of lists and texts ({str(problem)[:150]})") from problem
    if not isinstance(refs, list):
        raise Unreadable(f"{file.name} holds no list of refs")
    return refs


class _Plain(pickle.Unpickler):
    """Opens a pickle of plain values; one that asks for a class or function is refused: it would be called."""

    def find_class(self, module: str, name: str):
        raise pickle.UnpicklingError(f"it asks for {module}.{name}, which these files never need")

    def persistent_load(self, pid):
        raise pickle.UnpicklingError("it points outside itself")


def _ref(where: str, ref: object, known_rows) -> Iterator[Told | Refused]:
    def found(kind: str, id: object) -> dict | None:
        hit = known_rows.execute("SELECT told FROM found WHERE kind = ? AND id = ?", (kind, json.dumps(id))).fetchone()
        return json.loads(hit[0]) if hit else None

    if isinstance(ref, Refused):
        yield Refused(where, ref.why)
        return
    sentences = ref.get("sentences") if isinstance(ref, dict) else None
    if not isinstance(sentences, list):
        yield Refused(where, "has no sentences")
        return
    annotation, image = found("annotations", ref.get("ann_id")), found("images", ref.get("image_id"))
    if annotation is None or image is None:
        yield Refused(where, f"means the object {ref.get('ann_id')!r} in the picture {ref.get('image_id')!r}, and "
                             "instances.json does not know both")
        return
    for sentence in sentences:
        caption = (sentence.get("sent") or sentence.get("raw")) if isinstance(sentence, dict) else None
        if not isinstance(caption, str):
            yield Refused(where, "has a sentence without words")
            continue
        yield Told(where, (str(image.get("file_name") or ""),), "ground", caption,
                   (Thing(caption, annotation.get("bbox"), "xywh"),), (listing.size(image),),
                   split_of(ref.get("split")), urls=(str(image.get("coco_url") or ""),))


def write(samples: Iterable[Sample], out: Path) -> list[str]:
    """`data.jsonl` in the layout of jxu124/refcoco, and `images/`. Where nothing is meant, bbox is empty."""
    lost = Lost()
    folder = Folder(out, lost)
    with Lines(out / "data.jsonl") as lines:
        for sample in known(samples, ("ground",), lost):
            image, = sample.images
            boxes = [each for each in sample.truth if each.box]
            if len(boxes) != len(sample.truth) or len(boxes) > 1:
                lost.add("samples whose expression means several things, or one without a box")
                continue
            for each in boxes:
                lost.unsaid(each, carried=("box",))
                if each.label != sample.query:
                    lost.add("labels beside the expression")
            if sample.answer is not None:
                lost.add("answers in words")
            name = folder.place(image)
            info = {"file_name": name.rpartition("/")[2], "width": image.size[0], "height": image.size[1]}
            lines.add({"file_name": info["file_name"], "image_path": name, "captions": [sample.query],
                       "bbox": rounded(boxes[0].box) if boxes else [], "raw_image_info": json.dumps(info),
                       "split": {"train": "train", "val": "validation"}.get(image.split or "", "")})
    return lost.sentences()


FORMAT = Format("refcoco", "RefCOCO, RefCOCO+, RefCOCOg", "jxu124/refcoco as a folder or .jsonl, refs(unc).p with "
                "instances.json, or rows of expressions. One box an expression", read, write,
                aliases=("refcoco+", "refcocog", "refcocoplus", "referring"))
