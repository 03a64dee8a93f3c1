"""A sample of the store as the editor's Work, with its history in words. No gradio."""
from __future__ import annotations

import time
from collections.abc import Mapping, Sequence

from app.store import Store
from app.types import Annotation, Changes, Correction
from app.ui.editor import About, Version, Work
from app.ui.shown import displayable

SHOWN = 50  # versions of a history
NAMES = ("detect", "count")  # tasks whose question lists labels


def work(store: Store, sample: str, titles: Mapping[str, str], *, earlier: str | None = None, place: str = "",
         before: bool = False, suggesting: bool = False, open: bool = False, author: str = "",
         operator: bool = False, dataset: str | None = None) -> Work:
    """Raises NotFound, or PictureError where the file is damaged. `earlier` is the sample that was looked at before."""
    kept, now = store.datasets.sample(sample), store.corrections.now(sample)
    events = store.corrections.history(sample, SHOWN)
    base, beneath = _base(events, store.corrections.given(sample), titles)
    image = kept.images[0]
    versions = history(store, sample, events, titles, author, operator)
    return Work(sample, displayable(image), image.size, about(now), now.truth, base, beneath, now.id or None,
                now.reviewed, _earlier(store, earlier), _labels(store, now, dataset), versions, place, before,
                suggesting, open)


def about(event: Correction) -> About:
    return About(event.task, event.query, event.answer, event.note, event.flagged, event.skipped)


def history(store: Store, sample: str, events: Sequence[Correction], titles: Mapping[str, str], author: str,
            operator: bool) -> tuple[Version, ...]:
    """The newest first, in words; for the operator, what visitors suggest stands above it."""
    waiting = [each.correction for each in store.suggestions.waiting() if each.correction.sample == sample
               ] if operator else []
    return (*(Version(each.id, when(each.created), each.author, f"suggests: {said(each, titles)}") for each in waiting),
            *(Version(each.id, when(each.created), _who(each, author), said(each, titles), n == 0)
              for n, each in enumerate(events[:SHOWN])))


def said(event: Correction, titles: Mapping[str, str]) -> str:
    """What an event did: `2 moved, 1 added`, `answer of tiny-paligemma`, `an older version again`."""
    if event.restores:
        return "an older version again"
    if event.removed:
        return "taken out of the dataset"
    if event.skipped:
        return "skipped"
    if event.model and not event.reviewed and event.seq == 1:
        return f"answer of {titles.get(event.model, event.model)}"
    return counted(event.changes) or ("flagged" if event.flagged else "accepted" if event.reviewed else "words")


def counted(changes: Changes) -> str:
    return ", ".join(f"{len(ids)} {what}" for what, ids in (
        ("moved", changes.moved), ("relabelled", changes.relabelled), ("added", changes.added),
        ("deleted", changes.deleted)) if ids)


def when(created: float) -> str:
    today = time.strftime("%Y%j") == time.strftime("%Y%j", time.localtime(created))
    return time.strftime("%H:%M" if today else "%-d %b %H:%M", time.localtime(created))


def _who(event: Correction, author: str) -> str:
    return "you" if event.author == author else event.author


def _base(events: Sequence[Correction], given: Correction, titles: Mapping[str, str]
          ) -> tuple[tuple[Annotation, ...], str]:
    """What the changes are counted from, and what it is called: the model's answer, else the sample as it came."""
    prediction = events[0].prediction if events else None
    if prediction:
        taken = [event for event in events if event.prediction == prediction][-1]
        return taken.truth or (), titles.get(taken.model, taken.model or "the model")
    return given.truth or (), "it came" if given.truth else ""


def _earlier(store: Store, sample: str | None) -> tuple[Annotation, ...]:
    try:
        return (store.corrections.now(sample).truth or ()) if sample else ()
    except ValueError:  # it was deleted for good meanwhile
        return ()


def _labels(store: Store, now: Correction, dataset: str | None) -> tuple[str, ...]:
    """Those of the question first, then the dataset's, the commonest first."""
    asked = [" ".join(name.split()) for name in now.query.split(";")] if now.task in NAMES else []
    asked += [now.query.strip()] if now.task in ("ground", "point") else ["person"] if now.task == "keypoints" else []
    return tuple(dict.fromkeys([*filter(None, asked), *(label for label, _ in store.queue.labels(dataset) if label)]))
