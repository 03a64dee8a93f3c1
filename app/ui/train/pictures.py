"""The pictures of a training: three held-out ones while it learns, and those that got better or worse in the end."""
from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from functools import lru_cache
from pathlib import Path

from app import rows, tasks
from app.evaluate import truth_of
from app.report import number
from app.types import Annotation, Sample
from app.ui import words
from app.ui.component import printable
from app.ui.overlay import View
from app.ui.shown import displayable
from app.ui.train.parts import Pair, PairsData, Pane, picture, shapes

SHOWN = 12  # of those that got better, and as many of those that got worse
LONGEST = 200  # characters of an answer in words


def learning(id: str, found: Mapping) -> PairsData:
    """training.shown of the run `id`: the base's answers beside those of each evaluation."""
    samples, evaluations = found["samples"], found["evaluations"]
    if not evaluations:
        return PairsData()
    return PairsData(id=id, title="Held-out pictures it never learns from",
                     note="The base beside the model as it is now. Dashed: what is true.",
                     steps=[_when(each) for each in evaluations],
                     rows=[_pair(n, sample, [(_when(each), each["answers"][n]) for each in evaluations])
                           for n, sample in enumerate(samples)])


def gallery(folder: Path, comparison: Mapping, side: str) -> PairsData:
    """Those that got `side`, "better" or "worse", the largest difference first."""
    found, places = answers(folder), comparison.get(side) or []
    title = {"better": "Got better", "worse": "Got worse"}[side]
    shown = [place for place in places if place < len(found)][:SHOWN]
    more = f"{len(shown)} of {len(places)}. " if len(places) > len(shown) else ""
    return PairsData(id=f"{folder.name} {side}", title=f"{title} ({len(places)})" if places else "",
                     note=f"{more}Base beside tuned; dashed: what is true. A click looks closer.",
                     rows=[_compared(place, found[place]) for place in shown])


def opened(folder: Path, place: object) -> tuple[str, list[tuple[dict, View]]]:
    """A question, and the heads and views of what is true, the base's answer and the tuned one's. Raises ValueError."""
    found = answers(folder)
    if type(place) is not int or not 0 <= place < len(found):  # the browser may say anything
        raise ValueError("This picture is not among the answers of the run.")
    sample, row = found[place]
    image, truth = sample.images[0], truth_of(sample)
    in_words = isinstance(truth, str)
    path, true = displayable(image), () if in_words else truth
    said = truth if in_words else words.amounts(truth) or "nothing is there"
    shown = [(_head("What is true", "done", said), View(path, image.size, tuple(true)))]
    for name, title in (("base", "Base"), ("tuned", "Tuned")):
        answer = row[name]
        shown.append((_head(title, "done" if answer["status"] in ("ok", "empty") else "warning", _said(row, name)),
                      View(path, image.size, _annotations(answer), tuple(true))))
    return f"{image.name or 'picture'} · {tasks.TASKS[sample.task].title}: {sample.query}", shown


def answers(folder: Path) -> list[tuple[Sample, dict]]:
    """answers.jsonl of a run that is done: (sample, {"base", "tuned", "shuffled", "scores"}) in its order."""
    path = folder / "answers.jsonl"
    try:
        return _read(path, path.stat().st_mtime_ns)
    except FileNotFoundError:
        return []


@lru_cache(maxsize=4)
def _read(path: Path, written: int) -> list[tuple[Sample, dict]]:
    found = []
    with path.open(encoding="utf-8") as lines:
        for line in lines:
            row = json.loads(line)
            found.append((rows.read(Sample, row["sample"]), row))
    return found


def _compared(place: int, found: tuple[Sample, dict]) -> Pair:
    sample, row = found
    panes = [(name.capitalize(), row[name] | {"note": _said(row, name)}) for name in ("base", "tuned")]
    return _pair(place, sample, panes, opens=True)


def _pair(place: int, sample: Sample, panes: Sequence[tuple[str, Mapping | None]], opens: bool = False) -> Pair:
    image, truth = sample.images[0], truth_of(sample)
    return Pair(index=place, name=printable(image.name or "picture")[:100], opens=opens, width=image.size[0],
                height=image.size[1], note=printable(sample.query)[:60], image=picture(image),
                truth=[] if isinstance(truth, str) else shapes(truth or ()),
                panes=[_pane(title, answer) for title, answer in panes])


def _pane(title: str, answer: Mapping | None) -> Pane:
    if answer is None:
        return Pane(title=title, note="not asked")
    found = _annotations(answer)
    note = answer.get("note") or (words.amounts(found) or "nothing" if answer["status"] in ("ok", "empty")
                                  else answer["status"])
    drawn = shapes(found)
    return Pane(title=title, note=printable(note), shapes=drawn,
                text="" if drawn or answer["status"] == "empty" else printable(answer["text"])[:LONGEST])


def _annotations(answer: Mapping) -> tuple[Annotation, ...]:
    found = answer["annotations"]
    return found if isinstance(found, tuple) else rows.read(tuple[Annotation, ...], found)


def _said(row: Mapping, name: str) -> str:
    status = row[name]["status"]
    return f"score {number(row['scores'][name])}" + ("" if status in ("ok", "empty") else f" · {status}")


def _when(evaluation: Mapping) -> str:
    score = evaluation.get("score")
    when = "Base" if evaluation["step"] == 0 else f"After update {evaluation['step']:,}"
    return when if score is None else f"{when} · {score:.2f}"


def _head(title: str, kind: str, status: str) -> dict:
    return {"title": title, "about": "", "kind": kind, "status": printable(status)[:300], "note": ""}
