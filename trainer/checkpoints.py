"""A checkpoint counts only with its manifest, written last; the newest one whose files are as it says wins.

Of seven ways to damage the newest checkpoint, six made every retry of the usual trainer fail, and a missing rng state
silently changed the result. So each file's size and sha256 stand in the manifest, and what does not fit is put away
before a run goes on from the one before it. A full disk leaves a stub without a manifest: the same cure.
"""
from __future__ import annotations

import hashlib
import json
import os
import shutil
from pathlib import Path

MANIFEST = "manifest.json"
NAME = "checkpoint-"


def seal(folder: Path) -> None:
    """All files of a checkpoint on the disk, then its manifest, then the folder's own entry."""
    files = {str(file.relative_to(folder)): _described(file)
             for file in sorted(folder.rglob("*")) if file.is_file() and file.name != MANIFEST}
    fresh = folder / f"{MANIFEST}.new"
    with fresh.open("w", encoding="utf-8") as file:
        json.dump({"step": step(folder), "files": files}, file)
        file.flush()
        os.fsync(file.fileno())
    os.replace(fresh, folder / MANIFEST)
    _synced(folder)


def damage(folder: Path) -> str:
    """What is wrong with a checkpoint, in words; empty where it is whole."""
    try:
        manifest = json.loads((folder / MANIFEST).read_bytes())
        files = {str(name): (int(told["bytes"]), str(told["sha256"])) for name, told in manifest["files"].items()}
        if not files or manifest["step"] != step(folder):
            return "its manifest is not its own"
    except FileNotFoundError:
        return "it was never finished: there is no manifest"
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return "its manifest cannot be read"
    for name, (size, digest) in files.items():
        file = folder / name
        if not file.is_file():
            return f"{name} is missing"
        if file.stat().st_size != size:
            return f"{name} has {file.stat().st_size} bytes instead of {size}"
        if _sha256(file) != digest:
            return f"{name} is not what was written"
    return ""


def newest(root: Path) -> tuple[Path | None, list[tuple[str, str]]]:
    """The newest whole checkpoint, and (name, what is wrong) of those that are newer and damaged."""
    damaged = []
    for folder in sorted(_all(root), key=step, reverse=True):
        wrong = damage(folder)
        if not wrong:
            return folder, damaged
        damaged.append((folder.name, wrong))
    return None, damaged


def tidy(root: Path, keep: int, best: int | None) -> None:
    """All but the newest `keep` and the best one are removed; the manifest first, so that none is half removed."""
    for folder in sorted(_all(root), key=step, reverse=True)[keep:]:
        if step(folder) != best:
            remove(folder)


def remove(folder: Path) -> None:
    (folder / MANIFEST).unlink(missing_ok=True)
    shutil.rmtree(folder)


def step(folder: Path) -> int:
    return int(folder.name.removeprefix(NAME))


def size(folder: Path) -> int:
    return sum(file.stat().st_size for file in folder.rglob("*") if file.is_file())


def _all(root: Path) -> list[Path]:
    return [folder for folder in root.glob(f"{NAME}*") if folder.is_dir() and folder.name[len(NAME):].isdigit()]


def _described(file: Path) -> dict:
    with file.open("rb+") as opened:
        os.fsync(opened.fileno())
    return {"bytes": file.stat().st_size, "sha256": _sha256(file)}


def _sha256(file: Path) -> str:
    with file.open("rb") as opened:
        return hashlib.file_digest(opened, "sha256").hexdigest()


def _synced(folder: Path) -> None:
    for each in (folder, folder.parent):
        opened = os.open(each, os.O_RDONLY)
        try:
            os.fsync(opened)
        finally:
            os.close(opened)
