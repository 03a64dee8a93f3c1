"""Several pictures at once: files, zips and lists of captions become pictures with questions; nothing else is lost.

    taken = take([(Path("/tmp/1"), "cats.zip"), (Path("/tmp/2"), "captions.csv")], scratch)
    taken.taken[0].image.name, taken.taken[0].query
    taken.problems          # a sentence for each file or row that could not be used

A damaged picture costs itself, a bad row its own question. Pictures are decoded one at a time and let go.
"""
from __future__ import annotations

import uuid
from collections import defaultdict
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from app import pictures
from app.intake import archive, lists, truth
from app.intake.archive import ZipRefused
from app.intake.lists import ListRefused, Row
from app.intake.names import Names, apart, cleaned, folded, junk, listed, suffix
from app.intake.truth import TruthRefused
from app.types import Annotation, Image, Sample

MOST_PICTURES = 500  # on one desk
LARGEST_FILE = 100 * 1024**2  # bytes
LARGEST_TOTAL = 2 * 1024**3  # bytes of all pictures of one intake
MOST_SENTENCES = 100
LONGEST_SENTENCE = 400  # characters; names in it can be long
PICTURES = {".png", ".jpg", ".jpeg", ".jfif", ".mpo", ".webp", ".gif", ".bmp", ".tif", ".tiff", ".heic", ".heif",
            ".avif", ".jp2", ".j2k", ".ppm", ".pgm", ".pbm", ".pnm", ".ico", ".tga"}
DRAWINGS = {".svg", ".eps", ".pdf", ".psd"}  # refused, with a sentence that says why


@dataclass(frozen=True)
class Asked:
    """What a list says about a picture. An empty query is the common one."""
    query: str = ""
    task: str | None = None
    truth: tuple[Annotation, ...] | None = None
    source: str = ""  # the list


@dataclass(frozen=True)
class Taken:
    """A picture with its own question, if it has one. `image.name` is unlike all others of the intake."""
    image: Image
    query: str = ""
    task: str | None = None
    truth: tuple[Annotation, ...] | None = None
    source: str = ""

    def sample(self, task: str, question: str) -> Sample:
        """As a sample; `task` and `question` stand for what it does not bring itself."""
        return Sample(uuid.uuid4().hex, (self.image,), self.task or task, self.query or question.strip(), self.truth,
                      source=self.source)


@dataclass(frozen=True)
class Intake:
    """`known` is what the lists say about pictures that were there before, by their name."""
    taken: tuple[Taken, ...]
    problems: tuple[str, ...]
    known: Mapping[str, Asked] = field(default_factory=dict)


@dataclass(frozen=True)
class _File:
    path: Path
    name: str
    origin: str = ""  # the zip that it came from: a list in a zip speaks of the pictures in that zip first


@dataclass(frozen=True)
class _Picture:
    """An opened picture and where it came from. Of equal ones only the first is kept, under every name it had."""
    image: Image
    origin: str
    names: tuple[str, ...]


def take(files: Sequence[tuple[Path, str]], scratch: Path, known: Sequence[str] = (), *, seen: Collection[str] = (),
         look: Callable[[Image], object] = pictures.pixels) -> Intake:
    """(path, name as the person knows it) → pictures with questions. Zips are unpacked under `scratch`.

    `known` are the names and `seen` the sha256 of pictures that are there already. `look` decodes a picture and raises
    PictureError for a damaged one; the page gives its own, which keeps a thumbnail.
    """
    problems: list[str] = []
    found = _unpacked(files, scratch, problems)
    rows = [(file, row) for file in found if suffix(file.name) in lists.LISTS for row in _rows(file, problems)]
    opened = _opened([file for file in found if suffix(file.name) not in lists.LISTS], known, seen, look, problems)
    own, told = _matched(rows, opened, known, problems)
    taken = _taken(opened, own, known, problems)
    return Intake(taken, _few(problems), told)


def _unpacked(files: Sequence[tuple[Path, str]], scratch: Path, problems: list[str]) -> list[_File]:
    """Zips replaced by what they hold; what nobody means is left out in silence."""
    found = []
    for path, name in ((Path(path), cleaned(name)) for path, name in files):
        if junk(name):
            continue
        if suffix(name) == ".zip":
            try:
                inside, wrong = archive.unpacked(path, name, scratch, PICTURES | DRAWINGS | lists.LISTS)
            except ZipRefused as problem:
                problems.append(str(problem))
            else:
                found += [_File(at, called, name) for at, called in inside]
                problems += wrong
        elif suffix(name) in archive.ARCHIVES:
            problems.append(f"{name} is an archive of a kind that is not read here; pack it as a zip")
        else:
            found.append(_File(path, name))
    return found


def _rows(file: _File, problems: list[str]) -> list[Row]:
    try:
        rows, wrong = lists.read(file.path, file.name)
    except ListRefused as problem:
        problems.append(str(problem))
        return []
    problems += wrong
    return rows


def _opened(files: Sequence[_File], known: Sequence[str], seen: Collection[str], look: Callable,
            problems: list[str]) -> list[_Picture]:
    """The pictures that can be used, each under a name of its own; what is wrong with the others goes to problems."""
    opened: dict[str, _Picture] = {}  # by sha256
    room, total, left_out = MOST_PICTURES - len(known), 0, []
    for file in files:
        if len(opened) >= room:
            left_out.append(file.name)
            continue
        try:
            image = _looked_at(file, opened, seen, look, total)
        except pictures.PictureError as problem:
            problems.append(str(problem).replace(file.path.name, file.name, 1))
            continue
        if image.sha256 in opened:
            same = opened[image.sha256]
            opened[image.sha256] = replace(same, names=(*same.names, file.name))
            problems.append(f"{file.name} is the same picture as {same.names[0]}; it was kept once")
        else:
            opened[image.sha256] = _Picture(replace(image, name=file.name), file.origin, (file.name,))
            total += file.path.stat().st_size
    if left_out:
        problems.append(f"{MOST_PICTURES} pictures at once are the limit; {len(left_out)} were left out: "
                        f"{listed(left_out)}")
    return list(opened.values())


