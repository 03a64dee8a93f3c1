"""Pascal VOC: an XML file per picture, boxes in pixels as xmin, ymin, xmax, ymax.

    <annotation><filename>a.jpg</filename><size><width>640</width>…</size>
      <object><name>cat</name><bndbox><xmin>10</xmin><ymin>20</ymin><xmax>40</xmax><ymax>60</ymax></bndbox></object>

Numbers are taken as they stand: the first pixel is 1 in the original devkit and 0 in most tools since, and no file
says which. A document type or an entity has no place in such a file, and is refused unread.
"""
from __future__ import annotations

import re
import xml.etree.ElementTree as ElementTree
from collections.abc import Iterable, Iterator
from pathlib import Path

from app.formats import reading
from app.formats.base import PLAIN, Format, Odd, Options, Refused, Row, Thing, Told, Unreadable, split_of
from app.formats.finding import Pictures
from app.formats.judging import judged
from app.formats.writing import Folder, Lost, known, names_of, rounded, told_apart
from app.types import Sample

LARGEST = 10 * 1024**2  # bytes of one picture's file
CORNERS = ("xmin", "ymin", "xmax", "ymax")
NAME = re.compile(r"<name>\s*([^<]*?)\s*</name>")


def read(path: Path, options: Options = PLAIN) -> Iterator[Row]:
    """A folder or zip with XML files, and with the pictures in it or beside it; or one XML. Raises Unreadable."""
    path = Path(path)
    with reading.opened(path, options) as (place, left_out):
        yield from left_out
        files = [place] if place.is_file() else reading.files(place, ".xml")
        folder = place.parent if place.is_file() else place
        if not files:
            raise Unreadable(f"{path.name} holds no XML files")
        names: dict[str, None] = {}
        for file in files:
            names |= dict.fromkeys(_names(file))
        beside = tuple({file.parent.parent / name for file in files for name in ("images", "JPEGImages")}
                       if folder in files[0].parents else ())
        pictures = Pictures(folder, options, beside=tuple(sorted(each for each in beside if each.is_dir())))
        shares = _shares(folder)
        told = (_row(file, folder, shares) for file in files)
        yield from judged(told, pictures, options, source=path.name, names=list(names))


def _names(file: Path) -> list[str]:
    """The classes of a file, without understanding it: a first look at all of them, in which none may fail."""
    if file.stat().st_size > LARGEST:
        return []
    text = file.read_bytes().decode("utf-8", errors="replace")
    if "&" in text:
        from xml.sax.saxutils import unescape
        return [unescape(name, {"&quot;": '"', "&apos;": "'"}) for name in NAME.findall(text)]
    return NAME.findall(text) if "<object" in text else []


def _shares(folder: Path) -> dict[str, str | None]:
    """`ImageSets/Main/train.txt` and its neighbours: which picture is in which share."""
    shares: dict[str, str | None] = {}
    for file in reading.files(folder, ".txt"):
        if file.parent.parent.name == "ImageSets" and file.stem in ("train", "val", "test"):
            for line in reading.text_of(file, 1 << 28).splitlines():
                if line.split():
                    name, split = line.split()[0], split_of(file.stem)
                    shares[name] = split if shares.get(name, split) == split else None
    return shares


def _row(file: Path, folder: Path, shares: dict[str, str | None]) -> Told | Refused:
    row = reading.shown(file, folder)
    if file.stat().st_size > LARGEST:
        return Refused(row, f"has {file.stat().st_size / 1024**2:.0f} MB; one picture's file has a few kB")
    content = file.read_bytes()
    if not content.strip():
        return Refused(row, "is empty: it was not written to its end")
    if b"<!DOCTYPE" in content or b"<!ENTITY" in content:
        return Refused(row, "holds a document type or entities, which no such file needs")
    try:
        root = ElementTree.fromstring(content)
    except (ElementTree.ParseError, ValueError, LookupError, RecursionError) as problem:
        return Refused(row, f"is no readable XML ({str(problem)[:120]})")
    if root.tag != "annotation":
        return Refused(row, f"is no annotation of Pascal VOC: it begins with <{root.tag[:40]}>")
    try:
        things = tuple(_thing(each) for each in root.iter("object"))
    except Odd as problem:
        return Refused(row, str(problem))
    split = shares.get(file.stem) or split_of(next((part for part in reversed(file.relative_to(folder).parts[:-1])
                                                    if split_of(part)), ""))
    name = (root.findtext("filename") or "").strip()
    return Told(row, (_picture(name, file),), "detect", None, things, (_size(root),), split)


