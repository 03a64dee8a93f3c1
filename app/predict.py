"""Ask one model, or several at once, yielding while they answer; every failure stays in its own answer.

    for update in compare(models, [Ask(spec, request) for spec in specs]):
        if update is None:          # nothing happened for a quarter of a second: a chance to notice a closed tab
            continue
        print(update.model, update.state, update.prediction)

The page, the commands and the tests all come through here. Nothing on this page imports torch.
"""
from __future__ import annotations

import logging
import queue
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import groupby

from app import confidence, families, tasks
from app.backends import ModelError, Refused, Step
from app.backends.loaded import LoadedModels, Place
from app.types import Generation, ModelSpec, Parsed, Prediction, Request

HEARTBEAT = 0.25  # seconds: a Stop button has to feel like one
GRACE = 1.0  # seconds a stopped model gets to say where it stopped; a long prefill on a CPU cannot be interrupted
STOPPED = "stopped by you"  # how the problem of an answer begins that a person ended
LONGEST_PROMPT = 4_000  # characters: the longest query in the longest wording of a family, with room

UNFORMED = "written freely: this model has no form for such an answer that could be held to"

GREEDY = Generation()

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Ask:
    """A question to one model, and how its answer is written."""
    spec: ModelSpec
    request: Request
    generation: Generation = GREEDY


@dataclass(frozen=True)
class Update:
    """What is now known of one model: `state` is "loading", "queued", "answering" or "done".

    `ahead` counts the questions before this one while queued. `prediction` is None until the first words came; while
    answering it is the text so far with the boxes that can be read from it already; with "done" it is final.
    """
    model: str
    state: str
    ahead: int = 0
    prediction: Prediction | None = None
    note: str = ""  # what a load is doing, in words


def compare(models: LoadedModels, asks: Sequence[Ask], stop: threading.Event | None = None) -> Iterator[Update | None]:
    """Several models' updates as they come, None after those that came together, and one "done" for each model.

    Never raises for what a model, picture or question did. None also comes as a heartbeat, at least every HEARTBEAT.

    A thread per model, so that each streams by itself and fails by itself. Setting `stop`, or closing this iterator
    (which sets it), ends them all. Updates that nobody fetched in time are skipped, the newest is kept.
    """
    stop = stop or threading.Event()
    told: queue.SimpleQueue[Update] = queue.SimpleQueue()
    known = {ask.spec.id: Update(ask.spec.id, "loading") for ask in asks}
    for ask in asks:
        threading.Thread(target=_answer, args=(models, ask, stop, told.put), name=f"ask {ask.spec.id}",
                         daemon=True).start()
    stopped_at = None
    try:
        while any(update.state != "done" for update in known.values()):
            if stop.is_set():
                stopped_at = stopped_at or time.monotonic()
                if time.monotonic() - stopped_at > GRACE:
                    break
            news = _newest(told)
            known |= news
            yield from news.values()
            yield None  # that was all for now: who draws these may draw
        for ask in asks:
            if known[ask.spec.id].state != "done":
                known[ask.spec.id] = Update(ask.spec.id, "done", prediction=_abandoned(ask, known[ask.spec.id]))
                yield known[ask.spec.id]
    finally:
        if any(update.state != "done" for update in known.values()):
            stop.set()


def many(models: LoadedModels, asks: Sequence[Ask], stop: threading.Event | None = None) -> Iterator[Prediction]:
    """One final prediction for each question, in order, several written at the same time where the model can.

    Never raises for what a model, picture or question did. Setting `stop` ends it: those being written are "truncated",
    those behind them are left out. The quick road of an evaluation; who watches an answer grow takes `compare`.
    """
    stop = stop or threading.Event()
    for generation, group in groupby(asks, key=lambda ask: ask.generation):
        yield from _many(models, list(group), generation, stop)


