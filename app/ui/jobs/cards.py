"""A job in words: what the chip and the cards of the list say. Pure but for the run folder, which is read."""
from __future__ import annotations

import hashlib
import json
import time
from pathlib import PurePath

from app.jobs.queue import Jobs
from app.types import Job, Progress
from app.ui.component import printable

# What a kind does, while it does it and as a thing: "importing 34%", "Import of voc.zip into street".
DOING = {"import": "importing", "export": "exporting", "evaluate": "measuring", "train": "training", "merge": "merging",
         "push": "publishing"}
LONGEST = 300  # characters of a name, a problem or a line of a log
LOG_LINES = 12
MARK = {"queued": "idle", "running": "busy", "done": "done", "failed": "problem", "cancelled": "warning"}


def chip(device: str, jobs: list[Job]) -> dict:
    """`CPU · 2 cores · importing 34%, 12 min`."""
    running = [job for job in jobs if job.status == "running"]
    waiting = sum(job.status == "queued" for job in jobs)
    told = [" ".join(filter(None, (DOING.get(job.kind, job.kind), far(job.progress)))) for job in running[:2]]
    told += [f"{len(running) - 2} more"] if len(running) > 2 else []
    told += [f"{waiting} waiting"] if waiting else []
    return {"text": " · ".join([device, *told]), "busy": bool(running)}


def far(progress: Progress | None) -> str:
    """`34%, 12 min`; empty where nobody knows."""
    if progress is None or not progress.total:
        return ""
    part = f"{min(100, 100 * progress.done / progress.total):.0f}%"
    return f"{part}, {duration(progress.left)}" if progress.left else part


def duration(seconds: float) -> str:
    if seconds < 60:
        return f"{max(1, round(seconds))} s"
    if seconds < 3600:
        return f"{round(seconds / 60)} min"
    hours, minutes = divmod(round(seconds / 60), 60)
    if hours >= 24:
        return f"{hours / 24:.1f} days"
    return f"{hours} h {minutes} min" if minutes else f"{hours} h"


def cards(jobs: Jobs, found: list[Job], opened: str, trusted: bool) -> dict:
    """All cards; the log of the one that is open. Who may not act sees how far jobs are, and nothing inside them."""
    shown = [card(jobs, job, opened == job.id, trusted) for job in found]
    return {"cards": shown, "version": hashlib.sha256(json.dumps(shown).encode()).hexdigest()[:16]}


def card(jobs: Jobs, job: Job, opened: bool, trusted: bool) -> dict:
    progress = job.progress
    part = min(1.0, progress.done / progress.total) if progress and progress.total else None
    return {
        "id": job.id, "title": title(jobs, job) if trusted else DOING.get(job.kind, job.kind).capitalize(),
        "mark": MARK[job.status], "status": status(job), "part": part if job.status == "running" else None,
        "note": cut(note(job)) if trusted else "", "open": opened and trusted,
        "log": [cut(line) for line in log(jobs, job)] if opened and trusted else [],
        "acts": acts(job) if trusted else [],
    }


def title(jobs: Jobs, job: Job) -> str:
    """`Import of voc.zip into street`, from what the job was told."""
    try:
        spec = jobs.spec(job.id)
    except ValueError:  # the note says what is wrong with its folder
        spec = {}
    dataset = cut(spec.get("name") or spec.get("dataset") or "")
    match job.kind:
        case "import":
            source = PurePath(str(spec.get("path") or "")).name
            told = f"Import of {source}" if source else "Import"
            return cut(f"{told} into {dataset}" if dataset else told)
        case "export":
            return cut(f"Export of {dataset} as {spec.get('format', '')}")
        case "evaluate":
            return f"Measurement on {dataset}" if dataset else "Measurement"
        case "train":
            model = cut(spec.get("model") or "")
            return cut(" ".join(filter(None, ("Training", model and f"of {model}", dataset and f"on {dataset}"))))
        case "merge":
            return cut(f"Merging tuned-{spec['job']}" if spec.get("job") else "Merging")
        case "push":
            return cut(" as ".join(filter(None, ("Publishing" + (f" tuned-{spec['job']}" if spec.get("job") else ""),
                                                 spec.get("repo")))))
    return job.kind.capitalize()


def status(job: Job) -> str:
    at = time.strftime("%-d %B, %H:%M", time.localtime(job.ended or job.created))
    match job.status:
        case "queued":
            return "waiting for its turn"
        case "running" if job.stopping:
            return "ending…"
        case "running":
            return " · ".join(filter(None, ("running", far(job.progress))))
        case "done":
            took = duration(job.ended - job.started) if job.ended and job.started else ""
            return " · ".join(filter(None, ("done", at, f"took {took}" if took else "")))
        case _:
            return f"{job.status} · {at}"


def note(job: Job) -> str:
    """What is wrong with it, or what it is doing."""
    doing = job.progress.words if job.progress and job.status in ("running", "cancelled", "failed") else ""
    return ". ".join(filter(None, (doing, job.problem)))


def acts(job: Job) -> list[str]:
    if job.status in ("queued", "running"):
        return [] if job.stopping else ["stop"]
    return ["play", "retry"] if job.status in ("failed", "cancelled") else []


def log(jobs: Jobs, job: Job) -> list[str]:
    lines = jobs.log(job.id, LOG_LINES)
    return lines if any(not line.startswith("---") for line in lines) else ["It has printed nothing."]


def cut(text: object) -> str:
    plain = printable(str(text))
    return plain if len(plain) <= LONGEST else plain[:LONGEST] + "…"
