"""YOLO (Ultralytics): a text file per picture, `class cx cy w h` in parts of the picture, and a data.yaml.

    images/train/a.jpg   labels/train/a.txt: 0 0.5 0.5 0.25 0.4        names: {0: cat}
    with kpt_shape [17, 3] each line goes on with x y v of every joint; v is 0 absent, 1 hidden, 2 visible

A picture without a text file has nothing on it: that is how the format says so, and the report repeats it.
"""
from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from app.formats import reading
from app.formats.base import PLAIN, Format, Odd, Options, Refused, Row, Thing, Told, Unreadable, split_of
from app.formats.coco import FLAGS, SEEN
from app.formats.finding import Pictures, pictures_in
from app.formats.judging import common_query, judged
from app.formats.writing import Folder, Lost, known, names_of
from app.skeletons import PERSON
from app.types import Annotation, Sample

LARGEST_LABELS = 10 * 1024**2  # bytes of one picture's text file
MOST_CLASSES = 100_000
SHARES = ("train", "val", "test")


@dataclass(frozen=True)
class _Set:
    """What a data.yaml says. `joints` are named where it names them; `dims` is 2 or 3 numbers per joint."""
    names: dict[int, str]
    joints: tuple[str, ...] = ()
    dims: int = 0


def read(path: Path, options: Options = PLAIN) -> Iterator[Row]:
    """A data.yaml, or a folder or zip with one (or with classes.txt). Raises Unreadable."""
    path = Path(path)
    with reading.opened(path, options) as (place, left_out):
        yield from left_out
        file = place if place.is_file() else _described(place, path.name)
        folder = file.parent
        said, shares = _yaml(file) if file.suffix.lower() in (".yaml", ".yml") else (_classes(file), {})
        pictures = Pictures(folder, options, beside=tuple(_roots(folder, shares)))
        told = _rows(folder, said, shares)
        yield from judged(told, pictures, options, source=file.name, names=list(said.names.values()))


def _described(folder: Path, name: str) -> Path:
    found = reading.files(folder, ".yaml", ".yml")
    found = [file for file in found if "names" in reading.text_of(file)]
    found.sort(key=lambda file: (file.name != "data.yaml", len(file.parts)))
    found += [file for file in reading.files(folder, ".txt", ".names") if file.name in ("classes.txt", "obj.names")]
    if not found:
        raise Unreadable(f"{name} holds no data.yaml that names the classes")
    return found[0]


def _yaml(file: Path) -> tuple[_Set, dict[str, list[str]]]:
    import yaml  # takes a while to import
    try:
        told = yaml.safe_load(reading.text_of(file, 1 << 20))
    except (yaml.YAMLError, RecursionError) as problem:
        raise Unreadable(f"{file.name} is no readable YAML ({str(problem)[:150]})") from problem
    if not isinstance(told, dict):
        raise Unreadable(f"{file.name} is no data.yaml: it should have names, train and val")
    names = told.get("names")
    if isinstance(names, list):
        names = dict(enumerate(names))
    if not isinstance(names, dict) or not names or len(names) > MOST_CLASSES:
        raise Unreadable(f"{file.name} names no classes; it should have `names: {{0: cat, 1: dog}}`")
    try:
        names = {int(number): str(name) for number, name in names.items() if not isinstance(name, list | dict)}
    except (TypeError, ValueError) as problem:
        raise Unreadable(f"{file.name} has classes whose numbers are no numbers") from problem
    shares, base = {}, str(told.get("path") or "")
    for share in SHARES:
        said = told.get(share)
        for one in said if isinstance(said, list) else [said]:
            if isinstance(one, str) and one.strip():
                shares.setdefault(share, []).append(f"{base}|{one}")
    return _Set(names, *_joints(told, file)), shares


def _joints(told: dict, file: Path) -> tuple[tuple[str, ...], int]:
    shape = told.get("kpt_shape")
    if shape is None:
        return (), 0
    if not (isinstance(shape, list) and len(shape) == 2 and all(type(n) is int for n in shape) and shape[1] in (2, 3)
            and 0 < shape[0] <= 1_000):
        raise Unreadable(f"{file.name} has kpt_shape {str(shape)[:40]}; it should be [joints, 2 or 3]")
    names = told.get("kpt_names")
    if isinstance(names, dict):
        names = names.get(0, next(iter(names.values()), None))
    if not (isinstance(names, list) and len(names) == shape[0]):
        names = PERSON.names if shape[0] == len(PERSON.names) else [f"point {i + 1}" for i in range(shape[0])]
    return tuple(map(str, names)), shape[1]


def _classes(file: Path) -> _Set:
    names = [line.strip() for line in reading.text_of(file, 1 << 20).splitlines()]
    while names and not names[-1]:
        names.pop()
    if not any(names):
        raise Unreadable(f"{file.name} names no classes")
    return _Set(dict(enumerate(names)))


