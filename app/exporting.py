"""Datasets go out: written beside their place and moved there when they are whole, so that nobody finds half of one.

    told = export(store, "street", "yolo", Path("street-yolo"))     # {"samples": 120, "lost": ["3 scores …"], …}
"""
from __future__ import annotations

import inspect
import os
import shutil
import tempfile
import zipfile
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from app import augment as augmenting
from app import formats
from app.jobs.run import Run, work
from app.outbox import push
from app.store import Store
from app.types import Sample

PACKED = "export.zip"
FILES = (".json", ".jsonl", ".csv", ".yaml")  # an `out` that names the main file itself


def export(store: Store, dataset: str, format: str, out: str | Path, *, split: str | None = None,
           snapshot: str | None = None, family: str = "", augment: Sequence[str] = (),
           progress: Callable = lambda done, total, words: None) -> dict:
    """What is true now, or in a snapshot: {"samples", "lost", "path"}. `out` is a folder, a .zip, or the main file.

    `augment` names instruction augmentations, whose questions follow each sample that gives any. For the format hub,
    `out` is owner/name. Raises ValueError, NotFound.
    """
    writer, augment = formats.find(format, "write"), augmenting.checked(augment)
    found = store.datasets.find(dataset)
    count = [0]

    def samples() -> Iterator[Sample]:
        for sample in store.datasets.samples(found.id, split=split, snapshot=snapshot):
            for each in (sample, *augmenting.augmented(sample, augment)):
                count[0] += 1
                yield each
            progress(count[0], None if augment else found.samples, f"{count[0]:,} samples written")

    if writer.name == "hub":
        told = push(store.home, str(out), samples())
        return {"dataset": found.name, "format": "hub", "samples": told["rows"], "lost": [], "path": str(out), **told}
    out = Path(out).expanduser().absolute()
    _free(out)
    out.parent.mkdir(parents=True, exist_ok=True)
    unfinished = Path(tempfile.mkdtemp(prefix=".unfinished-", dir=out.parent))
    try:
        named = {"family": family} if family and "family" in inspect.signature(writer.write).parameters else {}
        lost = writer.write(samples(), unfinished, **named)
        _place(unfinished, out)
    finally:
        shutil.rmtree(unfinished, ignore_errors=True)
    return {"dataset": found.name, "format": writer.name, "samples": count[0], "lost": lost, "path": str(out)}


def exporting(run: Run) -> dict:
    """The job: `spec` is what `export` takes, without a place: the zip is PACKED in the run folder."""
    told = dict(run.spec)
    if not {"dataset", "format"} <= set(told) <= {"dataset", "format", "split", "snapshot", "family"}:
        raise ValueError(f"an export needs dataset and format; this one has {', '.join(sorted(told))}")

    def progress(done: int, total: int, words: str) -> None:
        if run.cancelled:
            raise ValueError("it was cancelled")
        run.progress(done, total, words)

    store = Store(run.folder.parent.parent)
    try:
        (run.folder / PACKED).unlink(missing_ok=True)  # of an earlier attempt
        return export(store, out=run.folder / PACKED, progress=progress, **told)
    finally:
        store.close()


def _free(out: Path) -> None:
    """Nothing of anybody's may be overwritten."""
    if out.is_dir() and not any(out.iterdir()):
        return
    if out.exists() or out.is_symlink():
        raise ValueError(f"{out} is there already; name a folder that is new or empty")
    if out.suffix.lower() in FILES and (out.parent / "images").exists():
        raise ValueError(f"there are pictures in {out.parent / 'images'} already; name a folder that is new or empty")


def _place(unfinished: Path, out: Path) -> None:
    suffix = out.suffix.lower()
    if suffix == ".zip":
        packed = unfinished.with_name(f"{unfinished.name}.zip")
        try:
            _pack(unfinished, packed)
            os.replace(packed, out)
        finally:
            packed.unlink(missing_ok=True)
        return
    if suffix in FILES:
        main = [path for path in unfinished.iterdir() if path.suffix.lower() == suffix]
        if len(main) != 1:
            raise ValueError(f"this format has no single {suffix} file; name a folder")
        for path in unfinished.iterdir():
            if path != main[0]:
                os.replace(path, out.parent / path.name)
        os.replace(main[0], out)
        return
    os.chmod(unfinished, 0o777 & ~_umask())  # mkdtemp makes folders for the owner alone
    if out.is_dir():
        out.rmdir()
    os.replace(unfinished, out)


def _pack(folder: Path, target: Path) -> None:
    """Pictures are packed already; the rest shrinks well."""
    with zipfile.ZipFile(target, "w") as file:
        for path in sorted(folder.rglob("*")):
            if path.is_file():
                kind = zipfile.ZIP_STORED if "images" in path.parts or path.suffix == ".parquet" else (
                    zipfile.ZIP_DEFLATED)
                file.write(path, path.relative_to(folder).as_posix(), kind)


def _umask() -> int:
    mask = os.umask(0o022)
    os.umask(mask)
    return mask


if __name__ == "__main__":
    work(exporting)
