"""The queue of jobs of a home: what the page, the commands and tests call.

    jobs = workspace.jobs
    job = jobs.submit("import", {"path": "voc.zip", "format": "voc", "dataset": "cats"})
    jobs.supervise()               # in the page: a thread starts, adopts and judges; several processes agree on one
    jobs.find(job.id).progress     # Progress(120, 1000, "reading pictures", 42.0)
    jobs.wait(job.id)              # a command's way: supervises meanwhile, where nobody else does

A job is a row in the store and a run folder `<home>/runs/<id>`, see app.jobs.run; its kind is a module that is run as
`python -m MODULE RUN_DIR`. Nothing here asks who may.
"""
from __future__ import annotations

import json
import os
import re
import secrets
import shutil
import time
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from app.jobs import run
from app.jobs.engines import Engine
from app.jobs.engines.local import Local
from app.jobs.lending import Lend
from app.jobs.supervisor import Supervisor
from app.store.errors import StoreError, in_words
from app.store.jobs import JobRows
from app.types import Job

KINDS = {"import": "app.importing", "export": "app.exporting", "evaluate": "app.evaluating", "train": "trainer",
         "merge": "trainer.merge", "push": "trainer.push"}
DEVICE = re.compile(r"cpu|mps|cuda:\d{1,2}")
SHOWN = 50
MOST_QUEUED = 100
POLL = 0.1  # seconds between two looks of `wait`
ENDED = ("done", "failed", "cancelled")