def prediction_json(prediction: Prediction) -> dict:
    """A prediction as the commands print it. Sizes and boxes are pixels of the upright picture."""
    request = prediction.request
    task, query = tasks.typed(request)
    width, height = request.images[0].size if request.images else (0, 0)
    return {
        "model": prediction.model,
        "revision": prediction.revision,
        "task": task,
        "query": query,
        "image": {"width": width, "height": height},
        "prompt": prediction.prompt,
        "text": prediction.text,
        "status": prediction.status,
        "annotations": [annotation.to_json() for annotation in prediction.annotations],
        "problems": list(prediction.problems),
        "tokens": prediction.tokens,
        "seconds": round(prediction.seconds, 3),
        "seconds_to_first": None if prediction.seconds_to_first is None else round(prediction.seconds_to_first, 3),
    }


def _newest(told: queue.SimpleQueue) -> dict[str, Update]:
    """The newest update of each model that said something; empty after a heartbeat of silence."""
    news: dict[str, Update] = {}
    try:
        update = told.get(timeout=HEARTBEAT)
        while True:
            news[update.model] = update
            update = told.get_nowait()
    except queue.Empty:
        return news


def _answer(models: LoadedModels, ask: Ask, stop: threading.Event, tell: Callable[[Update], None]) -> None:
    """One model from question to final prediction, in its own thread: whatever happens, the last word is "done"."""
    try:
        final = _asked(models, ask, stop, tell)
    except (ModelError, ValueError) as problem:  # written for the person, PictureError among them
        final = failed(ask, str(problem))
    except MemoryError:
        final = failed(ask, "this machine is out of memory; close another model, or lower the pixel budget in the "
                       "settings")
    except Exception as bug:  # ours: it crashes, in one panel, and the log has the way to it
        log.exception("asking %s", ask.spec.id)
        final = failed(ask, f"a fault in Boxloop, not in your question: {_named(bug)}; the log has the details")
    tell(Update(ask.spec.id, "done", prediction=final))


def _asked(models: LoadedModels, ask: Ask, stop: threading.Event, tell: Callable[[Update], None]) -> Prediction:
    spec, request = ask.spec, ask.request
    family = families.find(spec.family)
    check(request)
    family.check(request)  # before minutes of download, not after
    now = _Blank(ask)
    step, began = None, time.monotonic()
    for event in models.answer(spec, request, ask.generation, stop):
        if isinstance(event, Place):
            now = now.at(event)
            began = time.monotonic()
            tell(Update(spec.id, event.state, event.ahead, note=event.note))
            continue
        step = event
        if step.finished is None:
            parsed = replace(family.parse(step.text, request, step.frame), status="ok", problems=())
            tell(Update(spec.id, "answering", prediction=now.read(step, parsed, time.monotonic() - began)))
    if step is None:
        return now.read(Step("", 0, "", None, "cancelled"), Parsed((), "ok"), 0.0)
    return now.read(step, family.parse(step.text, request, step.frame), time.monotonic() - began)


def _many(models: LoadedModels, asks: Sequence[Ask], generation: Generation, stop: threading.Event
          ) -> Iterator[Prediction]:
    """As `many`, for questions that are asked with one generation."""
    refused = {number: sentence for number, ask in enumerate(asks) if (sentence := _refusal(ask))}
    gone: dict[str, str] = {}  # models that cannot be had, and why
    answers = iter(())
    for number, ask in enumerate(asks):
        if sentence := refused.get(number) or gone.get(ask.spec.id):
            yield failed(ask, sentence)
            continue
        try:
            if not (found := next(answers, None)):
                answers = _finished(models.answer_many(
                    [(each.spec, each.request) for n, each in enumerate(asks[number:], number)
                     if n not in refused and each.spec.id not in gone], generation, stop))
                found = next(answers, None)
        except (ModelError, ValueError) as problem:
            gone[ask.spec.id] = str(problem)
            yield failed(ask, str(problem))
            continue
        if found is None:
            return  # stopped
        step, place, seconds = found
        if isinstance(step, Refused):
            yield failed(ask, step.problem)
            continue
        parsed = families.find(ask.spec.family).parse(step.text, ask.request, step.frame)
        yield replace(_Blank(ask).at(place), revision=step.revision or place.revision).read(step, parsed, seconds)


