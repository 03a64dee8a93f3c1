"""What the Fine-tune tab looks at: one training with its curve, pictures and receipt, and the list of all. A look says
only what is new since the one before."""
from __future__ import annotations

import json
from collections.abc import Mapping, Sequence

from app import training
from app.types import Job
from app.ui.train import pictures, receipts, told
from app.ui.train.parts import PairsData
from app.workspace import Workspace

KIND = "train"
MOST = 200  # jobs of all kinds among which trainings are looked for
PARTS = ("learning", "receipt", "better", "worse", "runs")


class Looking:
    """The runs of a workspace."""

    def __init__(self, workspace: Workspace):
        self.workspace, self.jobs = workspace, workspace.jobs
        self._curves, self._results = told.Curves(), {}

    def runs(self) -> list[Job]:
        """The newest first."""
        return [job for job in self.jobs.all(MOST) if job.kind == KIND]

    def result(self, job: Job) -> Mapping | None:
        """What a run that is done came to; None where there is none, or its folder was removed."""
        if job.status != "done":
            return None
        if job.id not in self._results:
            try:
                self._results[job.id] = self.jobs.result(job.id)
            except ValueError:
                return None
        return self._results[job.id]

    def look(self, run: str, trusted: bool, ticked: Sequence[str] = (), seen: Mapping = {}, log: bool = False) -> dict:
        """By the names of PARTS and "live", "run" and "done": what differs from what was `seen`, or nothing at all.

        `run` that is not there any more is the newest one; "done" says whether there is a tuned model.
        """
        found = self.runs()
        job = next((each for each in found if each.id == run), found[0] if found else None)
        results = {each.id: result for each in found if (result := self.result(each)) is not None}
        runs = told.runs(self.jobs, found, results, job.id if job else "", ticked, trusted)
        if job is None:
            nothing = {"runs": "none"}
            return {} if seen == nothing else {
                "run": "", "live": {"id": "", "seen": nothing}, "done": False, "runs": runs, "receipt": {},
                **dict.fromkeys(("learning", "better", "worse"), PairsData())}
        folder, result = self.jobs.folder(job.id), results.get(job.id)
        curve = self._curves.look(folder)
        now = told.live(self.jobs, job, curve, log, trusted)
        ended = f"{job.id} {job.status}"
        versions = {"live": told.version(now), "runs": told.version(runs), "receipt": ended, "better": ended,
                    "worse": ended, "learning": f"{job.id} {len(curve['evaluations'])}"}
        fresh = {name for name, each in versions.items() if seen.get(name) != each}
        if not fresh:
            return {}
        parts = {"live": now | {"seen": versions}, "run": job.id, "done": result is not None and "folder" in result}
        comparison = (result or {}).get("comparison") or {}
        makes = {"runs": lambda: runs, "receipt": lambda: receipts.told(result) if result is not None else {},
                 "learning": lambda: pictures.learning(job.id, training.shown(folder)),
                 "better": lambda: pictures.gallery(folder, comparison, "better"),
                 "worse": lambda: pictures.gallery(folder, comparison, "worse")}
        return parts | {name: makes[name]() for name in PARTS if name in fresh}

    def last(self, dataset: str) -> Job | None:
        """The newest run on a dataset, by its name, that came to something or still may."""
        for job in self.runs():
            if job.status in ("queued", "running", "done") and self._spec(job).get("dataset") == dataset:
                return job
        return None

    def _spec(self, job: Job) -> Mapping:
        try:
            return self.jobs.spec(job.id)
        except ValueError:  # its folder was removed
            return {}


def heard(text: str) -> Mapping:
    """What the browser says it shows; anything else shows nothing."""
    try:
        found = json.loads(text or "{}")
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}
