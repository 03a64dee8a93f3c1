"""Datasets come in: rows of a file become samples, a hundred at a time, and a report says what became of all.

    report = import_into(store, Import(path, "coco", "street"), folder)     # the command, and the test
    python -m app.importing RUN_DIR                                         # the job

Killed at any moment, the same call with the same folder goes on where it was; with another folder it begins again, and
what is there already is not there twice. What is wrong with a row costs that row, and stands in the report.
"""
from __future__ import annotations

import contextlib
import hashlib
import json
import os
import shutil
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, field, replace
from itertools import islice
from pathlib import Path

from app import formats
from app.formats import Options, Refused, Repaired, Unclear, Unreadable
from app.formats.card import size_word
from app.formats.subset import subset
from app.jobs.run import Run, work
from app.store import Store
from app.types import Sample

BATCH = 100  # samples on the disk before the next is read
SHOWN = 10_000  # rows in a report; the counts are of all, and all stand in rows.jsonl
MOST_CONFLICTS = 1_000  # in a report
COUNTS = ("classes", "sizes", "splits", "tasks")  # of a report
COUNTED = (".jsonl", ".csv", ".tsv")  # whose lines are rows, so that the time left is known


@dataclass(frozen=True)
class Import:
    """What to import: the spec of the job, as one JSON document. `classes` and `count` take only a part of it."""
    path: str
    format: str
    dataset: str
    split: str | None = None
    pictures: str = ""
    urls: bool = False
    boxes: str = ""
    family: str = ""
    revision: str = ""
    classes: tuple[str, ...] = ()
    count: int | None = None
    author: str = ""
    suggested: bool = False

    def checked(self) -> Import:
        """The same with the format's own name. Raises ValueError."""
        if self.split not in (None, "train", "val"):
            raise ValueError(f"there is no split {self.split!r}; use train, or val for what is held out")
        if self.boxes not in ("", *formats.base.CONVENTIONS):
            raise ValueError(f"boxes cannot be {self.boxes!r}; they are {' or '.join(formats.base.CONVENTIONS)}")
        if self.count is not None and self.count < 1:
            raise ValueError(f"a count of {self.count} takes nothing; use 1 or more")
        return replace(self, format=formats.find(self.format, "read").name)


@dataclass
class Report:
    """What became of the rows. `kept` are in the dataset now, those among them that were there `already` included."""
    samples: int = 0  # that the file tells of, kept or not
    kept: int = 0
    already: int = 0
    refused: list[dict] = field(default_factory=list)  # {"row", "why"}, the first of them
    repaired: list[dict] = field(default_factory=list)  # {"row", "how"}
    split_conflicts: list[dict] = field(default_factory=list)
    refused_rows: int = 0
    repaired_rows: int = 0
    classes: Counter = field(default_factory=Counter)
    sizes: Counter = field(default_factory=Counter)
    splits: Counter = field(default_factory=Counter)
    tasks: Counter = field(default_factory=Counter)
    events: int = 0  # of the reader, that are dealt with: where to go on

    def to_json(self) -> dict:
        told = {name: value for name, value in vars(self).items() if name != "events"}
        return told | {name: dict(getattr(self, name).most_common()) for name in COUNTS}


def import_into(store: Store, wanted: Import, folder: Path, *, progress: Callable = lambda done, total, words: None,
                cancelled: Callable[[], bool] = lambda: False) -> Report:
    """Everything in `folder` is the import's own: where it is, all that was repaired and refused, and its scratch.

    Raises Unreadable where nothing can be read (Unclear where a person must decide first), StoreError, ValueError.
    """
    wanted = wanted.checked()
    folder.mkdir(parents=True, exist_ok=True)
    scratch = folder / "scratch"
    shutil.rmtree(scratch, ignore_errors=True)  # of an import that was killed
    journal = _Journal(folder, wanted)
    total = _expected(Path(wanted.path))
    try:
        options = Options(wanted.pictures, wanted.urls, wanted.boxes, wanted.family, scratch, wanted.revision)
        rows = islice(_rows(wanted, options), journal.report.events, None)
        dataset = None
        while batch := list(islice(rows, BATCH)):
            if cancelled():
                break
            samples = [row for row in batch if isinstance(row, Sample)]
            if samples and dataset is None:
                dataset = store.datasets.open(wanted.dataset, wanted.author).id
            _keep(store, dataset, samples, wanted, journal)
            for row in batch:
                journal.row(row)
            journal.report.events += len(batch)
            journal.write()
            progress(journal.report.samples, total, f"{journal.report.samples:,} rows read")
        return journal.listed()
    finally:
        journal.close()
        shutil.rmtree(scratch, ignore_errors=True)


def _rows(wanted: Import, options: Options) -> Iterator:
    """The reader's rows. One that fails after it began is said as the last row: what came before stays."""
    rows = formats.find(wanted.format, "read").read(Path(wanted.path), options)
    if wanted.classes or wanted.count:
        rows = subset(rows, wanted.classes, wanted.count)
    begun = False
    try:
        for row in rows:
            begun = begun or isinstance(row, Sample)
            yield row
    except Unreadable as problem:
        if not begun:
            raise
        yield Refused("the rest", str(problem))


