"""Jobs as processes of this machine, in a session of their own: Ctrl-C and the end of the page do not reach them.

A process is known by its pid and the time it started, because pids are given away again: a job whose pid belongs to
somebody else by now has ended, and that somebody is never signalled.
"""
from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil

from app.jobs import run
from app.jobs.engines import Looked
from app.types import Job

ROOT = Path(__file__).resolve().parents[3]
SAME = 1.0  # seconds by which a process's start may seem to differ when the machine's clock is set
NICE = 5  # jobs on the CPU give way to the page


class Local:
    def __init__(self):
        self._children: dict[int, subprocess.Popen] = {}  # those that this very process started

    def handle(self, job: Job, module: str, folder: Path) -> dict:
        """The process is there and waits at the gate (run.Run): if we die before `go`, it ends by itself."""
        with open(folder / "log.txt", "ab") as log:
            log.write(f"--- {time.strftime('%Y-%m-%d %H:%M:%S')} on {job.device}\n".encode())
            log.flush()
            child = subprocess.Popen(
                [sys.executable, "-m", module, str(folder)], cwd=ROOT, env=_environment(job, folder),
                stdin=subprocess.PIPE, stdout=log, stderr=subprocess.STDOUT, start_new_session=True)
        self._children[child.pid] = child
        process = psutil.Process(child.pid)
        if job.device == "cpu":
            with contextlib.suppress(psutil.Error):  # it has ended already, or this system allows no such thing
                process.nice(max(NICE, process.nice()))
        return {"pid": child.pid, "pid_started": process.create_time()}

    def go(self, handle: dict) -> None:
        child = self._children[handle["pid"]]
        with contextlib.suppress(BrokenPipeError):  # it has ended already; `look` will see it
            child.stdin.write(run.GO)
            child.stdin.close()

    def look(self, handle: dict) -> Looked:
        pid = handle.get("pid")
        child = self._children.get(pid)
        if child is not None:
            code = child.poll()
        elif _process(handle):
            code = None
        else:
            _end_what_is_left(pid)
            return Looked(False)
        if code is None:
            return Looked(True)
        _end_what_is_left(pid)
        with contextlib.suppress(BrokenPipeError):
            child.stdin.close()
        del self._children[pid]
        return Looked(False, code)

    def stop(self, handle: dict, hard: bool) -> None:
        process = _process(handle)
        with contextlib.suppress(psutil.NoSuchProcess, ProcessLookupError, subprocess.TimeoutExpired):
            if process and hard:
                os.killpg(process.pid, signal.SIGKILL)
                if process.pid in self._children:
                    self._children[process.pid].wait(1)
            elif process:
                process.terminate()


def _process(handle: dict) -> psutil.Process | None:
    """The process of a handle, if it still runs."""
    try:
        process = psutil.Process(handle["pid"])
        same = abs(process.create_time() - handle["pid_started"]) < SAME
        return process if same and process.status() != psutil.STATUS_ZOMBIE else None
    except (psutil.NoSuchProcess, KeyError):
        return None


def _end_what_is_left(pid: int | None) -> None:
    """Children of a process that has ended, such as loaders of data. A number of a group is not given away while
    somebody is in it; if a process has the number, it was given away, and nobody is left."""
    if pid and not psutil.pid_exists(pid):
        with contextlib.suppress(ProcessLookupError):
            os.killpg(pid, signal.SIGKILL)


def _environment(job: Job, folder: Path) -> dict[str, str]:
    return os.environ | only(job.device) | {run.GATE: "1", "PYTHONUNBUFFERED": "1",
                                            "BOXLOOP_HOME": str(folder.parent.parent)}


def only(device: str) -> dict[str, str]:
    """The environment in which a device is the only one: as cuda:0 to the process, or none for the CPU."""
    kind, _, index = device.partition(":")
    seen = [name.strip() for name in os.environ.get("CUDA_VISIBLE_DEVICES", "").split(",") if name.strip()]
    named = "" if kind == "cpu" else seen[int(index)] if index and int(index) < len(seen) else index
    return {"CUDA_VISIBLE_DEVICES": named} if kind in ("cpu", "cuda") else {}
