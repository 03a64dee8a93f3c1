"""A job's process that behaves as its spec says: `python -m tests.workers RUN_DIR`. It counts, and leaves traces."""
from __future__ import annotations

import os
import signal
import subprocess
import sys
import time

from app.jobs.run import Run, work


def counting(run: Run) -> dict:
    behave, steps = run.spec.get("behave", ""), run.spec.get("steps", 3)
    if behave == "deaf":
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
    if behave == "borrows":
        run.event("borrowed", lent=run.borrow(run.spec["bytes"], run.spec["free"]))
    if behave == "parent":
        child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
        run.event("child", pid=child.pid)
    seen = run.folder / "seen.txt"
    for done in range(len(seen.read_text()) if seen.exists() else 0, steps):
        if run.cancelled and behave != "deaf":
            return {}
        time.sleep(run.spec.get("rest", 0.0))
        with seen.open("a") as file:
            file.write(".")
        run.event("step", step=done + 1)
        run.progress(done + 1, steps, "counting")
        print("step", done + 1)
        if done + 1 == run.spec.get("trouble_at"):
            trouble(behave)
    return {"steps": steps, "device": os.environ.get("CUDA_VISIBLE_DEVICES"), "home": os.environ["BOXLOOP_HOME"]}


def trouble(behave: str) -> None:
    if behave == "dies":
        os.kill(os.getpid(), signal.SIGKILL)
    if behave == "leaves":
        os._exit(7)
    if behave == "refuses":
        raise ValueError("row 3 has no picture; add it and import again")
    if behave == "fault":
        raise KeyError("width")
    if behave == "quits":
        raise SystemExit(0)


if __name__ == "__main__":
    work(counting)
