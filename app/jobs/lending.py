"""Jobs and the page's models share a device by agreement: a job says how much memory it needs, and the page makes room.

The job writes borrow.json and goes on at once where there is room anyway; else it waits for lent.json (`Run.borrow`).
Whoever has models in memory, and so only a page, looks for such files: while the job runs, its bytes are no model's.
"""
from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterable
from contextlib import AbstractContextManager
from pathlib import Path

from app.jobs import run
from app.types import Job

log = logging.getLogger(__name__)
Lend = Callable[[str, int], AbstractContextManager]  # of so many bytes of a device, as app.backends.loaded has it


class Lending:
    """`look` is called again and again with what runs. A loan waits in a thread of its own until its job has ended."""

    def __init__(self, runs: Path, lend: Lend):
        self._runs, self._lend = runs, lend
        self._loans: dict[str, threading.Event] = {}  # set: the job has ended

    def look(self, running: Iterable[Job]) -> None:
        there = {job.id: job for job in running if job.status == "running"}
        for id in [id for id in self._loans if id not in there]:
            self._loans.pop(id).set()
        for id, job in there.items():
            needed = 0 if id in self._loans else run.borrowing(self._runs / id)
            if needed:
                self._loans[id] = ended = threading.Event()
                threading.Thread(target=self._lent, args=(job, needed, ended), name=f"lend {id}", daemon=True).start()

    def close(self) -> None:
        for ended in self._loans.values():
            ended.set()

    def _lent(self, job: Job, needed: int, ended: threading.Event) -> None:
        folder = self._runs / job.id
        try:
            run.answer_borrower(folder, "making room")
            with self._lend(job.device, needed):
                run.answer_borrower(folder, "lent")
                ended.wait()
        except OSError as problem:  # its folder is gone, or the disk is full: it goes on without
            log.warning("lending to job %s: %s", job.id, problem)
