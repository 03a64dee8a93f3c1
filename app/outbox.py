"""Datasets go to the Hub through an outbox: parts under names that no other part can have, sent once, never replaced.

    told = push(home, "street", "owner/name", samples)     # {"rows": 120, "new": 40, "parts": […]}

A part is a parquet file and the list of the rows in it, in one commit that is made on top of what was looked at: if
somebody else has sent meanwhile, it is refused, and we look again. So two who send at once double nothing, an answer
that was lost is found to have arrived, and a machine with an empty disk takes nothing away: a name holds who sent
it, a number, and a hash of what is in it. The Hub is a copy, not where anything is kept: see the notes on
CommitScheduler, which lost rows under equal names.
"""
from __future__ import annotations

import hashlib
import math
import os
import re
import secrets
import shutil
from collections.abc import Iterable, Iterator
from itertools import islice
from pathlib import Path

import filelock

from app.formats import card, dataset_folder
from app.formats.hub import LOOKING, NAME, explained
from app.formats.judging import identity
from app.types import Sample

ROWS = 500  # in a part
TRIES = 20  # others who send at the same time
PART = re.compile(r"data/(?:train|val)-[0-9a-f]{16}-\d{5}-[0-9a-f]{16}\.parquet")


def push(home: Path, repo: str, samples: Iterable[Sample], *, endpoint: str | None = None) -> dict:
    """Send what the repository does not have yet. A new repository is private.

    Raises Unreadable where the Hub cannot be reached or refuses: what was not sent is sent by the next call.
    """
    if not NAME.fullmatch(repo):
        raise ValueError(f"{repo[:200]} is no name on the Hub; it is like owner/name")
    folder = home / "outbox" / repo.replace("/", "--")
    folder.mkdir(parents=True, exist_ok=True)
    with filelock.FileLock(folder / "lock"):
        return _Outbox(folder, _replica(home / "outbox"), repo, endpoint).push(samples)


def _replica(folder: Path) -> str:
    """Who sends: drawn once for a home, so that a home that was lost gets another."""
    path = folder / "replica"
    try:
        with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
            file.write(secrets.token_hex(8))
    except FileExistsError:
        pass
    found = path.read_text("utf-8")
    return found if re.fullmatch(r"[0-9a-f]{16}", found) else secrets.token_hex(8)