def _looked_at(file: _File, opened: Collection[str], seen: Collection[str], look: Callable, total: int) -> Image:
    """The picture's header, and once a look at its pixels. Raises PictureError."""
    size = file.path.stat().st_size
    if size > LARGEST_FILE:
        raise pictures.PictureError(f"{file.path.name} has {size / 1024**2:.0f} MB; "
                                    f"the limit is {LARGEST_FILE // 1024**2} MB")
    if total + size > LARGEST_TOTAL:
        raise pictures.PictureError(f"{file.path.name} was left out: all pictures together may have "
                                    f"{LARGEST_TOTAL // 1024**3} GB")
    image = pictures.read(file.path)
    if image.sha256 in seen:
        raise pictures.PictureError(f"{file.path.name} is here already; it was kept once")
    if image.sha256 not in opened:
        look(image)
    return image


def _matched(rows: Sequence[tuple[_File, Row]], opened: Sequence[_Picture], known: Sequence[str], problems: list[str],
             ) -> tuple[dict[tuple[int, str], list[Asked]], dict[str, Asked]]:
    """(questions by (place in opened, name there), question by known name). Rows that find no picture are said."""
    own, told = defaultdict(list), {}
    places = [(index, name) for index, picture in enumerate(opened) for name in picture.names]
    for file in dict.fromkeys(file for file, _ in rows):
        here = [row for of, row in rows if of is file]
        inside = [place for place in places if file.origin and opened[place[0]].origin == file.origin]
        pools = ((inside, [name for _, name in inside]), (places, [name for _, name in places]), (known, known))
        for pool, names in pools:
            hits, here = _claims(here, names, file.name, problems)
            for place, claimed in hits.items():
                asked = _judged(claimed, None if pool is known else opened[pool[place][0]].image, file, problems)
                if pool is known:
                    told[pool[place]] = asked[0]
                    if len(asked) > 1:
                        problems.append(f"{file.name} has {len(asked)} questions about {pool[place]}, which is here "
                                        "already; the first was taken")
                else:
                    own[pool[place]] += asked
        if here:
            count = f"{len(here)} rows name pictures that are" if len(here) > 1 else "1 row names a picture that is"
            problems.append(f"{file.name}: {count} not there: {listed([row.file for row in here])}")
    return own, told


def _claims(rows: Sequence[Row], names: Sequence[str], name: str, problems: list[str],
            ) -> tuple[dict[int, list[Row]], list[Row]]:
    """(rows by the place of the picture that they name, rows that name none of these pictures).

    Two pictures for one row, or two different rows' names for one picture, could be guessed wrong: both are said.
    """
    directory, found, rest = Names(names), defaultdict(list), []
    for row in rows:
        kind, places = directory.find(row.file)
        if len(places) == 1:
            found[places[0]].append((kind, row))
        elif places:
            problems.append(f"{name} names {row.file}, and there are {len(places)} pictures of that name; "
                            "give them different names")
        else:
            rest.append(row)
    claimed = {}
    for place, near in found.items():
        nearest = min(kind for kind, _ in near)
        rest += [row for kind, row in near if kind > nearest]
        rivals = dict.fromkeys(row.file for kind, row in near if kind == nearest)
        if len({folded(each) for each in rivals}) > 1:
            problems.append(f"{name} names {listed(list(rivals))}, and only {names[place]} is there, "
                            "which could be any of them; give the pictures in their folders")
        else:
            claimed[place] = [row for kind, row in near if kind == nearest]
    return claimed, rest


def _judged(rows: Sequence[Row], image: Image | None, file: _File, problems: list[str]) -> list[Asked]:
    """The different things that rows ask about one picture; a truth that cannot be read is left out and said."""
    asked = []
    for row in rows:
        try:
            true = truth.annotations(row.truth, image.size if image else None)
        except TruthRefused as problem:
            problems.append(f"{file.name}: line {row.line}: the truth of {row.file} {problem}, so it was left out")
            true = None
        asked.append(Asked(row.query, row.task, true, file.name))
    return [each for i, each in enumerate(asked) if each not in asked[:i]]


def _taken(opened: Sequence[_Picture], own: Mapping[tuple[int, str], list[Asked]], known: Sequence[str],
           problems: list[str]) -> tuple[Taken, ...]:
    """One entry per picture and question, in the order in which they came. Names are told apart here."""
    used, taken, left_out = {folded(name) for name in known}, [], []
    for index, picture in enumerate(opened):
        asked = [(name, each) for name in picture.names for each in own.get((index, name), ())]
        for name, each in asked or [(picture.names[0], Asked())]:
            if len(taken) + len(known) >= MOST_PICTURES:
                left_out.append(name)
                continue
            name = apart(name, used)
            used.add(folded(name))
            image = replace(picture.image, name=name)
            taken.append(Taken(image, each.query, each.task, each.truth, each.source))
    if left_out:
        problems.append(f"{MOST_PICTURES} questions at once are the limit; {len(left_out)} were left out: "
                        f"{listed(left_out)}")
    return tuple(taken)


def _few(problems: Sequence[str]) -> tuple[str, ...]:
    said = [each if len(each) <= LONGEST_SENTENCE else f"{each[:LONGEST_SENTENCE - 1]}…"
            for each in problems[:MOST_SENTENCES]]
    if more := len(problems) - len(said):
        said.append(f"and {more:,} more problems of the same kinds")
    return tuple(said)