def _base(folder: Path, said: str) -> Path:
    """Where a `train:` leads. Ultralytics looks from `path`; people move folders and leave old paths behind."""
    base, _, one = said.partition("|")
    tries = [folder / base / one, folder / one, folder / Path(base).name / one]
    tries += [folder / one.removeprefix("../"), folder / "/".join(Path(one).parts[-2:]), folder / Path(one).name]
    root = (folder.parent if folder.parent != folder.parent.parent else folder).resolve()
    for path in tries:
        with suppress(OSError, ValueError):
            if path.exists() and path.resolve().is_relative_to(root):
                return path
    raise Unreadable(f"data.yaml says {one[:200]}, and there is no such folder beside it")


def _roots(folder: Path, shares: dict[str, list[str]]) -> Iterator[Path]:
    for said in (one for share in shares.values() for one in share):
        path = _base(folder, said)
        if path.is_dir():
            yield path


def _rows(folder: Path, said: _Set, shares: dict[str, list[str]]) -> Iterator[Told | Refused]:
    """Every picture of every share. One that is in two shares belongs to none."""
    of: dict[Path, str | None] = {}
    for share, places in shares.items():
        for place in places:
            for picture in _pictures(_base(folder, place), folder):
                known = of.setdefault(picture, split_of(share))
                if known != split_of(share):
                    of[picture] = None
    if not shares:
        of = {picture: split_of(next((part for part in reversed(picture.parent.parts) if split_of(part)), ""))
              for picture in pictures_in(folder)}
    for picture, split in of.items():
        yield _row(picture, folder, said, split)


def _pictures(place: Path, folder: Path) -> Iterator[Path]:
    if place.is_dir():
        yield from pictures_in(place)
        return
    for line in reading.text_of(place, 1 << 28).splitlines():  # a list of pictures
        if line.strip():
            path = Path(line.strip())
            yield next((each for each in (place.parent / path, folder / path, folder / "/".join(path.parts[-3:]))
                        if each.is_file()), folder / path.name)


def _row(picture: Path, folder: Path, said: _Set, split: str | None) -> Told | Refused:
    row = reading.shown(picture, folder)
    labels = _labels(picture)
    if labels is None:
        return Told(row, (picture,), *_asked(said), (), split=split,
                    repairs=("has no text file, which in YOLO says that nothing is there",))
    things, repairs = [], []
    if labels.stat().st_size > LARGEST_LABELS:
        return Refused(row, f"has labels of {labels.stat().st_size / 1024**2:.0f} MB")
    for number, line in enumerate(reading.text_of(labels).splitlines(), 1):
        if line.strip():
            try:
                things.append(_thing(line.split(), said, repairs))
            except Odd as problem:
                return Refused(row, f"line {number} of {labels.name} {problem}")
    return Told(row, (picture,), *_asked(said), tuple(things), split=split, repairs=tuple(dict.fromkeys(repairs)))


def _asked(said: _Set) -> tuple[str, str | None]:
    return ("keypoints", common_query(said.joints)) if said.joints else ("detect", None)


def _labels(picture: Path) -> Path | None:
    """`…/images/train/a.jpg` → `…/labels/train/a.txt`, or the text file beside the picture."""
    parts = list(picture.parts)
    for i in range(len(parts) - 2, -1, -1):
        if parts[i] in ("images", "JPEGImages", "img", "imgs"):
            path = Path(*parts[:i], "labels", *parts[i + 1:]).with_suffix(".txt")
            if path.is_file() and not path.is_symlink():
                return path
    for path in (picture.with_suffix(".txt"), picture.parent.parent / "labels" / f"{picture.stem}.txt"):
        if path.is_file() and not path.is_symlink():
            return path
    return None


def _thing(words: list[str], said: _Set, repairs: list[str]) -> Thing:
    """Raises Odd."""
    try:
        numbers = [float(word) for word in words]
    except ValueError:
        raise Odd(f"is not made of numbers ({' '.join(words)[:60]})") from None
    if numbers[0] not in said.names:
        raise Odd(f"has the class {words[0]}, and there are {len(said.names)} classes, from "
                         f"{min(said.names)} to {max(said.names)}")
    label, rest = said.names[int(numbers[0])], numbers[1:]
    joints = len(said.joints) * said.dims
    if len(rest) == 4 + joints + 1 and not joints:
        return Thing(label, rest[:4], "middle", score=rest[4])  # as a detector writes its findings
    if len(rest) == 4 + joints:
        return Thing(label, rest[:4], "middle", _points(rest[4:], said))
    if not joints and len(rest) >= 6 and len(rest) % 2 == 0:
        repairs.append("outlines became the boxes around them")
        x, y = rest[0::2], rest[1::2]
        return Thing(label, [min(x), min(y), max(x), max(y)], "unit")
    raise Odd(f"has {len(rest)} numbers after its class, and should have {4 + joints}")


