"""A receipt in words and bars: one for itself, several side by side. Pure: what the run came to is handed over."""
from __future__ import annotations

from collections.abc import Mapping, Sequence

from app.report import RATES, number, title, worse_when_high
from app.report.parts import KINDS
from app.ui.component import printable

VERDICTS = {"better": ("Better", "good"), "worse": ("Worse", "bad"), "no clear difference": ("No clear difference",
            "idle"), "not by looking": ("Not by looking", "warning")}
WORDS = {"better": "good", "worse": "bad"}
FIRST = 8  # numbers that stand under the verdict; the others are folded
LONGEST = 600  # characters of one sentence
KEY = ("Hollow: the base. Full: the tuned model. The band: where the tuned model's number lies with 95% certainty, "
       "measured against the base on the same pictures. Better is to the right.")
NO_RECEIPT = "No receipt"


def told(result: Mapping) -> dict:
    """The value of a Receipt, from a run's result.json."""
    found = result.get("comparison")
    if not found:
        return without(result)
    word, kind = verdict(result)
    measure = found.get("measure") or ""
    # What judges comes first; that nothing failed before and after is no news.
    metrics = sorted(found.get("metrics") or [], key=lambda each: (each["name"] != measure, _silent(each)))
    telling = [each for each in metrics if not _silent(each)][:FIRST]
    tables = [_table("On the held-out pictures", telling)]
    if general := found.get("general"):
        tables.append(_table(f"On {cut(general.get('dataset'))}, which it was not trained for", general["metrics"],
                             f"{general['samples']} samples: what it knew before, and may have forgotten."))
    folded = [_table("More numbers", metrics[len(telling):])] if metrics[len(telling):] else []
    return {"word": word, "kind": kind, "sentences": _sentences(word, found["verdict"].get("sentences") or []),
            "facts": facts(result), "tables": tables, "bounds": KEY, "controls": _controls(found.get("controls") or {}),
            "folded": [*_slices(found.get("slices") or []), *folded]}


def without(result: Mapping) -> dict:
    """What is known of a run that compared nothing: there was no held-out picture, or it is from before receipts."""
    before, after = result.get("before") or {}, result.get("after") or {}
    rows = [_row({"name": name, "base": before.get(name), "tuned": value, "difference": None, "interval": None,
                  "verdict": ""}) for name, value in after.items() if isinstance(value, int | float)]
    said = ("No held-out picture was there to judge by, so nobody knows whether it got better. Put some pictures into "
            "the held-out part of the dataset and train again.") if not rows else (
            "This run compared base and tuned without intervals; train again for a receipt.")
    return {"word": NO_RECEIPT, "kind": "idle", "sentences": [said], "facts": facts(result),
            "tables": [{"title": "On the held-out pictures", "note": "", "rows": rows}] if rows else [], "bounds": "",
            "controls": [], "folded": []}


def verdict(result: Mapping) -> tuple[str, str]:
    """(words, kind) of a run that is done."""
    word = ((result.get("comparison") or {}).get("verdict") or {}).get("word", "")
    return VERDICTS.get(word, (cut(word).capitalize() or NO_RECEIPT, "idle"))


def facts(result: Mapping) -> list[str]:
    found = result.get("comparison") or {}
    told = [f"{result.get('samples', 0):,} samples learnt", f"{result.get('best_step', 0):,} updates",
            f"{result.get('minutes', 0):.1f} minutes" if isinstance(result.get("minutes"), int | float) else ""]
    if found:
        told.append(f"judged on {found.get('samples', 0):,} held-out samples" + (
            "" if found.get("independent", True) else ", by which the best moment was chosen, too"))
    return [cut(each) for each in (*told, result.get("device", "")) if each]


def beside(results: Sequence[tuple[str, str, Mapping]]) -> dict | None:
    """(title, when, result) of several runs as one table: what each was told, and what came of it."""
    if len(results) < 2:
        return None
    names = dict.fromkeys(each["name"] for *_, result in results for each in _metrics(result))
    rows = [{"title": "Verdict", "cells": [dict(zip(("said", "kind"), verdict(result)), note="")
                                           for *_, result in results]}]
    rows += [{"title": cut(title(name)), "cells": [_cell(result, name) for *_, result in results]} for name in names]
    rows += [{"title": name, "cells": [{"said": cut(say(result)), "note": "", "kind": "idle"}
                                       for *_, result in results]} for name, say in SETTINGS.items()]
    return {"columns": [{"title": cut(name), "note": when} for name, when, _ in results], "rows": rows}


def _sentences(word: str, found: Sequence[str]) -> list[str]:
    """The first one begins with the verdict, which stands above it already."""
    plain = [cut(each).removeprefix(f"{word}: ") for each in found]
    return [each[:1].upper() + each[1:] for each in plain]


def _silent(metric: Mapping) -> bool:
    return metric["name"].rpartition(".")[2] in RATES and not metric.get("base") and not metric.get("tuned")


