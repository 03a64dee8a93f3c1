"""`datasets`: parquet or Arrow files with the pictures inside, as the Hub has them, and a card that says what is there.

Our own rows carry all of a sample. Of other people's we read: `objects` with bbox and category, captions with a bbox,
messages, conversations, a question with an answer, a picture with a caption, a picture alone.
"""
from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace
from pathlib import Path

from app.formats import captions, card, jsonl, listing, reading, refcoco, tables, trl, vision_cot
from app.formats.base import PLAIN, Format, Odd, Options, Refused, Row, Thing, Told, Unreadable, split_of
from app.formats.finding import Pictures
from app.formats.judging import judged
from app.types import Sample

LIKE = '{"file_name": "a.jpg", "objects": {"bbox": [[10, 20, 30, 40]], "categories": ["cat"]}}'
PART = 500 * 1024**2  # bytes of pictures in one parquet file
GROUP = 100  # rows in a row group, so that a reader needs little memory
LABELS = ("category", "categories", "label", "labels", "class", "name", "names")


def read(path: Path, options: Options = PLAIN) -> Iterator[Row]:
    """A folder (of `save_to_disk`, `imagefolder`, or with parquet files), a zip of one, or a file.

    Raises Unreadable, Unclear.
    """
    path = Path(path)
    with reading.opened(path, options) as (place, left_out):
        yield from left_out
        files = [place] if place.is_file() else reading.files(place, *tables.ENDINGS)
        files = [file for file in files if not file.name.startswith("cache-")]
        described = [] if files or place.is_file() else [
            file for file in reading.files(place, ".jsonl") if file.name == "metadata.jsonl"]
        if not files and not described:
            raise Unreadable(f"{path.name} holds no .parquet, no .arrow file and no metadata.jsonl")
        for file in described:  # `imagefolder`: pictures beside a list of them
            yield from listing.read(file, options, _imagefolder(file, options), like=LIKE)
        for file in files:
            names = tables.class_names(tables.features(file))
            told = _told(file, names or [], options)
            pictures = Pictures(file.parent, options, own=(tables.embedded(options),))
            yield from judged(told, pictures, options, source=path.name, names=names or ())


def _imagefolder(file: Path, options: Options) -> listing.Tells:
    split = split_of(file.parent.name)
    return lambda told: (replace(each, split=each.split or split) for each in _row(told, [], options))


def _told(file: Path, names: list[str], options: Options) -> Iterator[Told | Refused]:
    split = listing.split_in_name(file) or split_of(file.parent.name)
    for number, value in enumerate(tables.rows(file), 1):
        where = f"{file.name} row {number}"
        try:
            for told in _row(value, names, options):
                ours = {"task", "query", "split"} <= value.keys()  # which stand in train where they have no split
                yield replace(told, row=where, split=told.split or (None if ours else split))
        except Odd as problem:
            yield Refused(where, str(problem))


def _row(told: dict, names: list[str], options: Options) -> Iterator[Told]:
    keys = set(told)
    files = _pictures(told, options)
    with_files = told | {"image": [str(file) for file in files], "images": [str(file) for file in files]}
    if {"task", "query", "objects"} <= keys:
        rows = iter([_ours(told)])
    elif isinstance(told.get("objects"), dict) and "bbox" in told["objects"]:
        rows = iter([_objects(told["objects"], names, listing.size(told))])
    elif "captions" in keys or "expression" in keys or {"sentences", "bbox"} <= keys:
        rows = refcoco.row(with_files | {"image_path": with_files["image"]})
    elif "messages" in keys or "prompt" in keys:
        rows = trl.row(with_files, options.family)
    elif "conversations" in keys or {"problem", "solution"} <= keys:
        rows = jsonl.row(with_files)
    elif "question" in keys:
        rows = vision_cot.row(with_files)
    else:
        words = next((told[key] for key in ("caption", "text", "query") if isinstance(told.get(key), str)), None)
        rows = iter([Told("", (), captions.DEFAULT if words else "detect", words or "", None)])
    for each in rows:
        yield Told("", files, each.task, each.query, each.things, each.sizes if len(files) == 1 else (), each.split,
                   each.answer, each.urls, each.repairs)


def _pictures(told: dict, options: Options) -> tuple[str | Path, ...]:
    for key in ("images", "image", "img", "image_path", "file_name"):
        value = told.get(key)
        found = [tables.picture(each, options) for each in (value if isinstance(value, list) else [value])]
        if any(found):
            if not all(found):
                raise Odd("has a picture without content")
            return tuple(found)
    raise Odd(f"has no picture; its columns are {', '.join(sorted(told))[:200]}")