def _points(numbers: list[float], said: _Set) -> tuple:
    points = []
    for name, start in zip(said.joints, range(0, len(numbers), said.dims or 1)):
        x, y = numbers[start:start + 2]
        flag = numbers[start + 2] if said.dims == 3 else 2 if x or y else 0
        points.append((name, x, y, SEEN.get(int(flag), f"flag {flag:g}")))
    return tuple(points)


def write(samples: Iterable[Sample], out: Path) -> list[str]:
    """`data.yaml`, `images/SHARE/` and `labels/SHARE/`. Pose where any sample asks for joints."""
    lost = Lost()
    folder = Folder(out, lost)
    with reading.index(Options(scratch=out)) as rows:
        rows.execute("CREATE TABLE line (picture TEXT, told TEXT, UNIQUE (picture, told))")
        classes: dict[str, int] = {}
        joints: tuple[str, ...] = ()
        asked, images = set(), {}
        for sample in known(samples, ("detect", "keypoints"), lost):
            image, = sample.images
            share = image.split or "train"
            if image.split is None:
                lost.add("pictures that belong to no split: they stand in train")
            name = images[folder.place(image, f"{share}/")] = folder.place(image, f"{share}/")
            if sample.task == "detect":
                asked.add(frozenset(names_of(sample)))
            for label in names_of(sample):
                classes.setdefault(label, len(classes))
            if sample.task == "keypoints":
                own = tuple(" ".join(joint.split()) for joint in sample.query.split(";") if joint.strip())
                joints = joints or own
                if own != joints:
                    lost.add("samples that ask for other joints than the first")
                    continue
            for annotation in sample.truth:
                line = _line(annotation, classes[annotation.label], image.size, joints, lost)
                if line:
                    rows.execute("INSERT OR IGNORE INTO line VALUES (?, ?)", (name, line))
        for name in images:
            target = out / "labels" / Path(name.removeprefix("images/")).with_suffix(".txt")
            target.parent.mkdir(parents=True, exist_ok=True)
            found = rows.execute("SELECT told FROM line WHERE picture = ? ORDER BY rowid", (name,))
            width = 5 + 3 * len(joints)
            lines = [line + " 0" * (width - len(line.split())) for line, in found]
            target.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
    if len(asked) > 1:
        lost.add("different sets of classes that were looked for: the file has one for all pictures", len(asked))
    _describe(out / "data.yaml", classes, joints)
    return lost.sentences()


def _line(annotation: Annotation, number: int, size: tuple[int, int], joints: tuple[str, ...],
          lost: Lost) -> str | None:
    lost.unsaid(annotation, carried=("box", "points", "visibility") if joints else ("box",))
    if annotation.box is None:
        lost.add("objects without a box")
        return None
    (x1, y1, x2, y2), (width, height) = annotation.box, size
    values = ((x1 + x2) / 2 / width, (y1 + y2) / 2 / height, (x2 - x1) / width, (y2 - y1) / height)
    told = [str(number), *(f"{value:.8g}" for value in values)]
    points = {point.name: point for point in annotation.points}
    for joint in joints if points else ():
        point = points.get(joint)
        told += (f"{point.x / width:.8g}", f"{point.y / height:.8g}", str(FLAGS[point.visibility])) if point else "000"
    return " ".join(told)


def _describe(file: Path, classes: dict[str, int], joints: tuple[str, ...]) -> None:
    import yaml
    told: dict = {"path": "."}
    for share in ("train", "val"):  # both have to be there, though one may be empty
        told[share] = f"images/{share}"
        (file.parent / told[share]).mkdir(parents=True, exist_ok=True)
    told["names"] = {number: label for label, number in classes.items()}
    if joints:
        mirrored = [joints.index(_mirrored(joint, joints)) for joint in joints]
        told |= {"kpt_shape": [len(joints), 3], "flip_idx": mirrored, "kpt_names": {0: list(joints)}}
    file.write_text(yaml.safe_dump(told, allow_unicode=True, sort_keys=False), encoding="utf-8")


def _mirrored(joint: str, joints: tuple[str, ...]) -> str:
    """Which joint it is when the picture is turned over: the left eye is where the right one was."""
    for side, other in (("left", "right"), ("right", "left")):
        if side in joint and (swapped := joint.replace(side, other)) in joints:
            return swapped
    return joint


FORMAT = Format("yolo", "YOLO", "a data.yaml with images/ and labels/, one text file per picture. Boxes, and joints "
                "where it has a kpt_shape", read, write, aliases=("ultralytics", "yolov8", "yolo11"))
