"""A training in words and numbers: the check before it, how it stands while it runs, all of them as a list."""
from __future__ import annotations

import hashlib
import json
import threading
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from pathlib import Path

from app import training
from app.jobs.queue import Jobs
from app.types import Job
from app.ui.jobs import cards
from app.ui.jobs.cards import cut, duration
from app.ui.train import receipts

KEPT = 8  # curves in memory
POINTS = 300  # of a curve as it is drawn
LOG_LINES = 200


class Curves:
    """What runs have told so far. Each look reads only what a run's process wrote since the look before."""

    def __init__(self):
        self._known: OrderedDict[Path, dict] = OrderedDict()
        self._door = threading.Lock()

    def look(self, folder: Path) -> dict:
        """{"offset", "steps", "evaluations", "plan", "notes"}, as training.curve gives them, all of them."""
        with self._door:
            before = self._known.get(folder, {"offset": 0, "steps": [], "evaluations": [], "plan": None, "notes": []})
            news = training.curve(folder, before["offset"])
            keep = news["keep"]
            now = {"offset": news["offset"], "plan": news["plan"] or before["plan"],
                   "notes": [*(before["notes"] if keep != -1 else []), *news["notes"]]}
            for name in ("steps", "evaluations"):
                held = [each for each in before[name] if keep is None or each["step"] <= keep]
                now[name] = _onward(held + news[name])
            self._known[folder] = now
            self._known.move_to_end(folder)
            while len(self._known) > KEPT:
                self._known.popitem(last=False)
            return now


def check(report: Mapping | None, seconds: float = 0.0) -> dict:
    """The value of a Check, from what the trainer's own preflight says; None while it is at it."""
    if report is None:
        return {"headline": f"Checking what would go wrong… {seconds:.0f} s", "mark": "busy", "refusals": [],
                "warnings": [], "facts": [], "examples": []}
    number = len(report.get("refusals") or [])
    headline = "Nothing stands in the way" if report.get("ok") else (
        f"It cannot begin: {number} thing{'' if number == 1 else 's'} to mend first")
    return {"headline": headline, "mark": "done" if report.get("ok") else "problem",
            "refusals": [_sentence(each) for each in report.get("refusals") or []],
            "warnings": [_sentence(each) for each in report.get("warnings") or []],
            "facts": [[name, value] for name, value in _takes(report)],
            "examples": [{name: cut(each.get(name) or "") for name in ("picture", "prompt", "answer")}
                         for each in report.get("examples") or []]}


def takes(report: Mapping) -> str:
    """`about 4 min · 0.3 GB`, for the card of the preset that was checked."""
    told = dict(_takes(report))
    return " · ".join(filter(None, (told.get("Time"), told.get("Memory", "").partition(" of ")[0])))


def live(jobs: Jobs, job: Job, curve: Mapping, log: bool, trusted: bool) -> dict:
    """The value of a Live. Who may not act sees how far it is and how well it learns, and nothing of its log."""
    progress = job.progress
    part = min(1.0, progress.done / progress.total) if progress and progress.total else None
    steps, figures = curve["steps"], curve["evaluations"]
    base = next((each["figures"].get("score") for each in figures if each["step"] == 0), None)
    note = cards.note(job) if trusted else ""
    return {
        "id": job.id, "title": cards.title(jobs, job) if trusted else "Training", "trusted": trusted,
        "status": cards.status(job), "mark": cards.MARK[job.status], "part": part if job.status == "running" else None,
        "note": cut(". ".join(filter(None, (note, *map(_sentence, curve["notes"][-2:] if trusted else ()))))),
        "acts": cards.acts(job) if trusted else [],
        "facts": _facts(job, curve, base), "steps": (curve["plan"] or {}).get("steps"),
        "charts": [
            {"title": "Loss: how far off its answers are", "told": "Loss", "points": _points(steps, "loss"),
             "base": None, "whole": False},
            {"title": "Score on held-out pictures", "told": "Held-out score", "base": base, "whole": True,
             "points": [[each["step"], round(each["figures"]["score"], 4)] for each in figures
                        if each["figures"].get("score") is not None]}],
        "log": [cut(line) for line in jobs.log(job.id, LOG_LINES)] if log and trusted else [],
    }


