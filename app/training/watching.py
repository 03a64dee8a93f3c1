"""What a run has told so far, read while it learns: its curve piece by piece, and the pictures on which one sees it.

    told = curve(folder)                       # all of it
    told = curve(folder, told["offset"])       # what came since
"""
from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

from app import rows
from app.jobs import run
from app.spec import from_json
from app.types import Annotation, Sample

MOST = 1_000  # points of a curve that one reading gives
STEP = ("step", "t", "loss", "learning_rate", "grad_norm", "samples_per_s", "memory_gb")
WORDS = {"out_of_memory": "words", "checkpoint_damaged": "why", "vision_cache_off": "why"}


def curve(folder: Path, since: int = 0, most: int = MOST) -> dict:
    """What events.jsonl says from byte `since` on: {"offset", "keep", "steps", "evaluations", "plan", "notes"}.

    "offset" is the next `since`. "keep" is None, or the step behind which what was given before does not hold any
    more, because the run went on from a checkpoint: the points behind it come again. "steps" are {"step", "t", "loss",
    "learning_rate", "grad_norm", "samples_per_s", "memory_gb"}, the last two now and then; of more than `most`, some
    are left out. "evaluations" are {"step", "t", "figures": {"score", …}}. "plan" is the newest of the run or None;
    "notes" are sentences.
    """
    path, keep = folder / "events.jsonl", None
    if since and (not path.exists() or path.stat().st_size < since):
        since, keep = 0, -1  # another file than the one that was read before
    told, offset = _lines(path, since)
    steps, evaluations, plan, notes = [], [], None, []
    for event in told:
        match event.get("name"):
            case "step":
                steps.append({name: event[name] for name in STEP if name in event})
            case "evaluation":
                evaluations.append({"step": event["step"], "t": event["t"], "figures": _figures(event)})
            case "plan":
                plan = {name: value for name, value in event.items() if name not in ("t", "name")}
            case "resumed":
                last = int(event["step"])
                steps = [each for each in steps if each["step"] <= last]
                evaluations = [each for each in evaluations if each["step"] <= last]
                keep = last if keep is None else min(keep, last)
                notes.append(f"went on from step {last}")
            case name if name in WORDS:
                notes.append(str(event.get(WORDS[name], name)))
    return {"offset": offset, "keep": keep, "steps": _thinned(steps, most), "evaluations": evaluations, "plan": plan,
            "notes": notes}


def shown(folder: Path) -> dict:
    """{"samples": the held-out Samples that are shown, "evaluations": [{"step", "score", "answers"}]}, the first of
    which is the base's, at step 0. "answers" has for each sample {"text", "status", "annotations": (Annotation, …)}."""
    found: dict[int, dict] = {}
    for event in run.events(folder, "evaluation"):
        if event.get("answers"):
            found[event["step"]] = event  # a step that was gone through twice counts as it was the last time
    ids = [each["id"] for each in next(iter(found.values()))["answers"]] if found else []
    there = _samples(folder, ids)
    evaluations = []
    for step in sorted(found):
        answers = {each["id"]: {"text": each["text"], "status": each["status"], "annotations": rows.read(
            tuple[Annotation, ...], each["annotations"])} for each in found[step]["answers"]}
        evaluations.append({"step": step, "score": found[step].get("eval_score"),
                            "answers": [answers.get(sample.id) for sample in there]})
    return {"samples": there, "evaluations": evaluations}


def _samples(folder: Path, ids: list[str]) -> list[Sample]:
    """Those of the held-out samples, in the order of `ids`; none where the run's folder was removed or damaged."""
    try:
        path = folder / from_json(run.spec(folder)).heldout if ids else folder
    except ValueError:
        return []
    if not path.is_file():
        return []
    found: dict[str, Sample] = {}
    with path.open(encoding="utf-8") as lines:
        for line in lines:
            row = json.loads(line)
            if row.get("id") in ids:
                found[row["id"]] = rows.read(Sample, row)
            if len(found) == len(ids):
                break
    return [found[id] for id in ids if id in found]


def _lines(path: Path, since: int) -> tuple[Iterator[dict], int]:
    """Whole lines from there on, and where the next one begins: a line that is being written is read next time."""
    try:
        with open(path, "rb") as file:
            file.seek(since)
            text = file.read()
    except FileNotFoundError:
        return iter(()), since
    text = text[:text.rfind(b"\n") + 1]
    return _told(text), since + len(text)


def _told(text: bytes) -> Iterator[dict]:
    for line in text.decode("utf-8", "replace").splitlines():
        try:
            event = json.loads(line)
        except ValueError:  # torn by a kill
            continue
        if isinstance(event, dict):
            yield event


def _figures(event: dict) -> dict:
    return {name.removeprefix("eval_"): value for name, value in event.items() if name.startswith("eval_")}


def _thinned(steps: list[dict], most: int) -> list[dict]:
    """Evenly, with the last one: what a curve of a few hundred pixels can show."""
    stride = -(-len(steps) // most)
    return steps if stride <= 1 else [each for place, each in enumerate(steps)
                                      if (len(steps) - 1 - place) % stride == 0]
