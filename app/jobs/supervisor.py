"""The supervisor: starts what is queued, looks after what runs, notes what ended. Never two for one home.

Whoever holds the lock file of the runs' folder supervises; the system takes it away when that process dies, however
it dies, and another takes over: what still runs is found again by pid and start time, what ended meanwhile is judged
by what it wrote.
"""
from __future__ import annotations

import logging
import signal
import threading
import time
from collections.abc import Mapping
from pathlib import Path

import filelock

from app.jobs import run
from app.jobs.engines import Engine, Looked
from app.jobs.lending import Lend, Lending
from app.store.errors import StoreError, in_words
from app.store.jobs import JobRows
from app.types import Job

log = logging.getLogger(__name__)
CPU_JOBS = 2  # at once; every other device has one
LOOK, IDLE = 0.25, 1.0  # seconds between two looks: while something runs, and while nothing does
PATIENCE = 2.0  # seconds from the request to end until the end is made


class Supervisor:
    """`tick` is one look at everything. `stay` looks again and again in a thread; without it, whoever waits ticks."""

    def __init__(self, runs: Path, place: str, rows: JobRows, kinds: Mapping[str, str], engine: Engine,
                 lend: Lend | None = None):
        self._lending = None if lend is None else Lending(runs, lend)
        self._runs, self._place, self._rows, self._kinds, self._engine = runs, place, rows, kinds, engine
        self._lock = filelock.FileLock(runs / "supervisor.lock", thread_local=False, fallback_to_soft=False)
        self._door = threading.Lock()  # one thread at a time
        self._asked: set[str] = set()  # those that were asked to end
        self._news, self._closing = threading.Event(), threading.Event()
        self._thread: threading.Thread | None = None
        self._busy = False

    def stay(self) -> None:
        """Supervise until `close`, or stand by while another process does."""
        with self._door:
            if self._thread is None:
                self._thread = threading.Thread(target=self._look_again, name="jobs", daemon=True)
                self._thread.start()

    def close(self) -> None:
        """What runs goes on."""
        self._closing.set()
        self._news.set()
        if self._thread is not None:
            self._thread.join()
            self._thread = None
        if self._lending is not None:
            self._lending.close()

    def wake(self) -> None:
        """There is news in the store: look now."""
        self._news.set()

    def tick(self, start: bool = True) -> bool:
        """False where another process supervises. `start`: what is queued, too. Raises StoreError."""
        with self._door:
            try:
                if not self._lock.is_locked:
                    self._lock.acquire(blocking=False)
            except filelock.Timeout:
                return False
            except OSError as problem:
                raise in_words(problem, f"the runs in {self._runs}") from problem
            try:
                self._look(start)
            finally:
                if self._thread is None:
                    self._lock.release()
            return True

    def _look_again(self) -> None:
        while not self._closing.is_set():
            try:
                here = self.tick()
                if self._lending is not None:  # whoever supervises: it is this process that has models
                    self._lending.look(job for job, _ in self._rows.unfinished(self._place))
            except StoreError as problem:  # such as a full disk: it is tried again
                log.warning("jobs: %s", problem)
                here = True
            except Exception:
                log.exception("jobs")
                here = True
            self._news.wait(LOOK if here and self._busy else IDLE)
            self._news.clear()
        self._lock.release(force=True)

    def _look(self, start: bool) -> None:
        unfinished = self._rows.unfinished(self._place)
        running = [job for job, handle in unfinished if job.status == "running" and self._runs_on(job, handle)]
        for job, _ in unfinished if start else ():
            at_once = CPU_JOBS if job.device == "cpu" else 1
            if job.status == "queued" and sum(one.device == job.device for one in running) < at_once:
                running += [job] if self._start(job) else []
        self._busy = bool(running)

    def _start(self, job: Job) -> bool:
        folder, now = self._runs / job.id, time.time()
        try:
            run.spec(folder)
            for name in ("state.json", "result.json", "borrow.json", "lent.json"):  # of an earlier attempt
                (folder / name).unlink(missing_ok=True)
            handle = self._engine.handle(job, self._kinds[job.kind], folder)
        except (ValueError, OSError, KeyError) as problem:
            said = f"there is no kind of job {job.kind!r} here" if isinstance(problem, KeyError) else str(problem)
            self._rows.change(job.id, ["queued"], status="failed", problem=f"it could not be started: {said}",
                              started=now, ended=now)
            return False
        begun = False
        try:
            begun = self._rows.change(job.id, ["queued"], status="running", handle=handle, started=now)
        finally:
            if not begun:  # cancelled meanwhile, or it could not be written down
                self._engine.stop(handle, hard=True)
                self._engine.look(handle)
        if begun:
            self._engine.go(handle)
        return begun

    def _runs_on(self, job: Job, handle: dict) -> bool:
        looked = self._engine.look(handle)
        if not looked.running:
            self._note_the_end(job, looked)
        elif job.stopping is not None:
            hard = time.time() - job.stopping > PATIENCE
            if hard or job.id not in self._asked:
                self._engine.stop(handle, hard)
            self._asked.add(job.id)
        return looked.running

    def _note_the_end(self, job: Job, looked: Looked) -> None:
        status, problem, ended = verdict(self._runs / job.id, job, looked)
        self._rows.change(job.id, ["running"], status=status, problem=problem, ended=ended,
                          exit_code=looked.exit_code)
        self._asked.discard(job.id)


def verdict(folder: Path, job: Job, looked: Looked) -> tuple[str, str, float]:
    """What became of a job whose process has ended: its status, why, and when."""
    try:
        told = run.state(folder)
    except run.Damaged as problem:
        return "cancelled" if job.stopping else "failed", str(problem), time.time()
    status, ended = told.get("status"), told.get("updated")
    ended = ended if status in ("done", "failed", "cancelled") and isinstance(ended, float) else time.time()
    if status == "done":
        return "done", "", ended
    if status == "failed" and not job.stopping:
        return "failed", str(told.get("problem", "")), ended
    if job.stopping:
        return "cancelled", "", ended
    if status == "cancelled":
        return "cancelled", "it was asked to stop from outside of Boxloop; resume it to go on", ended
    last = run.tail(folder, 1)
    said = f"the last line of its log: {last[0]}" if last and not last[0].startswith("---") else "its log is empty"
    return "failed", f"it ended without a word ({_how(looked)}); {said}", ended


def _how(looked: Looked) -> str:
    code = looked.exit_code
    if code is None:
        return "while nobody watched"
    if code == -signal.SIGKILL:
        return "killed, as the system does when memory runs out"
    return signal.Signals(-code).name if code < 0 else f"exit code {code}"