def runs(jobs: Jobs, found: Sequence[Job], results: Mapping[str, Mapping], selected: str, ticked: Sequence[str],
         trusted: bool) -> dict:
    """The value of a Runs. `results` are those of the runs that are done, by their ids."""
    rows, beside = [], []
    for job in found:
        result = results.get(job.id)
        word, kind = receipts.verdict(result) if result else ("", "idle")
        name = cards.title(jobs, job).removeprefix("Training of ") if trusted else "Training"
        rows.append({"id": job.id, "title": name, "status": cards.status(job), "mark": cards.MARK[job.status],
                     "verdict": word, "kind": kind, "done": result is not None})
        if result is not None and job.id in ticked:
            beside.append((name, cards.status(job).split(" · ")[1], result))
    return {"runs": rows, "selected": selected, "ticked": [each["id"] for each in rows if each["id"] in ticked],
            "beside": receipts.beside(beside)}


def _facts(job: Job, curve: Mapping, base: float | None) -> list[list[str]]:
    told, steps, figures = [], curve["steps"], curve["evaluations"]
    if job.status == "running" and job.progress and job.progress.left is not None:
        told.append(["Time left", duration(job.progress.left)])
    if steps:
        newest = steps[-1]
        whole = (curve["plan"] or {}).get("steps")
        told.append(["Update", f"{newest['step']:,} of {whole:,}" if whole else f"{newest['step']:,}"])
        told.append(["Loss", f"{newest['loss']:.3g}"] if "loss" in newest else ["Loss", "–"])
    scored = [each for each in figures if each["figures"].get("score") is not None]
    if len(scored) > (base is not None):
        best = max(scored, key=lambda each: each["figures"]["score"])
        now = f"{scored[-1]['figures']['score']:.3f}"
        told.append(["Held-out score", f"{base:.3f} → {now}" if base is not None else now])
        told.append(["Best so far", f"{best['figures']['score']:.3f} at {best['step']:,}"])
    for name, key, words in (("Learning rate", "learning_rate", "{:.1e}"), ("Memory", "memory_gb", "{:.2f} GB"),
                             ("Samples a second", "samples_per_s", "{:.1f}")):
        value = next((each[key] for each in reversed(steps) if each.get(key) is not None), None)
        told += [[name, words.format(value)]] if value is not None else []
    return told


def _onward(found: Sequence[Mapping]) -> list[Mapping]:
    """Without what a later part goes through again: a run that was killed before its first checkpoint begins anew."""
    kept: list[Mapping] = []
    for each in found:
        while kept and kept[-1]["step"] >= each["step"]:
            kept.pop()
        kept.append(each)
    return kept


def _points(steps: Sequence[Mapping], name: str) -> list[list[float]]:
    points = [[each["step"], round(each[name], 4)] for each in steps if each.get(name) is not None]
    stride = -(-len(points) // POINTS) or 1
    return [each for place, each in enumerate(points) if (len(points) - 1 - place) % stride == 0]


def _takes(report: Mapping) -> list[tuple[str, str]]:
    told = []
    if report.get("expected_minutes") is not None:
        told.append(("Time", f"about {duration(60 * report['expected_minutes'])}"))
    if memory := report.get("memory"):
        told.append(("Memory", f"{size(memory['needed'])} of {size(memory['free'])} free"))
    told.append(("Learns from", f"{report['samples']:,} samples")) if "samples" in report else None
    told.append(("Held out", f"{report['heldout']:,} samples")) if "heldout" in report else None
    if report.get("trained") and report.get("parameters"):
        told.append(("Trains", f"{report['trained']:,} of {report['parameters']:,} weights"))
    if plan := report.get("plan"):
        told.append(("Updates", f"{plan['steps']:,} at most"))
    return told


def size(count: float) -> str:
    return f"{count / 1e9:.1f} GB" if count >= 1e8 else f"{max(1, count / 1e6):.0f} MB"


def version(value: object) -> str:
    """Equal for what looks equal."""
    return hashlib.sha256(json.dumps(value, sort_keys=True, default=str).encode()).hexdigest()[:16]


def _sentence(text: object) -> str:
    plain = cut(text)
    return plain[:1].upper() + plain[1:]
