"""What a model is doing, in words: the head of a panel and what stands under its picture. Pure."""
from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from app.badges import Badge
from app.catalogue import Entry
from app.predict import STOPPED, Update
from app.types import Annotation, Prediction
from app.ui.component import printable

MEASURES = {"f1": "F1", "accuracy": "hit", "joints": "joints right", "exact": "exact"}  # a task's measure, in words
LONGEST_TEXT = 100_000  # characters of one answer that a page still scrolls smoothly through


def state(update: Update) -> tuple[str, str]:
    """(kind, words): kind is idle, busy, done, warning or problem."""
    if update.state == "queued":
        return "busy", f"queued, {update.ahead} ahead" if update.ahead else "queued, next"
    if update.state == "loading":
        return "busy", update.note or "loading the model"
    if update.state == "answering":
        found = amounts(update.prediction.annotations) if update.prediction else ""
        return "busy", f"answering… {found} so far" if found else "answering…"
    return outcome(update.prediction)


def outcome(prediction: Prediction) -> tuple[str, str]:
    """The end of an answer, by its status."""
    found = amounts(prediction.annotations)
    took = f"{prediction.seconds:.1f} s"
    problem = printable(prediction.problems[0]) if prediction.problems else ""
    match prediction.status:
        case "ok":
            return "done", f"{found or 'answered'} · {took}"
        case "empty":
            return "done", f"nothing found · {took}"
        case "truncated" if problem.startswith(STOPPED):
            return "warning", f"stopped · {found or 'nothing'} so far"
        case "truncated":
            return "warning", f"cut off after {prediction.tokens} tokens: raise “Longest answer” below"
        case "unreadable":
            return "warning", f"could not be read · {took}: try another prompt below"
        case "refused":
            return "warning", f"refused · {took}"
        case _:
            return "problem", f"failed: {problem or 'no reason was given'}"


def badge(badge: Badge | None) -> dict | None:
    """The coordinate self-test in the head of a panel: two words, and all of it where the pointer rests."""
    if badge is None:
        return None
    kind = {True: "good", False: "bad", None: "none"}[badge.ok]
    return {"kind": kind, "text": badge.text, "detail": printable(". ".join((badge.detail, *badge.failures))[:1000])}


def answer(update: Update) -> dict:
    """What stands under the picture: the answer in words where it is not on the picture, problems, the raw text."""
    prediction = update.prediction
    if prediction is None:
        return {}
    problems = [printable(each) for each in prediction.problems if not each.startswith(STOPPED)]
    answered = prediction.status != "failed"
    return {
        "said": said(prediction),
        "problems": problems if update.state == "done" else [],
        "failed": not answered,
        "text": printable(prediction.text[:LONGEST_TEXT]) if answered else None,
        "prompt": printable(prediction.prompt[:LONGEST_TEXT]),
        "facts": facts(prediction) if answered else "",
    }


def said(prediction: Prediction) -> str:
    """An answer that cannot be drawn: objects without a place are counted, a question's answer is its text."""
    if prediction.request.task == "ask":
        return printable(prediction.text.strip()[:LONGEST_TEXT])
    bare = Counter(each.label or "object" for each in prediction.annotations if not each.box and not each.points)
    return printable(" · ".join(f"{number} × {label}" for label, number in bare.items()))


def facts(prediction: Prediction) -> str:
    told = [counted(prediction.tokens, "token")] if prediction.tokens else []
    if prediction.seconds_to_first is not None:
        told.append(f"first after {prediction.seconds_to_first:.1f} s")
    told += [f"revision {printable(prediction.revision)[:12]}"] if prediction.revision else []
    told += ["held to its form"] if prediction.generation.structure else []
    told += [f"temperature {prediction.generation.temperature:g}"] if prediction.generation.temperature else []
    return " · ".join(told)


def sentence(text: str = "", problem: bool = False) -> dict:
    """A sentence for the person. It begins with a capital, unless it begins with the name of a file."""
    if text.split(" ")[0].isalpha():
        text = text[0].upper() + text[1:]
    return {"text": printable(text), "problem": problem}


def amounts(annotations: Sequence[Annotation]) -> str:
    """`3 boxes, 14 points`: what there is, by kind; empty where there is nothing."""
    boxes = sum(1 for each in annotations if each.box)
    points = sum(1 for each in annotations for point in each.points if point.visibility != "absent")
    bare = sum(1 for each in annotations if not each.box and not each.points)
    told = [counted(boxes, "box", "boxes"), counted(points, "point"), f"{bare} counted"]
    return ", ".join(words for number, words in zip((boxes, points, bare), told, strict=True) if number)


def needs(entry: Entry) -> str:
    """What a model takes: `6.1 GB to download, 8 GB of GPU memory, a licence to accept`."""
    spec = entry.spec.needs
    told = [f"{spec['download_gb']} GB to download"] if entry.state == "to download" and "download_gb" in spec else []
    told += [f"{spec['gpu_gb']} GB of GPU memory"] if "gpu_gb" in spec else []
    told += ["a licence to accept"] if "token" in spec and entry.state == "to download" else []
    return ", ".join(told)


def counted(number: int, one: str, many: str = "") -> str:
    """`1 box`, `1,200 boxes`. `many` is for words whose plural has more than an s."""
    return f"{number:,} {one if number == 1 else many or one + 's'}"
