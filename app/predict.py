"""Ask one model, or several at once, yielding while they answer; every failure stays in its own answer.

    for update in compare(models, specs, request):
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

from app import families, tasks
from app.backends import ModelError, Step
from app.backends.loaded import LoadedModels, Place
from app.types import Generation, ModelSpec, Parsed, Prediction, Request

HEARTBEAT = 0.25  # seconds: a Stop button has to feel like one
GRACE = 1.0  # seconds a stopped model gets to say where it stopped; a long prefill on a CPU cannot be interrupted
LONGEST_PROMPT = 4_000  # characters: the longest query in the longest wording of a family, with room

GREEDY = Generation()

log = logging.getLogger(__name__)


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


def ask(models: LoadedModels, spec: ModelSpec, request: Request, generation: Generation = GREEDY,
        stop: threading.Event | None = None) -> Iterator[Update | None]:
    """One model's updates; the last one is "done". Never raises for what the model, picture or question did."""
    return compare(models, [spec], request, generation, stop)


def compare(models: LoadedModels, specs: Sequence[ModelSpec], request: Request, generation: Generation = GREEDY,
            stop: threading.Event | None = None) -> Iterator[Update | None]:
    """Several models' updates as they come, None after those that came together, and one "done" for each model.

    None also comes as a heartbeat, at least every HEARTBEAT.

    A thread per model, so that each streams by itself and fails by itself. Setting `stop`, or closing this iterator
    (which sets it), ends them all. Updates that nobody fetched in time are skipped, the newest is kept.
    """
    stop = stop or threading.Event()
    told: queue.SimpleQueue[Update] = queue.SimpleQueue()
    known = {spec.id: Update(spec.id, "loading") for spec in specs}
    for spec in specs:
        threading.Thread(target=_answer, args=(models, spec, request, generation, stop, told.put),
                         name=f"ask {spec.id}", daemon=True).start()
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
        for spec in specs:
            if known[spec.id].state != "done":
                final = _abandoned(spec, request, generation, known[spec.id])
                known[spec.id] = Update(spec.id, "done", prediction=final)
                yield known[spec.id]
    finally:
        if any(update.state != "done" for update in known.values()):
            stop.set()


def prediction_json(prediction: Prediction) -> dict:
    """A prediction as the commands print it. Sizes and boxes are pixels of the upright picture."""
    request = prediction.request
    width, height = request.images[0].size if request.images else (0, 0)
    return {
        "model": prediction.model,
        "revision": prediction.revision,
        "task": request.task,
        "query": query_of(request),
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


def query_of(request: Request) -> str:
    """The `--query` that would ask this: names separated by `;`, or the caption."""
    return "; ".join(request.names) if request.names else request.caption


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


def _answer(models: LoadedModels, spec: ModelSpec, request: Request, generation: Generation, stop: threading.Event,
            tell: Callable[[Update], None]) -> None:
    """One model from question to final prediction, in its own thread: whatever happens, the last word is "done"."""
    try:
        final = _asked(models, spec, request, generation, stop, tell)
    except (ModelError, ValueError) as problem:  # written for the person, PictureError among them
        final = failed(spec, request, generation, str(problem))
    except MemoryError:
        final = failed(spec, request, generation, "this machine is out of memory; "
                       "close another model, or lower the pixel budget in the settings")
    except Exception as bug:  # ours: it crashes, in one panel, and the log has the way to it
        log.exception("asking %s", spec.id)
        final = failed(spec, request, generation, f"a fault in Boxloop, not in your question: {_named(bug)}; "
                       "the log has the details")
    tell(Update(spec.id, "done", prediction=final))


def _asked(models: LoadedModels, spec: ModelSpec, request: Request, generation: Generation, stop: threading.Event,
           tell: Callable[[Update], None]) -> Prediction:
    family = families.find(spec.family)
    check(request)
    family.check(request)  # before minutes of download, not after
    now = _Blank(spec, request, generation)
    step, began = None, time.monotonic()
    for event in models.answer(spec, request, generation, stop):
        if isinstance(event, Place):
            now = replace(now, revision=event.revision)
            began = time.monotonic()
            tell(Update(spec.id, event.state, event.ahead))
            continue
        step = event
        if step.finished is None:
            parsed = replace(family.parse(step.text, request, step.frame), status="ok", problems=())
            tell(Update(spec.id, "answering", prediction=now.read(step, parsed, time.monotonic() - began)))
    if step is None:
        return now.read(Step("", 0, "", None, "cancelled"), Parsed((), "ok"), 0.0)
    return now.read(step, family.parse(step.text, request, step.frame), time.monotonic() - began)


def check(request: Request) -> None:
    """Raises ValueError, saying what to do, for a question that no model can be asked."""
    if not request.images:
        raise ValueError("there is no picture to ask about; add one first")
    if request.prompt is None:
        tasks.request(request.images, request.task, query_of(request))  # the one place that judges a question
    elif not request.prompt.strip():
        raise ValueError("the edited prompt is empty; write one, or go back to the task's own")
    elif len(request.prompt) > LONGEST_PROMPT:
        raise ValueError(f"the edited prompt has {len(request.prompt):,} characters; "
                         f"keep it under {LONGEST_PROMPT:,}")


def failed(spec: ModelSpec, request: Request, generation: Generation, problem: str) -> Prediction:
    """The prediction of a model that did not get to answer, with the one sentence that says why."""
    return Prediction(model=spec.id, revision=spec.revision, request=request, generation=generation, prompt="", text="",
                      frame=None, annotations=(), status="failed", problems=(problem,), tokens=0, seconds=0.0,
                      seconds_to_first=None)


@dataclass(frozen=True)
class _Blank:
    """Everything of a prediction that is known before the model says anything."""
    spec: ModelSpec
    request: Request
    generation: Generation
    revision: str | None = None

    def read(self, step: Step, parsed: Parsed, seconds: float) -> Prediction:
        status, problems = parsed.status, parsed.problems
        if step.finished == "length":
            status, problems = "truncated", (*problems, f"stopped after {step.tokens} tokens; raise the limit")
        if step.finished == "cancelled":
            status, problems = "truncated", (*problems, stopped_after(step.tokens))
        return Prediction(
            model=self.spec.id, revision=self.revision, request=self.request, generation=self.generation,
            prompt=step.prompt, text=step.text, frame=step.frame, annotations=parsed.annotations, status=status,
            problems=problems, tokens=step.tokens, seconds=seconds, seconds_to_first=step.seconds_to_first)


def stopped_after(tokens: int) -> str:
    return f"stopped by you after {tokens} tokens"


def _abandoned(spec: ModelSpec, request: Request, generation: Generation, last: Update) -> Prediction:
    """The last word for a model that is too deep in one step to give its own."""
    if last.prediction is None:
        return replace(failed(spec, request, generation, stopped_after(0)), status="truncated")
    return replace(last.prediction, status="truncated", problems=(stopped_after(last.prediction.tokens),))


def _named(bug: Exception) -> str:
    return f"{type(bug).__name__}: {bug}" if str(bug) else type(bug).__name__