def _keep(store: Store, dataset: str | None, samples: list[Sample], wanted: Import, journal: _Journal) -> None:
    if not samples:
        return
    report = journal.report
    added = store.datasets.add(dataset, samples, split=wanted.split, author=wanted.author, suggested=wanted.suggested)
    names = {sample.id: sample.images[0].name for sample in samples}
    refused = dict(added.refused)
    for sample in samples:
        report.samples += 1
        if sample.id in refused:
            journal.row(Refused(names[sample.id], refused[sample.id]), counted=True)
            continue
        report.kept += 1
        report.tasks[sample.task] += 1
        report.splits[wanted.split or sample.images[0].split or "drawn"] += 1
        report.sizes.update(size_word(image.size) for image in sample.images)
        if sample.task not in ("ground", "point", "ask"):  # whose labels are whole expressions
            report.classes.update(each.label for each in sample.truth or ())
    report.already += added.already
    for id, how in added.repaired:
        journal.row(Repaired(names[id], how))
    room = MOST_CONFLICTS - len(report.split_conflicts)
    report.split_conflicts += [each.to_json() for each in added.split_conflicts[:room]]


class _Journal:
    """The report as it grows, on the disk: `import.json` after every batch, and a line for each bad row.

    The lines are cut back to where the last batch ended, so that a kill between both writes nothing twice.
    """

    def __init__(self, folder: Path, wanted: Import):
        self._file, self._mark = folder / "import.json", _mark(wanted)
        self.report, place = self._before()
        self._lines = (folder / "rows.jsonl").open("ab")
        self._lines.truncate(place)
        self._lines.seek(0, os.SEEK_END)

    def row(self, row: object, counted: bool = False) -> None:
        """Take down a repaired or refused row. `counted`: it is among the samples already."""
        report = self.report
        if isinstance(row, Refused):
            report.samples += not counted
            report.refused_rows += 1
            told = {"row": row.row, "why": row.why}
        elif isinstance(row, Repaired):
            report.repaired_rows += 1
            told = {"row": row.row, "how": row.how}
        else:
            return
        self._lines.write(json.dumps(told, ensure_ascii=False).encode("utf-8", "replace") + b"\n")

    def write(self) -> None:
        self._lines.flush()
        fresh = self._file.with_suffix(".new")
        fresh.write_text(json.dumps({"mark": self._mark, "place": self._lines.tell(), "report": vars(self.report)}),
                         encoding="utf-8")
        os.replace(fresh, self._file)

    def listed(self) -> Report:
        """The report with its first bad rows."""
        self._lines.flush()
        lists = {"why": [], "how": []}
        with open(self._lines.name, encoding="utf-8") as file:
            for line in file:
                told = json.loads(line)
                kept = lists["why" if "why" in told else "how"]
                if len(kept) < SHOWN:
                    kept.append(told)
        return replace(self.report, refused=lists["why"], repaired=lists["how"])

    def close(self) -> None:
        self._lines.close()

    def _before(self) -> tuple[Report, int]:
        try:
            told = json.loads(self._file.read_text("utf-8"))
            if told["mark"] != self._mark:
                return Report(), 0  # another file, or a changed one: from its beginning
            report = Report(**told["report"])
            for name in COUNTS:
                setattr(report, name, Counter(getattr(report, name)))
            return report, told["place"]
        except (OSError, ValueError, KeyError, TypeError):
            return Report(), 0


def _mark(wanted: Import) -> str:
    """Unlike for another import, or for a file that was changed since."""
    told = [asdict(wanted)]
    with contextlib.suppress(OSError):
        about = os.stat(wanted.path)
        told.append([about.st_size, about.st_mtime_ns])
    return hashlib.sha256(json.dumps(told, sort_keys=True).encode()).hexdigest()


def _expected(path: Path) -> int | None:
    """How many rows there will be, where that is quickly known."""
    if not path.is_file() or path.suffix.lower() not in COUNTED:
        return None
    with path.open("rb") as file:
        return sum(piece.count(b"\n") for piece in iter(lambda: file.read(1 << 20), b""))


def importing(run: Run) -> dict:
    """The job: `spec` is an Import, and the workspace is where its run folder lies."""
    told = dict(run.spec)
    home = Path(told.pop("home", run.folder.parent.parent))
    unknown = set(told) - set(Import.__dataclass_fields__)
    if unknown or not {"path", "format", "dataset"} <= set(told):
        raise ValueError(f"an import needs path, format and dataset; this one has {', '.join(sorted(run.spec))}")
    wanted = Import(**told | {"classes": tuple(told.get("classes") or ())})
    store = Store(home)
    try:
        report = import_into(store, wanted, run.folder, progress=run.progress, cancelled=lambda: run.cancelled)
    except Unclear as problem:  # for whoever shows the question: with which values of which field it can be answered
        run.event("question", words=str(problem), option=problem.option, choices=list(problem.choices))
        raise
    finally:
        store.close()
    return report.to_json()


if __name__ == "__main__":
    work(importing)
