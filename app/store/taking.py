"""A model's answer in a comparison becomes a sample of a dataset, with its first correction."""
from __future__ import annotations

from collections.abc import Sequence

import sqlalchemy as sa

from app import agreement, tasks
from app.store import adding
from app.store.corrections import SAME, Corrections
from app.store.database import Database
from app.store.errors import Conflict, NotFound
from app.store.schema import prediction
from app.store.shelf import Shelf
from app.store.writer import Writer
from app.types import Annotation, Comparison, Correction, Prediction, Sample


def take(database: Database, writer: Writer, shelf: Shelf, corrections: Corrections, comparison: Comparison,
         sample: str, model: str, dataset: str, *, author: str, client: str, key: str,
         annotations: Sequence[Annotation] | None, suggested: bool) -> Correction:
    """See `Datasets.take`. In two steps, sample and correction; who repeats it after a kill goes on with the second."""
    asked, answer = _asked(comparison, sample, model)
    if annotations is None and answer.status not in ("ok", "empty", "truncated"):
        raise ValueError(f"{model}'s answer is {answer.status}, so there is nothing to take; take another model's")
    added = adding.add(writer, shelf, dataset, [asked], None, author, suggested, _agreement(comparison, sample))
    if added.refused:
        raise ValueError(added.refused[0][1])
    id, = added.ids
    now = corrections.now(id)
    if now.removed:
        return corrections.restore(id, now.parent, parent=now.id, author=author, client=client, key=key)
    origin = _id(database, comparison.id, sample, model)
    untouched = now.seq == 0 or (now.seq == 1 and now.prediction and not now.reviewed)  # by people
    if not untouched or (now.prediction == origin and annotations is None):
        return now
    truth = answer.annotations if annotations is None else annotations
    words = answer.text.strip() if tasks.TASKS[asked.task].query == "question" else SAME
    try:
        return corrections.save(id, parent=now.id or None, author=author, client=client, key=key, truth=truth,
                                answer=words, reviewed=False, prediction=origin)
    except Conflict as faster:  # somebody took an answer to the same question in the same moment
        return faster.newest


def _asked(comparison: Comparison, sample: str, model: str) -> tuple[Sample, Prediction]:
    asked = next((one for one in comparison.samples if one.id == sample), None)
    answer = comparison.answers.get((sample, model))
    if asked is None or answer is None:
        raise NotFound(f"{model[:80]} has not answered {sample[:80]!r} in this comparison; wait, or ask it again")
    return asked, answer


def _id(database: Database, comparison: str, sample: str, model: str) -> str:
    """Of a model's newest answer."""
    with database.reading() as connection:
        return connection.scalar(sa.select(prediction.c.id).where(
            prediction.c.comparison == comparison, prediction.c.sample == sample, prediction.c.model == model).order_by(
            prediction.c.seq.desc()).limit(1))


def _agreement(comparison: Comparison, sample: str) -> float:
    asked = next(one for one in comparison.samples if one.id == sample)
    answers = [answer for (of, _), answer in comparison.answers.items() if of == sample]
    return agreement.among(answers, asked.images[0].size)