SETTINGS = {
    "Learnt from": lambda result: f"{result.get('dataset') or 'unnamed'}, {result.get('samples', 0):,} samples",
    "Judged on": lambda result: f"{(result.get('comparison') or {}).get('samples', 0):,} samples",
    "Minutes": lambda result: f"{result.get('minutes') or 0:.1f}",
    "Updates": lambda result: f"{result.get('best_step', 0):,} of {result.get('steps', 0):,}",
    "What learnt": lambda result: _learnt(result.get("spec") or {}),
}


def cut(text: object) -> str:
    plain = printable(str(text if text is not None else ""))
    return plain if len(plain) <= LONGEST else plain[:LONGEST] + "…"


def _learnt(spec: Mapping) -> str:
    parts = ", ".join(name for name in ("language", "projector", "vision") if spec.get(name))
    rank = f" {spec['rank']}" if spec.get("tune") != "full" and "rank" in spec else ""
    return f"{spec.get('tune', '')}{rank}: {parts}" if spec else "–"


def _metrics(result: Mapping) -> list[Mapping]:
    return (result.get("comparison") or {}).get("metrics") or []


def _cell(result: Mapping, name: str) -> dict:
    found = next((each for each in _metrics(result) if each["name"] == name), None)
    if found is None:
        return {"said": "–", "note": "", "kind": "idle"}
    return {"said": _said(found), "note": _change(found), "kind": WORDS.get(found["verdict"], "idle")}


def _table(heading: str, metrics: Sequence[Mapping], note: str = "") -> dict:
    return {"title": heading, "note": note, "rows": [_row(each) for each in metrics]}


def _row(metric: Mapping, heading: str = "", of: str = "") -> dict:
    name = metric.get("name") or metric.get("metric") or ""
    word = metric.get("verdict") or ""
    return {"title": cut(heading or title(name)), "of": of, "said": _said(metric), "change": _change(metric),
            "word": "" if word == "no clear difference" and heading else word.capitalize(),
            "kind": WORDS.get(word, "idle"), "at": _at(metric, name)}


def _said(metric: Mapping) -> str:
    name = metric.get("name") or metric.get("metric") or ""
    return f"{number(metric.get('base'), name)} → {number(metric.get('tuned'), name)}"


def _change(metric: Mapping) -> str:
    difference, interval = metric.get("difference"), metric.get("interval")
    if difference is None:
        return ""
    between = f" ({interval[0]:+.2f} to {interval[1]:+.2f})" if interval else ""
    return f"{difference:+.2f}{between}"


def _at(metric: Mapping, name: str) -> dict:
    """Places on the bar, as shares of its width. A number that can be above 1 has the larger of the two near the end;
    one that is better when low runs the other way, so that better is always to the right."""
    base, tuned, interval = metric.get("base"), metric.get("tuned"), metric.get("interval")
    known = [value for value in (base, tuned) if value is not None]
    most = max(known, default=1)
    scale = 1 if most <= 1 else 1 / (1.15 * most)

    def placed(value: float | None) -> float | None:
        if value is None:
            return None
        share = max(0.0, min(1.0, value * scale))
        return 1 - share if worse_when_high(name) else share

    low, high = (base + interval[0], base + interval[1]) if interval and base is not None else (None, None)
    ends = sorted(each for each in (placed(low), placed(high)) if each is not None)
    return {"base": placed(base), "tuned": placed(tuned), "low": ends[0] if ends else None,
            "high": ends[1] if ends else None}


def _slices(found: Sequence[Mapping]) -> list[dict]:
    """A table for each way to divide the pictures; those that say something clear come first in each."""
    kinds = dict.fromkeys(each["kind"] for each in found)
    return [{"title": KINDS.get(kind, cut(kind).capitalize()), "note": "", "rows": [
        _row(each, cut(each["value"][2:] if kind == "size" else each["value"]) or "none", f"{each['count']:,} "
             f"{each['of']}, {cut(title(each['metric']))}") for each in sorted(
            (each for each in found if each["kind"] == kind), key=lambda each: each["verdict"] not in WORDS)]}
        for kind in kinds]


def _controls(found: Mapping) -> list[dict]:
    shown = []
    if shuffled := found.get("shuffled"):
        passed = shuffled.get("passed")
        row = _row({"name": shuffled.get("measure"), "base": shuffled.get("shuffled"), "tuned": shuffled.get("tuned"),
                    "difference": shuffled.get("difference"), "interval": shuffled.get("interval"),
                    "verdict": ""}, "other pictures → the right ones")
        shown.append(_control("Asked about the wrong pictures", "passed" if passed else "not passed",
                              "good" if passed else "bad", shuffled.get("words"), [row]))
    if agnostic := found.get("class_agnostic"):
        row = _row({"name": "f1", "verdict": "", **agnostic}, "F1 without labels")
        shown.append(_control("Places only, labels ignored", "", "idle", agnostic.get("words"), [row]))
    if unreadable := found.get("unreadable"):
        row = _row({"name": "unreadable", "verdict": "", **unreadable}, "unreadable")
        shown.append(_control("Answers that could not be read", "", "idle", unreadable.get("words"), [row]))
    return shown


def _control(heading: str, word: str, kind: str, words: object, rows: list[dict]) -> dict:
    return {"title": heading, "word": word, "kind": kind, "words": cut(words or ""), "rows": rows}
