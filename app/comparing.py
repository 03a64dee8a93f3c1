"""Comparisons that are being answered, in the background: a closed tab or a reload loses nothing.

    running = comparing.ask(comparison, asks)         # a thread per model; each goes from picture to picture
    running.wait(version, 0.25)                       # until there is news
    running.updates[sample.id, model]                 # what is known of one answer
    comparing.stop(comparison.id)

Every answer that ended is in the store before it is called done. A model does not wait for a slower one, and the
picture that somebody looks at comes next.
"""
from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterator, Mapping

from app.backends.loaded import LoadedModels
from app.predict import Ask, Update, failed
from app.store import Store
from app.types import Comparison, ModelSpec

log = logging.getLogger(__name__)
Asks = Mapping[tuple[str, str], Ask]  # by (sample id, model id)


class Comparing:
    """All comparisons of a workspace that are being answered now, by id."""

    def __init__(self, store: Store, models: LoadedModels, compare: Callable[..., Iterator[Update | None]],
                 after: Callable[[ModelSpec], None] = lambda spec: None):
        """`after` hears of each model that has answered."""
        self._store, self._models, self._compare, self._after = store, models, compare, after
        self._running: dict[str, Running] = {}
        self._lock = threading.Lock()

    def ask(self, comparison: Comparison, asks: Asks) -> Running:
        """Ask these too, in the order of the comparison's samples; what is asked already goes on beside them."""
        with self._lock:
            running = self._running.get(comparison.id)
            if running is None or not running.ask(asks):
                running = self._running[comparison.id] = Running(comparison, self._answers, self._forget)
                running.ask(asks)
            return running

    def find(self, comparison: str) -> Running | None:
        with self._lock:
            return self._running.get(comparison)

    def stop(self, comparison: str) -> bool:
        """Whether something ran that is now stopping."""
        running = self.find(comparison)
        if running:
            running.stop()
        return running is not None

    def _answers(self, running: Running, sample: str, ask: Ask) -> Iterator[Update]:
        """One model's updates on one sample; the last one is kept in the store before it is passed on.

        Unless a newer run has taken the place of this one: its last word would cover the newer answer.
        """
        for update in self._compare(self._models, [ask], running.stopping):
            if update is None:
                continue
            if update.state == "done" and self.find(running.comparison.id) is running:
                update = self._kept(running.comparison.id, sample, ask, update)
            yield update
            if update.state == "done" and update.prediction.status != "failed":
                self._after(ask.spec)

    def _kept(self, comparison: str, sample: str, ask: Ask, update: Update) -> Update:
        try:
            self._store.keep(comparison, sample, update.prediction)
        except ValueError as problem:  # the store's own sentence, such as a full disk: said where the answer stands
            return Update(update.model, "done", prediction=failed(ask, f"this answer could not be kept: {problem}"))
        return update

    def _forget(self, running: Running) -> None:
        with self._lock:
            if self._running.get(running.comparison.id) is running:
                del self._running[running.comparison.id]


class Running:
    """One comparison being answered. `updates` holds the newest of every (sample, model) that was begun."""

    def __init__(self, comparison: Comparison, answers: Callable[..., Iterator[Update]],
                 on_end: Callable[[Running], None]):
        self.comparison = comparison
        self.asks: dict[tuple[str, str], Ask] = {}
        self.updates: dict[tuple[str, str], Update] = {}
        self.stopping = threading.Event()
        self.over = False
        self.version = 0  # grows with every news
        self.watched: str | None = None  # the sample that somebody looks at
        self._answers, self._on_end = answers, on_end
        self._news = threading.Condition()
        self._busy = 0  # threads

    def ask(self, asks: Asks) -> bool:
        """Start asking, a thread per model. False if this has ended or is being stopped: then a new one is needed."""
        with self._news:
            if self.over or self.stopping.is_set():
                return False
            self.asks |= asks
            for key in asks:
                self.updates.pop(key, None)
            models = dict.fromkeys(model for _, model in asks)
            self._busy += len(models)
        for model in models:
            todo = [sample for sample, asked in asks if asked == model]
            threading.Thread(target=self._go_through, args=(model, todo), name=f"compare {model}", daemon=True).start()
        return True

    def stop(self) -> None:
        self.stopping.set()

    def wait(self, version: int, timeout: float) -> int:
        """The version now: newer than `version`, unless nothing happened for `timeout` seconds."""
        with self._news:
            self._news.wait_for(lambda: self.version > version or self.over, timeout)
            return self.version

    def _go_through(self, model: str, todo: list[str]) -> None:
        try:
            while todo and not self.stopping.is_set():
                sample = self.watched if self.watched in todo else todo[0]
                todo.remove(sample)
                self._ask_one(sample, model)
        finally:
            with self._news:
                self._busy -= 1
                self.over = self._busy == 0
                self._news.notify_all()
            if self.over:
                self._on_end(self)

    def _ask_one(self, sample: str, model: str) -> None:
        ask = self.asks[sample, model]
        try:
            for update in self._answers(self, sample, ask):
                self._tell(sample, model, update)
        except Exception as bug:  # ours: it is said in its panel, and the other pictures and models go on
            log.exception("comparing %s", model)
            self._tell(sample, model, Update(model, "done", prediction=failed(
                ask, f"a fault in Boxloop, not in your question: {type(bug).__name__}; the log has the details")))

    def _tell(self, sample: str, model: str, update: Update) -> None:
        with self._news:
            self.updates[sample, model] = update
            self.version += 1
            self._news.notify_all()


def answered(comparison: Comparison, running: Running | None, sample: str) -> dict[str, Update]:
    """What each model says about one sample: as it comes where it is being asked, else as the store has it."""
    kept = {model: Update(model, "done", prediction=prediction)
            for (asked, model), prediction in comparison.answers.items() if asked == sample}
    live = {} if running is None else {model: running.updates.get((sample, model), Update(model, "queued"))
                                       for asked, model in list(running.asks) if asked == sample}
    return kept | live


def finished(comparison: Comparison, running: Running | None) -> dict[str, int]:
    """How many models have answered each sample."""
    ended = set(comparison.answers)
    if running is not None:
        ended -= set(running.asks)
        ended |= {key for key, update in list(running.updates.items()) if update.state == "done"}
    return {sample.id: sum(asked == sample.id for asked, _ in ended) for sample in comparison.samples}
