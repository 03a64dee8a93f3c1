"""COCO: one JSON file of images, annotations and categories; boxes are x, y, width, height; crowds and joints too.

    {"images": [{"id": 1, "file_name": "a.jpg", "width": 640, "height": 480}],
     "annotations": [{"id": 1, "image_id": 1, "category_id": 3, "bbox": [10, 20, 30, 40], "area": 900, "iscrowd": 0}],
     "categories": [{"id": 3, "name": "cat"}]}

An annotation may stand anywhere in the file, so they wait in a database on the disk until their picture's turn. A file
that breaks off is refused whole: what was still to come may belong to any picture.
"""
from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path

from app.formats import reading
from app.formats.base import PLAIN, Format, Options, Refused, Repaired, Row, Thing, Told, Unreadable, split_of
from app.formats.finding import Pictures
from app.formats.judging import judged
from app.formats.writing import Folder, Lost, known, names_of, rounded, told_apart
from app.skeletons import SKELETONS
from app.types import Annotation, Sample

SEEN = {0: "absent", 1: "hidden", 2: "visible"}  # COCO's keypoint flags
FLAGS = {word: flag for flag, word in SEEN.items()}


def read(path: Path, options: Options = PLAIN) -> Iterator[Row]:
    """A COCO file, or a folder or zip with COCO files; one sample per picture. Raises Unreadable, Unclear."""
    path = Path(path)
    with reading.opened(path, options) as (place, left_out):
        yield from left_out
        found = [place] if place.is_file() else [file for file in reading.files(place, ".json") if _looks(file)]
        if not found:
            raise Unreadable(f"{path.name} holds no COCO file (a .json with images, annotations and categories)")
        for file in found:
            prefix = f"{reading.shown(file, place)}: " if len(found) > 1 else ""
            yield from _file(file, options, prefix)


def _file(file: Path, options: Options, prefix: str) -> Iterator[Row]:
    with ExitStack() as stack:
        rows = stack.enter_context(reading.index(options))
        try:
            content = _Content(file, rows)
        except reading.Broken as problem:
            yield Refused(f"{prefix}the file", f"{problem}. Nothing of it was kept: any picture may have had objects "
                                               "in what is missing")
            return
        for row in content.problems:
            yield replace(row, row=prefix + row.row)
        told = (replace(row, row=prefix + row.row) for row in content.told())
        pictures = Pictures(file.parent, options)
        yield from judged(told, pictures, options, source=file.name, names=content.names())