class _Outbox:
    """`waiting` holds parts that were packed and not yet seen on the Hub; `seen` the row lists of those that were."""

    def __init__(self, folder: Path, replica: str, repo: str, endpoint: str | None):
        from huggingface_hub import HfApi
        self._folder, self._replica, self._repo = folder, replica, repo
        self._api = HfApi(endpoint=endpoint)
        self._waiting, self._seen = folder / "waiting", folder / "seen"
        for each in (self._waiting, self._seen):
            each.mkdir(exist_ok=True)
        self._there: dict[str, str] = {}  # of every row on the Hub, the part that holds it
        self._head, self._parts, self._files = "", set(), set()

    def push(self, samples: Iterable[Sample]) -> dict:
        with explained(self._repo):
            self._api.create_repo(self._repo, repo_type="dataset", private=True, exist_ok=True)
        self._look()
        sent, new = [], 0
        for part in sorted(self._waiting.iterdir()):  # packed by a call that did not see the end of it
            new += self._send(part, sent)
        rows, facts = iter(samples), card.Facts()
        while chunk := list(islice(rows, ROWS)):
            for sample in chunk:
                facts.add(sample)
            while parts := list(self._pack(chunk)):  # again, where somebody else has sent some of the same rows
                new += sum(self._send(part, sent) for part in parts)
        self._describe(facts)
        return {"repo": self._repo, "rows": len(self._there), "new": new, "parts": sent}

    def _look(self) -> None:
        """What is on the Hub now: its head, its parts, and the rows in them."""
        with explained(self._repo):
            told = self._api.dataset_info(self._repo, timeout=LOOKING)
            self._head, self._files = told.sha, {each.rfilename for each in told.siblings or ()}
            self._parts = {name for name in self._files if PART.fullmatch(name)}
            for part in sorted(self._parts - set(self._there.values())):
                for row in self._rows(_list_of(part)):
                    self._there.setdefault(row, part)

    def _rows(self, name: str) -> list[str]:
        """A part's list of rows, fetched once: it never changes."""
        if name not in self._files:
            return []  # somebody removed it by hand; its rows may come twice, and none is lost
        path = self._seen / name.rpartition("/")[2]
        if not path.exists():
            from huggingface_hub import hf_hub_download
            fetched = hf_hub_download(self._repo, name, repo_type="dataset", revision=self._head,
                                      local_dir=self._folder / "fetched", endpoint=self._api.endpoint)
            os.replace(fetched, path)
        return path.read_text("utf-8").split()

    def _pack(self, samples: list[Sample]) -> Iterator[Path]:
        """Folders with a parquet file and its list of rows, one for each split, of what is not on the Hub yet."""
        new = {_row(sample): sample for sample in samples}
        for split in ("train", "val"):
            rows = {row: sample for row, sample in new.items()
                    if row not in self._there and (sample.images[0].split or "train") == split}
            if rows:
                yield self._packed(split, rows)

    def _packed(self, split: str, rows: dict[str, Sample]) -> Path:
        unfinished = self._folder / "unfinished"
        shutil.rmtree(unfinished, ignore_errors=True)
        with dataset_folder.Parts(unfinished, largest=math.inf) as parts:
            for sample in rows.values():
                parts.add(sample)
        file, = (unfinished / "data").iterdir()
        with file.open("rb") as opened:
            content = hashlib.file_digest(opened, "sha256").hexdigest()[:16]
        name = f"{split}-{self._replica}-{self._number():05d}-{content}"
        part = unfinished / name
        part.mkdir()
        os.replace(file, part / f"{name}.parquet")
        (part / f"{name}.txt").write_text("".join(f"{row}\n" for row in rows), encoding="utf-8")
        os.replace(part, self._waiting / name)
        return self._waiting / name

    def _number(self) -> int:
        """The next of ours, over what waits here and what is there."""
        ours = [name.rpartition("/")[2] for name in self._parts] + [part.name for part in self._waiting.iterdir()]
        return max((int(name.split("-")[2]) for name in ours if name.split("-")[1] == self._replica), default=-1) + 1

    def _send(self, part: Path, sent: list[str]) -> int:
        """Commit a part on top of what was looked at. How many rows are new on the Hub because of it."""
        from huggingface_hub import CommitOperationAdd, errors
        name = f"data/{part.name}.parquet"
        rows = (part / f"{part.name}.txt").read_text("utf-8").split()
        for _ in range(TRIES):
            if name in self._parts:  # it had arrived, and only the answer was lost
                return self._arrived(part, name, rows, sent)
            if any(row in self._there for row in rows):  # somebody was quicker: what is left is packed again
                shutil.rmtree(part)
                return 0
            files = [CommitOperationAdd(name, part / f"{part.name}.parquet"),
                     CommitOperationAdd(_list_of(name), part / f"{part.name}.txt")]
            shutil.copyfile(part / f"{part.name}.txt", self._seen / f"{part.name}.txt")  # need not be fetched again
            try:
                with explained(self._repo):
                    self._api.create_commit(self._repo, files, repo_type="dataset", parent_commit=self._head,
                                            commit_message=f"Add {len(rows)} rows")
            except ValueError as problem:
                answer = problem.__cause__
                status = answer.response.status_code if isinstance(answer, errors.HfHubHTTPError) else None
                if status not in (409, 412):
                    raise
            self._look()
        raise ValueError(f"{self._repo} is sent to by others all the time; try again later")

    def _arrived(self, part: Path, name: str, rows: list[str], sent: list[str]) -> int:
        for row in rows:
            self._there.setdefault(row, name)
        sent.append(name)
        shutil.rmtree(part)
        return len(rows)

    def _describe(self, facts: card.Facts) -> None:
        """The card, once: people edit it, and theirs stays."""
        if "README.md" in self._files or not facts.samples:
            return
        with explained(self._repo):
            self._api.upload_file(path_or_fileobj=card.of(facts).encode(), path_in_repo="README.md",
                                  repo_id=self._repo, repo_type="dataset", commit_message="Add a card")


def _row(sample: Sample) -> str:
    """A row by all that it says, and by the split that it is in."""
    return f"{identity(sample)}-{sample.images[0].split or 'train'}"


def _list_of(part: str) -> str:
    return f"rows/{part.rpartition('/')[2].removesuffix('.parquet')}.txt"
