"""Where jobs run. An engine is one file here; `local.py` runs them on this machine.

An engine first gives a handle, plain JSON, by which it finds the run again; only when that is written down in the
store does the run begin. So a supervisor that dies at any moment leaves nothing that its successor cannot find.

Ray and HF Jobs fit behind the same five functions; what differs is how the run folder gets there and back:
- Ray: `handle` names a submission ("boxloop-JOB-ATTEMPT") without calling anything. `go` is
  `JobSubmissionClient.submit_job(entrypoint="python -m MODULE FOLDER", submission_id=…, entrypoint_num_gpus=…)`, on a
  disk that the cluster shares; submitting one id twice is an error, hence harmless. `look` is get_job_status, and
  get_job_info for the exit code. `stop` is stop_job, which sends SIGTERM and later SIGKILL by itself.
- HF Jobs: `handle` is a label of its own. `go` is `huggingface_hub.run_job(image=…, command=["python", "-m", MODULE,
  FOLDER], flavor=…, labels=…, volumes=…)` with the run folder as a mounted volume. `look` finds the job by its label
  (list_jobs), and brings state.json, events.jsonl and log.txt back into the local folder, which the page reads as ever.
  `stop` is cancel_job. Its device is a flavor, such as "a100-large".
"""
from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from app.types import Job


@dataclass(frozen=True)
class Looked:
    """Whether it still runs; if not, its exit code, or None where nobody can know."""
    running: bool
    exit_code: int | None = None


class Engine(Protocol):
    def handle(self, job: Job, module: str, folder: Path) -> dict:
        """All is prepared for `python -m module folder`, but nothing has begun. Raises OSError."""

    def go(self, handle: dict) -> None:
        """The handle is written down: begin."""

    def look(self, handle: dict) -> Looked:
        """Also for handles that an earlier process wrote down, and for those that never began."""

    def stop(self, handle: dict, hard: bool) -> None:
        """Ask it to end, or (`hard`) end it with all that it started. What has ended already is left alone."""