def _ours(told: dict) -> Told:
    objects = told["objects"]
    if objects is not None:
        objects = [{**each, "box": each.get("bbox")} for each in objects]
    return Told("", (), told["task"], told["query"], captions.truth(objects), split=split_of(told.get("split")),
                answer=told.get("answer"))


def _objects(told: dict, names: list[str], size: tuple | None) -> Told:
    """A dictionary of lists, as detection datasets on the Hub have it: COCO's x, y, width, height."""
    boxes = told.get("bbox") or []
    labels = next((told[key] for key in LABELS if isinstance(told.get(key), list)), None)
    if labels is None or len(labels) != len(boxes):
        raise Odd(f"has {len(boxes)} bbox and {'no' if labels is None else len(labels)} category in its objects")
    things = []
    for box, label in zip(boxes, labels):
        if type(label) is int:
            if not 0 <= label < len(names):
                raise Odd(f"has the class {label}, and the dataset names {len(names)} classes")
            label = names[label]
        things.append(Thing(label, tuple(box) if isinstance(box, list) else box, "xywh"))
    query = None if names else "; ".join(dict.fromkeys(str(thing.label).replace(";", ",") for thing in things))
    return Told("", (), "detect", query, tuple(things), (size,))


def write(samples: Iterable[Sample], out: Path, part: str = "") -> list[str]:
    """`data/SPLIT-NUMBER.parquet` with the pictures inside, and README.md, the card. `part` goes into the names."""
    with Parts(out, part) as parts:
        for sample in samples:
            parts.add(sample)
    (out / "README.md").write_text(card.of(parts.facts), encoding="utf-8")
    return []


class Parts:
    """Parquet files that grow row by row; the next begins where one is large enough."""

    def __init__(self, out: Path, part: str = "", largest: float = PART):
        from datasets import Features, Image, List, Value
        self._out, self._part, self._largest = out, part, largest
        text, number = Value("string"), Value("float64")
        self._schema = Features({
            "id": text, "images": List(Image()), "task": text, "query": text,
            "objects": List({"label": text, "bbox": List(number), "points": List(
                {"name": text, "x": number, "y": number, "visibility": text}), "score": number, "crowd": Value("bool"),
                "area": number, "image": Value("int32"), "score_source": text, "id": text}),
            "answer": text, "source": text, "split": text}).arrow_schema
        self._writers, self._rows, self._bytes, self._numbers = {}, {}, {}, {}
        self.facts = card.Facts()
        (out / "data").mkdir(parents=True, exist_ok=True)

    def add(self, sample: Sample) -> None:
        split = sample.images[0].split or "train"
        row = {"id": sample.id, "task": sample.task, "query": sample.query, "answer": sample.answer,
               "source": sample.source, "split": sample.images[0].split,
               "images": [{"bytes": Path(image.path).read_bytes(), "path": Path(image.name or image.path).name}
                          for image in sample.images],
               "objects": None if sample.truth is None else [
                   {"label": a.label, "bbox": None if a.box is None else list(a.box), "score": a.score,
                    "points": [{"name": p.name, "x": p.x, "y": p.y, "visibility": p.visibility} for p in a.points],
                    "crowd": a.crowd, "area": a.area, "image": a.image, "score_source": a.score_source, "id": a.id}
                   for a in sample.truth]}
        self._rows.setdefault(split, []).append(row)
        self._bytes[split] = self._bytes.get(split, 0) + sum(len(image["bytes"]) for image in row["images"])
        self.facts.add(sample)
        waiting = sum(len(image["bytes"]) for each in self._rows[split] for image in each["images"])
        if len(self._rows[split]) >= GROUP or waiting > PART // 20:
            self._flush(split)

    def _flush(self, split: str) -> None:
        import pyarrow as pa
        import pyarrow.parquet
        if split not in self._writers:
            number = self._numbers[split] = self._numbers.get(split, -1) + 1
            name = f"{split}-{self._part}{'-' if self._part else ''}{number:05d}.parquet"
            self._writers[split] = pyarrow.parquet.ParquetWriter(self._out / "data" / name, self._schema)
        self._writers[split].write_table(pa.Table.from_pylist(self._rows.pop(split), schema=self._schema))
        if self._bytes[split] > self._largest:
            self._writers.pop(split).close()
            self._bytes[split] = 0

    def __enter__(self) -> Parts:
        return self

    def __exit__(self, kind, *_) -> None:
        for split in list(self._rows) if kind is None else ():
            self._flush(split)
        for writer in self._writers.values():
            writer.close()


FORMAT = Format("datasets", "datasets folder", "a folder of parquet or Arrow files with the pictures inside, as "
                "load_dataset and save_to_disk have it. Everything, with a card", read, write,
                aliases=("parquet", "hf-datasets", "arrow"))
