"""A run folder, from both ends: what a job's process is told and writes there, and how others read it.

    def counting(run: Run) -> dict:                      # python -m MODULE RUN_DIR
        for done, row in enumerate(run.spec["rows"]):
            if run.cancelled:
                break                                    # keep what a later resume needs; nothing else is to be said
            run.progress(done, len(run.spec["rows"]), "reading rows")
        return {"rows": done}                            # result.json, unless it was cancelled

    if __name__ == "__main__":
        work(counting)

In: spec.json, written once. Out: state.json (replaced as a whole, so that nobody reads half of one), events.jsonl,
log.txt (what it printed), result.json. A failed or cancelled job that is resumed gets the same folder again.

Only the standard library and filelock: every worker imports this first.
"""
from __future__ import annotations

import json
import os
import re
import signal
import sys
import threading
import time
import traceback
from collections.abc import Callable, Iterator
from pathlib import Path

import filelock

from app.types import Progress

GATE = "BOXLOOP_GATE"  # set where a worker is to wait for its supervisor's word on standard input
GO = b"go\n"
REST = 0.2  # seconds between two writings of the same words of progress
HEARD, MAKING_ROOM = 5.0, 300.0  # seconds that a borrower waits to be heard, and then for models to make room
TAIL = 64 * 1024  # bytes of the log that are looked at for its last lines
FAILED, CANCELLED = 1, 143  # exit codes; the second is what a shell says of SIGTERM
CONTROL = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]|[\x00-\x08\x0b-\x1f\x7f]")


class Damaged(ValueError):
    """A run folder does not hold what it should. The text is one sentence."""


class Run:
    """The worker's side. One process at a time: a second one on the same folder ends with a sentence.

    As a context, it says what became of the job: an exception is a failure, and an end without `finish` too.
    """

    def __init__(self, folder: str | Path):
        self.folder, self.began = Path(folder).absolute(), time.monotonic()
        self._wait_for_the_word()
        self.spec = spec(self.folder)
        self._lock = filelock.FileLock(self.folder / "lock", fallback_to_soft=False)
        try:
            self._lock.acquire(blocking=False)
        except filelock.Timeout:
            raise ValueError(f"another process works on the run {self.folder.name} already") from None
        self.cancelled = False
        self._before = None
        if threading.current_thread() is threading.main_thread():
            self._before = signal.signal(signal.SIGTERM, self._stop)
        self._state: dict = {"pid": os.getpid()}
        self._since: tuple[float, float] | None = None  # when the counting began, and at what
        self._written = 0.0
        self._write_state("running")

    def progress(self, done: float, total: float | None = None, words: str = "") -> None:
        """How far it is. As often as you like: the same words are written five times a second at most."""
        now, before = time.time(), self._state
        if self._since is None or before.get("total") != total or done < before["done"]:
            self._since = now, done
        since, first = self._since
        left = (total - done) * (now - since) / (done - first) if total is not None and done > first else None
        self._state = before | {"done": done, "total": total, "words": words, "left": left}
        if now - self._written > REST or words != before.get("words") or done == total:
            self._write_state("running")

    def event(self, name: str, **values) -> None:
        """One line in events.jsonl: {"t", "name", …}."""
        line = json.dumps({"t": round(time.time(), 3), "name": name, **values}) + "\n"
        with open(self.folder / "events.jsonl", "ab+") as file:
            if file.tell() and (file.seek(-1, os.SEEK_END), file.read(1))[1] != b"\n":
                line = "\n" + line  # a kill left half a line, which must not swallow this one
            file.write(line.encode())

    def borrow(self, needed: int, free: int) -> bool:
        """Say how many bytes of its device the job needs. Where so many are not free, wait until models made room.

        False where nobody answers, because there is no page with models, or not in time: then there is what is free.
        """
        (self.folder / "lent.json").unlink(missing_ok=True)
        replace(self.folder / "borrow.json", {"bytes": int(needed)}, durably=False)
        if needed <= free:
            return True
        until, before = time.monotonic() + HEARD, ""
        while time.monotonic() < until and not self.cancelled:
            state = _read(self.folder, "lent.json").get("state") if (self.folder / "lent.json").exists() else ""
            if state == "lent":
                return True
            if state != before:  # somebody heard: the answers that are being written end first
                until, before = time.monotonic() + MAKING_ROOM, state
            self.progress(0, None, "waiting for memory: other models make room" if state else "asking for memory")
            time.sleep(REST)
        return False

    def finish(self, result: dict | None = None) -> None:
        """It is done, and this came of it."""
        replace(self.folder / "result.json", result or {})
        self._write_state("done", left=0.0)

    def fail(self, problem: str) -> None:
        """It is over, and this sentence says why."""
        self._write_state("failed", problem=problem)

    def __enter__(self) -> Run:
        return self

    def __exit__(self, kind, problem: BaseException | None, trace) -> None:
        try:
            if self._state["status"] == "running":
                self._end(problem)
        finally:
            if self._before is not None:
                signal.signal(signal.SIGTERM, self._before)
            self._lock.release()

    def _end(self, problem: BaseException | None) -> None:
        ours = isinstance(problem, ValueError)  # a sentence for the person
        if problem is not None:
            print(problem if ours else "".join(traceback.format_exception(problem)), file=sys.stderr)
        if self.cancelled:
            self._write_state("cancelled")
        elif problem is None:
            self.fail("it ended without a result")
        else:
            self.fail(str(problem) if ours else _in_words(problem))
        raise SystemExit(CANCELLED if self.cancelled else FAILED) from None

    def _stop(self, *_) -> None:
        self.cancelled = True

    def _wait_for_the_word(self) -> None:
        """Its supervisor has written down who we are, or it died before it could, and then nobody knows of us."""
        if os.environ.pop(GATE, "") and sys.stdin.buffer.readline() != GO:
            raise SystemExit(FAILED)

    def _write_state(self, status: str, **more) -> None:
        self._written = time.time()
        self._state = self._state | {"status": status, "updated": self._written} | more
        replace(self.folder / "state.json", self._state, durably=status != "running")


