"""Whether a training can begin, and what it will take: asked of the trainer itself, in a process of its own.

    check = preflight(workspace, "cells", "tiny-paligemma", ["preset=quick"])
    check.running                       # a second or ten: the process imports torch, which the page's does not
    check.report                        # {"ok", "refusals", "warnings", "expected_minutes", "memory", "examples", …}

What was checked is known by all that went into it, so the same question is not asked twice. The newest question is the
one that somebody waits for: one that is still being answered gives way to it.
"""
from __future__ import annotations

import contextlib
import hashlib
import json
import os
import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import filelock
import psutil

from app.jobs import run
from app.jobs.engines.local import only
from app.training.submitting import prepared
from app.workspace import Workspace

ROOT = Path(__file__).resolve().parents[2]
KEPT = 20  # checks of a workspace that are remembered
VALID = 3600.0  # seconds: the memory and the disk that were free then may not be now
SAME = 1.0  # seconds by which a process's start may seem to differ when the machine's clock is set


@dataclass(frozen=True)
class Check:
    """A check that runs, or has ended. Everything about it lies in its folder, so a reload finds it again."""
    folder: Path

    @property
    def running(self) -> bool:
        return not self._written and _process(self.folder) is not None

    @property
    def report(self) -> dict | None:
        """None while it runs. What was refused is in "refusals", in sentences; "ok" says whether a run could begin."""
        runs = _process(self.folder) is not None  # asked first: what it writes, it writes before it ends
        if self._written:
            return json.loads((self.folder / "preflight.json").read_text("utf-8"))
        return None if runs else {"ok": False, "warnings": [], "refusals": [self._silent()]}

    @property
    def _written(self) -> bool:
        return (self.folder / "preflight.json").exists()

    def _silent(self) -> str:
        last = run.tail(self.folder, 1)
        return f"the check ended without a word{f' ({last[0][:200]})' if last else ''}; check again"


def preflight(workspace: Workspace, dataset: str, model: str, settings: Sequence[str] = (), *, method: str = "sft",
              device: str = "cpu", owner: str = "", again: bool = False) -> Check:
    """Begin to check what `submit` would queue, or find the check that was made already; `again`: never mind that one.

    Raises ValueError where nothing could be queued at all.
    """
    spec = prepared(workspace, dataset, model, settings, method=method, owner=owner)
    told = json.dumps(spec.to_json(), sort_keys=True)
    checks = workspace.home / "checks"
    folder = checks / hashlib.sha256(f"{told} {device}".encode()).hexdigest()[:24]
    checks.mkdir(exist_ok=True)
    with filelock.FileLock(checks / "lock"):
        if again or not _holds(folder):
            _end_others(checks)
            _begin(folder, told, device)
            _tidy(checks)
    return Check(folder)


def _holds(folder: Path) -> bool:
    report = folder / "preflight.json"
    if not report.exists():
        return _process(folder) is not None
    return time.time() - report.stat().st_mtime < VALID


def _begin(folder: Path, told: str, device: str) -> None:
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    (folder / "spec.json").write_text(told, "utf-8")
    with open(folder / "log.txt", "wb") as log:
        child = subprocess.Popen([sys.executable, "-m", "trainer", str(folder), "--check"], cwd=ROOT, stdout=log,
                                 stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL, env=os.environ | only(device),
                                 start_new_session=True)
    process = psutil.Process(child.pid)
    run.replace(folder / "process.json", {"pid": child.pid, "started": process.create_time()}, durably=False)
    threading.Thread(target=child.wait, daemon=True, name="check").start()  # so that its end is seen


def _end_others(checks: Path) -> None:
    for folder in checks.glob("*/"):
        process = None if (folder / "preflight.json").exists() else _process(folder)
        if process is not None:
            with contextlib.suppress(psutil.Error):
                process.kill()


def _tidy(checks: Path) -> None:
    for folder in sorted(checks.glob("*/"), key=lambda each: -each.stat().st_mtime)[KEPT:]:
        shutil.rmtree(folder, ignore_errors=True)


def _process(folder: Path) -> psutil.Process | None:
    """The process of a check, if it still runs: by pid and start, because pids are given away again."""
    try:
        told = json.loads((folder / "process.json").read_bytes())
        process = psutil.Process(told["pid"])
        same = abs(process.create_time() - told["started"]) < SAME
        return process if same and process.status() != psutil.STATUS_ZOMBIE else None
    except (OSError, ValueError, KeyError, psutil.Error):
        return None