def _finished(events: Iterator) -> Iterator[tuple[Step | Refused, Place, float]]:
    """Each answer with the Place it was written in, and how long it took."""
    place, began = None, time.monotonic()
    for event in events:
        if isinstance(event, Place):
            place, began = event, time.monotonic()
            continue
        yield event, place, getattr(event, "seconds", None) or time.monotonic() - began
        began = time.monotonic()


def _refusal(ask: Ask) -> str | None:
    """Why a question cannot be asked at all, before anything is loaded."""
    try:
        check(ask.request)
        families.find(ask.spec.family).check(ask.request)
    except ValueError as problem:
        return str(problem)
    return None


def check(request: Request) -> None:
    """Raises ValueError, saying what to do, for a question that no model can be asked."""
    if not request.images:
        raise ValueError("there is no picture to ask about; add one first")
    if request.prompt is None:
        tasks.request(request.images, *tasks.typed(request))  # the one place that judges a question
    elif not request.prompt.strip():
        raise ValueError("the edited prompt is empty; write one, or go back to the task's own")
    elif len(request.prompt) > LONGEST_PROMPT:
        raise ValueError(f"the edited prompt has {len(request.prompt):,} characters; "
                         f"keep it under {LONGEST_PROMPT:,}")


def failed(ask: Ask, problem: str) -> Prediction:
    """The prediction of a model that did not get to answer, with the one sentence that says why."""
    return Prediction(model=ask.spec.id, revision=ask.spec.revision, request=ask.request, generation=ask.generation,
                      prompt="", text="", frame=None, annotations=(), status="failed", problems=(problem,), tokens=0,
                      seconds=0.0, seconds_to_first=None)


@dataclass(frozen=True)
class _Blank:
    """Everything of a prediction that is known before the model says anything."""
    ask: Ask
    revision: str | None = None
    problems: tuple[str, ...] = ()

    def at(self, place: Place) -> _Blank:
        ask = self.ask if place.generation is None else replace(self.ask, generation=place.generation)
        return _Blank(ask, place.revision, (*self.problems, place.problem) if place.problem else self.problems)

    def read(self, step: Step, parsed: Parsed, seconds: float) -> Prediction:
        status, problems = parsed.status, parsed.problems
        if step.finished == "length":
            status, problems = "truncated", (*problems, f"stopped after {step.tokens} tokens; raise the limit")
        if step.finished == "cancelled":
            status, problems = "truncated", (*problems, stopped_after(step.tokens))
        if self.ask.generation.structure and not _formed(self.ask):
            problems = (*problems, UNFORMED)
        return Prediction(
            model=self.ask.spec.id, revision=self.revision, request=self.ask.request, generation=self.ask.generation,
            prompt=step.prompt, text=step.text, frame=step.frame,
            annotations=confidence.scored(parsed, step.text, step.written), status=status,
            problems=(*problems, *self.problems), tokens=step.tokens, seconds=seconds,
            seconds_to_first=step.seconds_to_first)


def _formed(ask: Ask) -> bool:
    """Whether the answer can be held to a form at all."""
    return ask.spec.backend == "local" and families.find(ask.spec.family).form(ask.request) is not None


def stopped_after(tokens: int) -> str:
    return f"{STOPPED} after {tokens} tokens"


def _abandoned(ask: Ask, last: Update) -> Prediction:
    """The last word for a model that is too deep in one step to give its own."""
    if last.prediction is None:
        return replace(failed(ask, stopped_after(0)), status="truncated")
    return replace(last.prediction, status="truncated", problems=(stopped_after(last.prediction.tokens),))


def _named(bug: Exception) -> str:
    return f"{type(bug).__name__}: {bug}" if str(bug) else type(bug).__name__
