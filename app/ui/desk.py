"""What lies on a visitor's desk: which comparison, which of its pictures is looked at, what is typed but not yet asked.

The desk itself is a few ids in the browser, so that a reload and a restart of the server find it again; pictures,
questions and answers are in the store, which gives them only to their owner, or to who has a link.
"""
from __future__ import annotations

import uuid
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace

from app.comparing import Comparing, Running, finished
from app.intake import Asked
from app.store import NotFound, Store
from app.tasks import LONGEST_QUERY
from app.types import Comparison, Sample
from app.ui.shown import thumbnail
from app.ui.tray import TrayItem, TrayView


@dataclass(frozen=True)
class Desk:
    """`token` is that of a link, while somebody else's comparison is looked at. `captions` are by sample.
    `before` is the comparison that a removed picture was part of. `question` is the common one, if it is known."""
    comparison: str = ""
    sample: str = ""
    token: str = ""
    before: str = ""
    question: str | None = None
    captions: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def read(cls, told: object) -> Desk:
        """From the browser, which may say anything."""
        told = told if isinstance(told, dict) else {}
        words = {name: str(told.get(name) or "")[:200] for name in ("comparison", "sample", "token", "before")}
        captions = told.get("captions") if isinstance(told.get("captions"), dict) else {}
        question = told.get("question")
        question = question[:LONGEST_QUERY] if isinstance(question, str) else None
        return cls(**words, question=question, captions={str(key)[:200]: str(text)[:LONGEST_QUERY]
                                      for key, text in list(captions.items())[:1000]})

    def to_json(self) -> dict:
        return asdict(self)

    def typed(self, captions: Mapping[str, str]) -> Desk:
        return replace(self, captions={**self.captions, **captions})


def read(told: object) -> tuple[str, Desk]:
    """(owner, desk) as the browser remembers them. A visitor without a name has no desk and sees nobody's."""
    told = told if isinstance(told, dict) else {}
    return str(told.get("owner") or "")[:200], Desk.read(told.get("desk"))


def kept(desk: Desk, owner: str) -> dict:
    """What the browser is to remember."""
    return {"owner": owner, "desk": desk.to_json()}


def opened(store: Store, desk: Desk, owner: str) -> Comparison | None:
    """The comparison on the desk; None where there is none any more."""
    try:
        if not owner:
            return None
        if desk.token:
            return store.shared(desk.token)
        return store.comparison(desk.comparison, owner) if desk.comparison else None
    except NotFound:
        return None


def found(store: Store, comparing: Comparing, desk: Desk, owner: str) -> tuple[Comparison | None, Running | None]:
    """The comparison on the desk, and what still runs for it. What ended between the two looks is read again: its last
    answers came into the store after the first one."""
    comparison = opened(store, desk, owner)
    running = comparing.find(comparison.id) if comparison else None
    return (comparison, running) if running else (opened(store, desk, owner), None)


def looked_at(comparison: Comparison, desk: Desk) -> Sample:
    return next((sample for sample in comparison.samples if sample.id == desk.sample), comparison.samples[0])


def laid(store: Store, owner: str, desk: Desk, samples: Sequence[Sample], selected: int = 0) -> tuple[Comparison, Desk]:
    """Put these samples on the desk, unasked. What lay there before, if nothing was asked of it, is thrown away."""
    if not owner:
        raise ValueError("this page has forgotten who you are; reload it")
    now = opened(store, desk, owner)
    draft = store.begin(owner, samples, ())
    if now is not None and not now.models and not desk.token:
        store.remove(now.id, owner)
    sample = draft.samples[min(max(selected, 0), len(samples) - 1)].id
    return draft, Desk(draft.id, sample, question=desk.question, captions=desk.captions)


def brought_back(store: Store, desk: Desk, owner: str) -> Desk:
    """Undo the last removal. Nothing happens where there is none."""
    try:
        store.restore(desk.before, owner)
        return Desk(store.comparison(desk.before, owner).id, question=desk.question, captions=desk.captions)
    except NotFound:
        return desk


def told(samples: Sequence[Sample], known: Mapping[str, Asked]) -> list[Sample]:
    """The samples with what a list says about them, which came after the pictures; new ids where it changed them."""
    found = []
    for sample in samples:
        asked = known.get(sample.images[0].name)
        if asked is None:
            found.append(sample)
            continue
        found.append(replace(sample, id=uuid.uuid4().hex, task=asked.task or sample.task, truth=asked.truth,
                             query=asked.query or sample.query, source=asked.source or sample.source))
    return found


def worded(samples: Sequence[Sample], task: str, question: str, captions: Mapping[str, str]) -> tuple[Sample, ...]:
    """The samples with the questions that stand on the page: a picture's own, else the common one.

    A sample whose question changed is another sample: its truth was an answer to the old one.
    """
    found = []
    for sample in samples:
        query = " ".join(captions.get(sample.id, "").split()) or question.strip()
        if (sample.task, sample.query) == (task, query):
            found.append(sample)
        else:
            found.append(Sample(uuid.uuid4().hex, sample.images, task, query, source=sample.source))
    return tuple(found)


def common(samples: Sequence[Sample], desk: Desk) -> str:
    """The question of all pictures without their own: as it was typed, else the one that most of them share."""
    if desk.question is not None:
        return desk.question
    counted = Counter(sample.query for sample in samples).most_common(1)
    return counted[0][0] if counted and (counted[0][1] > 1 or len(samples) == 1) else ""


def captions(samples: Sequence[Sample], desk: Desk, question: str) -> dict[str, str]:
    """Each picture's own question: what was typed, else what it has unless that is the common one."""
    return {sample.id: desk.captions.get(sample.id, "" if sample.query == question else sample.query)
            for sample in samples}


def tray(comparison: Comparison | None, desk: Desk, running: Running | None = None, question: str = "",
         **words) -> TrayView:
    """The pictures in a row. `words` are the tray's own: problems, removed, busy."""
    if comparison is None:
        return TrayView(question=question, **words)
    own, ended = captions(comparison.samples, desk, question), finished(comparison, running)
    items = tuple(_item(sample, own[sample.id], ended[sample.id], len(comparison.models))
                  for sample in comparison.samples)
    selected = comparison.samples.index(looked_at(comparison, desk))
    return TrayView(items, selected, question=question, **words)


def _item(sample: Sample, caption: str, ended: int, of: int) -> TrayItem:
    [image] = sample.images
    size = "{} × {}".format(*image.size)
    status = "" if not of else "answered" if ended >= of else f"{ended} of {of}" if ended else "waiting"
    return TrayItem(sample.id, image.name or "picture", thumbnail(image), size, caption, status)