class _Content:
    """What a file says, sorted by picture."""

    def __init__(self, file: Path, rows):
        self._rows, self.problems, self.categories = rows, [], {}
        self._outlines, self._split = 0, _split_of(file)
        rows.execute("CREATE TABLE image (place INTEGER PRIMARY KEY, id TEXT, told TEXT)")
        rows.execute("CREATE TABLE annotation (image TEXT, told TEXT)")
        keys = set()
        for key, number, value in reading.elements(file):
            keys.add(key)
            if number and key in _TAKE:
                _TAKE[key](self, number, value)
        if "images" not in keys:
            raise Unreadable(f"{file.name} is no COCO file: it has no images"
                             + (f", but {', '.join(sorted(filter(None, keys)))[:200]}" if any(keys) else ""))
        rows.execute("CREATE INDEX by_image ON annotation (image)")
        rows.execute("CREATE INDEX by_id ON image (id)")
        self._keypoints = any(category.get("keypoints") for category in self.categories.values())
        if self._outlines:
            self.problems.append(Repaired("the file", f"the outlines of {self._outlines:,} objects were left out: "
                                                      "boxes, areas and points are kept"))
        self._own_lines()
        self._strays()

    def names(self) -> list[str]:
        return [category["name"] for category in self.categories.values()]

    def told(self) -> Iterator[Told | Refused]:
        twice = {id for id, in self._rows.execute("SELECT id FROM image GROUP BY id HAVING COUNT(DISTINCT told) > 1")}
        seen = set()
        for place, id, text in self._rows.execute("SELECT place, id, told FROM image ORDER BY place"):
            image = json.loads(text)
            row = f"picture {place} ({str(image.get('file_name') or id)[:100]})"
            if id in twice:
                yield Refused(row, f"has the id {id}, and so has another picture: whose objects are whose?")
            elif id in seen:
                yield Repaired(row, f"is the same as another picture with the id {id}; it was kept once")
            else:
                seen.add(id)
                yield self._row(row, id, image)

    def _row(self, row: str, id: str, image: dict) -> Told | Refused:
        things, repairs, seen = [], [], Counter()
        for text, in self._rows.execute("SELECT told FROM annotation WHERE image = ? ORDER BY rowid", (id,)):
            seen[text] += 1
            if seen[text] > 1 and json.loads(text).get("id") is not None:
                repairs.append(f"the object {json.loads(text)['id']} was there twice and was kept once")
                continue
            thing = self._thing(json.loads(text), repairs)
            if isinstance(thing, str):
                return Refused(row, thing)
            things.append(thing)
        names = self._joints() if self._keypoints else None
        task = "keypoints" if self._keypoints else "detect"
        size = (image.get("width"), image.get("height"))
        sized = all(type(value) in (int, float) and value > 0 for value in size)
        name = image.get("file_name") or str(image.get("coco_url") or "").rpartition("/")[2]
        return Told(row, (name,), task, "; ".join(names) if names else None, tuple(things), (size if sized else None,),
                    split_of(image.get("split")) or self._split, urls=(str(image.get("coco_url") or ""),),
                    repairs=tuple(repairs))

    def _joints(self) -> list[str]:
        return list(dict.fromkeys(str(name) for c in self.categories.values() for name in c.get("keypoints") or ()))

    def _thing(self, told: dict, repairs: list[str]) -> Thing | str:
        category = self.categories.get(json.dumps(told.get("category_id")))
        if category is None:
            return (f"has an object of the class {told.get('category_id')!r}, and the file knows no such class; "
                    "add it to its categories")
        place = told.get("bbox")
        points = self._points(told.get("keypoints"), category)
        if isinstance(points, str):
            return points
        if (place is None or place == []) and told.get("outline"):
            place = told["outline"]
            repairs.append(f"the box of a {category['name']!r} was taken from its outline")
        if (place is None or place == []) and not points:
            return f"has an object of {category['name']!r} without a box"
        return Thing(category["name"], place or None, "xywh", points, told.get("iscrowd") in (1, True),
                     told.get("area"), told.get("score"))

    def _points(self, told: object, category: dict) -> tuple | str:
        if not told:
            return ()
        if not isinstance(told, list) or len(told) % 3 or not all(type(v) in (int, float) for v in told):
            return f"has a {category['name']!r} whose keypoints are not triples of numbers"
        names = category.get("keypoints") or [f"point {i + 1}" for i in range(len(told) // 3)]
        if len(names) != len(told) // 3:
            return f"has a {category['name']!r} with {len(told) // 3} keypoints, and its class has {len(names)}"
        return tuple((str(name), x, y, SEEN.get(v, f"flag {v}")) for name, x, y, v in
                     zip(names, told[0::3], told[1::3], told[2::3]))

    def _own_lines(self) -> None:
        """Lines between joints that nobody could draw again from the names."""
        for category in self.categories.values():
            names, own = category.get("keypoints"), category.get("skeleton")
            if isinstance(names, list) and isinstance(own, list) and own:
                ours = {frozenset(line) for line in lines([str(name) for name in names])}
                theirs = {frozenset(str(names[place - 1]) for place in line if type(place) is int
                                    and 0 < place <= len(names)) for line in own if isinstance(line, list)}
                if theirs - ours:
                    self.problems.append(Repaired(
                        "the file", f"{len(theirs - ours)} lines between the joints of {category['name']!r} were left "
                                    "out: a sample has joints"))

    def _strays(self) -> None:
        strays = self._rows.execute("SELECT image, COUNT(*) FROM annotation WHERE image NOT IN (SELECT id FROM image) "
                                    "GROUP BY image ORDER BY image").fetchall()
        for id, count in strays:
            self.problems.append(Refused(f"image_id {id}", f"has {count} objects, and no picture has this id"))

    def _image(self, number: int, told: object) -> None:
        if not isinstance(told, dict) or "id" not in told:
            self.problems.append(Refused(f"images[{number}]", "has no id"))
            return
        self._rows.execute("INSERT INTO image VALUES (?, ?, ?)", (number, json.dumps(told["id"]), json.dumps(told)))

    def _annotation(self, number: int, told: object) -> None:
        if not isinstance(told, dict) or "image_id" not in told:
            self.problems.append(Refused(f"annotations[{number}]", "names no picture"))
            return
        kept = {key: told[key] for key in ("id", "category_id", "bbox", "area", "iscrowd", "keypoints", "score")
                if key in told}
        if told.get("segmentation"):
            self._outlines += 1
            if not told.get("bbox") and (box := _around(told["segmentation"])):
                kept["outline"] = box
        self._rows.execute("INSERT INTO annotation VALUES (?, ?)", (json.dumps(told["image_id"]), json.dumps(kept)))

    def _category(self, number: int, told: object) -> None:
        if not isinstance(told, dict) or not isinstance(told.get("name"), str) or "id" not in told:
            self.problems.append(Refused(f"categories[{number}]", "has no id, or no name"))
            return
        key = json.dumps(told["id"])
        if key in self.categories and self.categories[key] != told:
            self.problems.append(Repaired(f"categories[{number}]",
                                          f"has the id {key}, as {self.categories[key]['name']!r} has; that one holds"))
        self.categories.setdefault(key, told)


_TAKE = {"images": _Content._image, "annotations": _Content._annotation, "categories": _Content._category}


def _looks(file: Path) -> bool:
    """Whether a JSON file is an object with COCO's keys; only its start is read."""
    with file.open(encoding="utf-8-sig", errors="replace") as opened:
        start = opened.read(1 << 16).lstrip()
    return start.startswith("{") and any(f'"{key}"' in start for key in ("images", "annotations", "categories"))


def _split_of(file: Path) -> str | None:
    """`instances_val2017.json` says it in its name, `valid/_annotations.coco.json` in its folder's."""
    words = file.stem.replace("-", "_").replace(".", "_").split("_")
    return next((split for word in (*reversed(words), file.parent.name) if (split := split_of(word))), None)


def lines(names: Sequence[str]) -> tuple[tuple[str, str], ...]:
    """The lines between joints of these names, if they are those of a figure that we know: a sample has names only."""
    known_lines = ([line for line in each.lines if set(line) <= set(names)] for each in SKELETONS)
    return tuple(max(known_lines, key=len))


def _around(outline: object) -> list[float] | None:
    values = [v for part in outline if isinstance(part, list) for v in part] if isinstance(outline, list) else []
    if len(values) < 6 or not all(type(value) in (int, float) for value in values):
        return None
    x, y = values[0::2], values[1::2]
    return [min(x), min(y), max(x) - min(x), max(y) - min(y)]


def write(samples: Iterable[Sample], out: Path) -> list[str]:
    """`annotations.json` and `images/`. Several samples of one picture become one picture with the objects of all."""
    lost = Lost()
    folder = Folder(out, lost)
    images: dict[str, dict] = {}
    categories: dict[str, dict] = {}
    asked: set[frozenset[str]] = set()
    with reading.index(Options(scratch=out)) as rows:
        rows.execute("CREATE TABLE annotation (id INTEGER PRIMARY KEY, told TEXT)")
        written: dict[str, set] = {}
        for sample in known(samples, ("detect", "keypoints"), lost):
            image, = sample.images
            name = folder.place(image)
            if sample.task == "detect":
                asked.add(frozenset(names_of(sample)))
            if name not in images:
                images[name] = {"id": len(images) + 1, "file_name": name.removeprefix("images/"),
                                "width": image.size[0], "height": image.size[1],
                                **({"split": image.split} if image.split else {})}
            for label in names_of(sample):
                categories.setdefault(label, {"id": len(categories) + 1, "name": label})
            before, own = written.setdefault(name, set()), set()
            for annotation in sample.truth:
                if annotation.box is None and not annotation.points:
                    lost.add("objects without a box")
                    continue
                if told_apart(annotation) in before:
                    continue  # another sample of this picture has said so
                own.add(told_apart(annotation))
                told = _written(annotation, categories[annotation.label], sample, lost)
                rows.execute("INSERT INTO annotation (told) VALUES (?)",
                             (json.dumps(told | {"image_id": images[name]["id"]}),))
            before |= own
        _join(out / "annotations.json", images, categories, rows)
    for category in categories.values():
        if category.get("keypoints") and not category["skeleton"]:
            lost.add("classes whose joints have no lines between them that we know")
    if len(asked) > 1:
        lost.add("different sets of classes that were looked for: the file has one for all pictures", len(asked))
    return lost.sentences()


def _written(annotation: Annotation, category: dict, sample: Sample, lost: Lost) -> dict:
    lost.unsaid(annotation, carried=("crowd", "area", "points", "box", "visibility", "score"))
    told: dict = {"category_id": category["id"], "iscrowd": int(annotation.crowd)}
    if annotation.box:
        x1, y1, x2, y2 = annotation.box
        told["bbox"] = rounded((x1, y1, x2 - x1, y2 - y1), 3)
        told["area"] = annotation.area if annotation.area is not None else round((x2 - x1) * (y2 - y1), 3)
    if annotation.score is not None:
        told["score"] = annotation.score
    if annotation.points:
        asked = [" ".join(name.split()) for name in sample.query.split(";") if name.strip()]
        names = category.setdefault("keypoints", list(dict.fromkeys((*asked, *(p.name for p in annotation.points)))))
        category["skeleton"] = [[names.index(a) + 1, names.index(b) + 1] for a, b in lines(names)]
        points = {point.name: point for point in annotation.points}
        for name in points.keys() - set(names):
            lost.add(f"points that are no joint of the first {category['name']!r}")
            del points[name]
        told["keypoints"] = [value for name in names for value in (
            (*rounded((points[name].x, points[name].y), 3), FLAGS[points[name].visibility])
            if name in points else (0, 0, 0))]
        told["num_keypoints"] = sum(flag > 0 for flag in told["keypoints"][2::3])
    return told


def _join(file: Path, images: dict, categories: dict, rows) -> None:
    with file.open("w", encoding="utf-8") as target:
        target.write('{"images": ')
        json.dump(list(images.values()), target, ensure_ascii=False)
        target.write(',\n"annotations": [')
        for number, (id, told) in enumerate(rows.execute("SELECT id, told FROM annotation ORDER BY id")):
            target.write((",\n" if number else "\n") + json.dumps({"id": id, **json.loads(told)}, ensure_ascii=False))
        target.write('\n],\n"categories": ')
        json.dump(list(categories.values()), target, ensure_ascii=False)
        target.write("}\n")


FORMAT = Format("coco", "COCO", "a .json with images, annotations and categories; the pictures beside it or in "
                "images/. Boxes, crowds, keypoints", read, write, aliases=("ms-coco",))