class Jobs:
    """All that raises says so in a ValueError of one sentence; StoreError and NotFound are among them."""

    def __init__(self, runs: Path, rows: JobRows, kinds: Mapping[str, str] = KINDS, engine: Engine | None = None,
                 lend: Lend | None = None):
        """`lend(device, bytes)`: how models of this process make room for a job, see app.jobs.lending."""
        self.runs, self._rows, self._kinds = runs, rows, kinds
        try:
            runs.mkdir(parents=True, exist_ok=True)
            self._place = _place(runs / "place")
        except OSError as problem:
            raise in_words(problem, f"the runs in {runs}") from problem
        self._supervisor = Supervisor(runs, self._place, rows, kinds, engine or Local(), lend)

    def submit(self, kind: str, spec: dict, *, device: str = "cpu", owner: str = "", priority: int = 0) -> Job:
        """Queued; it starts as soon as its device is free and somebody supervises."""
        if kind not in self._kinds:
            raise ValueError(f"there is no kind of job {kind!r}; there are: {', '.join(sorted(self._kinds))}")
        device = "cuda:0" if device == "cuda" else device
        if not DEVICE.fullmatch(device):
            raise ValueError(f"there is no device {device!r} for jobs; write cpu, mps, cuda:0, cuda:1, …")
        waiting = sum(job.status == "queued" for job, _ in self._rows.unfinished(self._place))
        if waiting >= MOST_QUEUED:
            raise ValueError(f"{waiting} jobs are waiting already; cancel some, or wait until some have ended")
        now = time.time()
        id = time.strftime("%y%m%d-%H%M%S-", time.localtime(now)) + secrets.token_hex(3)
        job = Job(id, kind, "queued", device, owner, priority, now)
        self._lay_out(id, spec)
        try:
            self._rows.add(job, self._place)
        except StoreError:
            shutil.rmtree(self.runs / id, ignore_errors=True)
            raise
        self._supervisor.wake()
        return job

    def all(self, limit: int = SHOWN) -> list[Job]:
        """The newest first."""
        return [self._seen(job) for job in self._rows.all(limit)]

    def unfinished(self) -> list[Job]:
        """Those of this home that are queued or run, in their order."""
        return [self._seen(job) for job, _ in self._rows.unfinished(self._place)]

    def find(self, id: str) -> Job:
        """Raises NotFound."""
        return self._seen(self._rows.find(id))

    def cancel(self, id: str) -> Job:
        """It ends within three seconds of the supervisor's time: it is asked to, and then it is ended."""
        now = time.time()
        if not self._rows.change(id, ["queued"], status="cancelled", ended=now) and not self._rows.change(
                id, ["running"], stopping=now):
            raise ValueError(f"job {id} cannot be cancelled: it is {self._rows.find(id).status} already")
        self._supervisor.wake()
        return self.find(id)

    def resume(self, id: str) -> Job:
        """The same job goes on where it stopped, in the same folder."""
        run.spec(self._folder(self._rows.find(id)))
        if not self._rows.change(id, ["failed", "cancelled"], status="queued", handle=None, problem="", started=None,
                                 ended=None, stopping=None, exit_code=None):
            raise ValueError(f"job {id} cannot be resumed: it is {self._rows.find(id).status}; "
                             "only a failed or cancelled one can")
        self._supervisor.wake()
        return self.find(id)

    def retry(self, id: str) -> Job:
        """A new job that is told the same, from the start."""
        job = self._rows.find(id)
        return self.submit(job.kind, run.spec(self._folder(job)), device=job.device, owner=job.owner,
                           priority=job.priority)

    def delete(self, id: str) -> None:
        """The job and its folder, with all that came of it. Raises ValueError while it is queued or runs."""
        folder, gone = self._folder(self._rows.find(id)), self.runs / f".deleted-{id}"
        if not self._rows.remove(id, ENDED):
            raise ValueError(f"job {id} cannot be deleted: it is {self._rows.find(id).status}; cancel it first")
        try:
            if folder.exists():
                os.replace(folder, gone)  # at once, and not while its files go one by one
            shutil.rmtree(gone, ignore_errors=True)
        except OSError as problem:
            raise in_words(problem, f"the runs in {self.runs}") from problem

    def wait(self, id: str, seconds: float | None = None, start: bool = True) -> Job:
        """The job when it has ended, or as it is after so many seconds. `start`: what is queued may begin meanwhile."""
        until = None if seconds is None else time.monotonic() + seconds
        while (job := self.find(id)).status not in ENDED and (until is None or time.monotonic() < until):
            self._supervisor.tick(start)
            time.sleep(POLL)
        return job

    def settle(self, start: bool = False) -> bool:
        """One look at everything, for a command that is soon gone. False where another process supervises."""
        return self._supervisor.tick(start)

    def supervise(self) -> None:
        """From now on and until `close`, in a thread."""
        self._supervisor.stay()

    def close(self) -> None:
        """What runs goes on, and whoever supervises next adopts it."""
        self._supervisor.close()

    def spec(self, id: str) -> dict:
        return run.spec(self._folder(self._rows.find(id)))

    def result(self, id: str) -> dict:
        """What a job that is done came to. Raises ValueError where there is none."""
        return run.result(self._folder(self._rows.find(id)))

    def log(self, id: str, lines: int = 40) -> list[str]:
        return run.tail(self._folder(self._rows.find(id)), lines)

    def events(self, id: str, name: str | None = None) -> list[dict]:
        return list(run.events(self._folder(self._rows.find(id)), name))

    def folder(self, id: str) -> Path:
        """Its run folder. Raises NotFound."""
        return self._folder(self._rows.find(id))

    def _folder(self, job: Job) -> Path:
        return self.runs / job.id

    def _seen(self, job: Job) -> Job:
        """With what its run folder says; a damaged or removed one is said, whatever became of the job."""
        folder = self._folder(job)
        try:
            run.spec(folder)
            return replace(job, progress=run.progress(folder, time.time()))
        except run.Damaged as problem:
            return replace(job, problem="; ".join(dict.fromkeys(filter(None, (job.problem, str(problem))))))

    def _lay_out(self, id: str, spec: dict) -> None:
        try:
            told = json.dumps(spec, allow_nan=False)
        except (TypeError, ValueError) as problem:
            raise ValueError(f"a job can only be told what JSON can say: {problem}") from problem
        folder = self.runs / id
        try:
            folder.mkdir()
            with open(folder / "spec.json", "x", encoding="utf-8") as file:
                file.write(told)
                file.flush()
                os.fsync(file.fileno())
        except OSError as problem:
            shutil.rmtree(folder, ignore_errors=True)
            raise in_words(problem, f"the runs in {self.runs}") from problem


def _place(path: Path) -> str:
    """Which folder of runs this is: several machines may share one PostgreSQL, and a pid means something on one."""
    try:
        with open(path, "x", encoding="utf-8") as file:
            file.write(secrets.token_hex(16))
            file.flush()
            os.fsync(file.fileno())
    except FileExistsError:
        pass
    return path.read_text("utf-8")