def _picture(name: str, file: Path) -> str:
    """The name that the file gives; its own where it gives none, or one without an ending."""
    if not name:
        return file.stem
    return name if "." in name else f"{file.stem}" if name != file.stem else name


def _size(root: ElementTree.Element) -> tuple[float, float] | None:
    try:
        size = float(root.findtext("size/width") or 0), float(root.findtext("size/height") or 0)
    except ValueError:
        return None
    return size if min(size) > 0 else None  # some tools write 0


def _thing(told: ElementTree.Element) -> Thing:
    label = (told.findtext("name") or "").strip()
    box = told.find("bndbox")
    if box is None:
        raise Odd(f"has an object {label!r} without a bndbox")
    words = [(box.findtext(corner) or "").strip() for corner in CORNERS]
    try:
        return Thing(label, [float(word) for word in words])
    except ValueError:
        raise Odd(f"has a box of {label!r} that is not four numbers ({', '.join(words)[:60]})") from None


def write(samples: Iterable[Sample], out: Path) -> list[str]:
    """`annotations/NAME.xml`, `images/NAME` and `ImageSets/Main/`. Samples of one picture share its file."""
    lost = Lost()
    folder = Folder(out, lost)
    (out / "annotations").mkdir()
    asked, shares = set(), {}
    written: dict[str, set[int]] = {}
    for sample in known(samples, ("detect", "keypoints"), lost):
        image, = sample.images
        name = folder.place(image)
        if sample.task == "detect":
            asked.add(frozenset(names_of(sample)))
        file = out / "annotations" / Path(name).with_suffix(".xml").name
        if name not in written:
            shares.setdefault(image.split, []).append(file.stem)
            file.write_text(HEAD.format(name=_escaped(Path(name).name), width=image.size[0], height=image.size[1]),
                            encoding="utf-8")
        before, own = written.setdefault(name, set()), set()
        with file.open("a", encoding="utf-8") as target:
            for annotation in sample.truth:
                lost.unsaid(annotation, carried=("box",))
                if annotation.box is None:
                    lost.add("objects without a box")
                elif told_apart(annotation) not in before:
                    own.add(told_apart(annotation))
                    corners = "".join(f"<{corner}>{value}</{corner}>" for corner, value in
                                      zip(CORNERS, rounded(annotation.box)))
                    target.write(OBJECT.format(label=_escaped(annotation.label), corners=corners))
        before |= own
    for name in written:
        with (out / "annotations" / Path(name).with_suffix(".xml").name).open("a", encoding="utf-8") as target:
            target.write("</annotation>\n")
    for split, names in shares.items():
        if split:
            target = out / "ImageSets" / "Main" / f"{split}.txt"
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_text("".join(f"{name}\n" for name in names), encoding="utf-8")
    if len(asked) > 1:
        lost.add("different sets of classes that were looked for: no file says them", len(asked))
    return lost.sentences()


HEAD = """<annotation>
  <folder>images</folder>
  <filename>{name}</filename>
  <size><width>{width}</width><height>{height}</height><depth>3</depth></size>
  <segmented>0</segmented>
"""
OBJECT = """  <object>
    <name>{label}</name><pose>Unspecified</pose><truncated>0</truncated><difficult>0</difficult>
    <bndbox>{corners}</bndbox>
  </object>
"""


def _escaped(text: str) -> str:
    from xml.sax.saxutils import escape
    return escape(text)


FORMAT = Format("voc", "Pascal VOC", "a folder (or zip) of .xml files in annotations/ and pictures in images/. Boxes",
                read, write, aliases=("pascal-voc", "pascal"))