def work(main: Callable[[Run], dict | None]) -> None:
    """What the module of a kind of job ends with. Its exit code: 0 done, 1 failed, 143 cancelled."""
    if len(sys.argv) != 2:
        sys.exit("usage: python -m MODULE RUN_DIR")
    try:
        run = Run(sys.argv[1])
    except ValueError as problem:
        sys.exit(str(problem))
    with run:
        result = main(run)
        if not run.cancelled:
            run.finish(result)


def borrowing(folder: Path) -> int:
    """How many bytes of its device a job asks for; 0 where it does not, or its folder is damaged."""
    try:
        return max(0, int(_read(folder, "borrow.json")["bytes"])) if (folder / "borrow.json").exists() else 0
    except (Damaged, KeyError, TypeError, ValueError):
        return 0


def answer_borrower(folder: Path, state: str) -> None:
    """"making room", then "lent". Raises OSError."""
    replace(folder / "lent.json", {"state": state}, durably=False)


# Reading: by the page, the commands and the supervisor, while the worker writes.

def spec(folder: Path) -> dict:
    """What the job was told. Raises Damaged."""
    return _read(folder, "spec.json")


def state(folder: Path) -> dict:
    """{"status", "pid", "done", "total", "words", "left", "problem", "updated"}, {} before there is any."""
    return _read(folder, "state.json") if (folder / "state.json").exists() else _there(folder)


def result(folder: Path) -> dict:
    """What `finish` was given. Raises Damaged."""
    return _read(folder, "result.json")


def progress(folder: Path, now: float) -> Progress | None:
    """How far it is. The time left goes down while the worker is silent. Raises Damaged."""
    told = state(folder)
    try:
        if "done" not in told:
            return None
        left = told["left"] if told["left"] is None else max(0.0, told["left"] - (now - told["updated"]))
        return Progress(told["done"], told["total"], str(told["words"]), left)
    except (KeyError, TypeError) as problem:
        raise Damaged(f"state.json of the run {folder.name} is damaged ({problem!r})") from problem


def tail(folder: Path, lines: int = 40) -> list[str]:
    """The last lines of what it printed; of a progress bar that was drawn over itself, the last drawing."""
    try:
        with open(folder / "log.txt", "rb") as file:
            file.seek(max(0, file.seek(0, os.SEEK_END) - TAIL))
            text = file.read().decode("utf-8", "replace")
    except FileNotFoundError:
        return []
    drawn = [CONTROL.sub("", line.rstrip("\r").rpartition("\r")[2]).rstrip() for line in text.split("\n")]
    return [line for line in drawn if line][-lines:]


def events(folder: Path, name: str | None = None) -> Iterator[dict]:
    """What `event` was given, in order; lines that a kill tore are left out."""
    try:
        with open(folder / "events.jsonl", encoding="utf-8", errors="replace") as file:
            for line in file:
                try:
                    told = json.loads(line)
                except ValueError:
                    continue
                if isinstance(told, dict) and (name is None or told.get("name") == name):
                    yield told
    except FileNotFoundError:
        return


def replace(path: Path, document: dict, durably: bool = True) -> None:
    """Write a JSON file as a whole: readers see the old one or the new one. `durably`: after a power cut, too."""
    fresh = path.with_suffix(".new")
    with open(fresh, "w", encoding="utf-8") as file:
        json.dump(document, file, allow_nan=False)
        if durably:
            file.flush()
            os.fsync(file.fileno())
    os.replace(fresh, path)


def _read(folder: Path, name: str) -> dict:
    try:
        document = json.loads((folder / name).read_bytes())
    except FileNotFoundError:
        _there(folder)
        raise Damaged(f"the run {folder.name} has no {name}") from None
    except (OSError, ValueError) as problem:
        raise Damaged(f"{name} of the run {folder.name} cannot be read ({problem})") from problem
    if not isinstance(document, dict):
        raise Damaged(f"{name} of the run {folder.name} holds no JSON object but {str(document)[:40]!r}")
    return document


def _there(folder: Path) -> dict:
    if not folder.is_dir():
        raise Damaged(f"the folder of the run {folder.name} was removed: its log and its result are gone")
    return {}


def _in_words(problem: BaseException) -> str:
    if isinstance(problem, SystemExit):
        return problem.code if isinstance(problem.code, str) else "it left before it was done"
    if isinstance(problem, MemoryError):
        return "the memory of this machine was not enough; close other programs, or try again with less"
    if isinstance(problem, OSError) and problem.strerror:
        return f"a file could not be read or written ({problem.strerror}: {problem.filename or 'no name'})"
    return f"a fault in Boxloop ({type(problem).__name__}: {str(problem)[:200]}); the log has the details"
