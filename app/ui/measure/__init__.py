"""The Measure tab: evaluate models on a dataset, then numbers with intervals, plots, and the pictures behind them.

An evaluation is a job: it goes on when the tab is closed and is found again by the next visit.
"""
from __future__ import annotations

import json
from functools import partial
from pathlib import Path

import gradio as gr

from app import evaluating
from app.evaluate import truth_of
from app.report import Evaluation, number, taken, title
from app.store.reviewing import Wanted
from app.types import Job
from app.ui import access, words
from app.ui import desk as desks
from app.ui.correct import Correct
from app.ui.download import Download, fresh
from app.ui.events import AT_ONCE, in_words
from app.ui.examples import examples
from app.ui.measure import looking
from app.ui.measure.gallery import Gallery
from app.ui.overlay import Overlay, View
from app.ui.panel import Head, Notice
from app.ui.shown import displayable, thumbnail
from app.workspace import Workspace

MANY = AT_ONCE | {"trigger_mode": "multiple"}
LOOK = 1.0  # seconds between two looks at a job that runs
MOST = 6  # models beside each other under the gallery
SPLITS = [("Held out", "val"), ("For training", "train"), ("All", "")]
TO_THE_ANSWERS = "() => document.querySelector('#measure-question').scrollIntoView({block: 'start'})"
NOTHING = "Nothing is evaluated yet. Choose a dataset and models, then press Evaluate."
NO_DATASET = ("There is no dataset yet. Bring one in under Data, take answers to Correct, or begin with the drawn "
              "example.")
EXAMPLE = "Example scenes"
HEADS = {"table": "Numbers", "curves": "Curves", "pareto": "Quality against time and memory",
         "slices": "Where each model is good", "confusion": "Confusions", "protocol": "How this was measured"}
BELOW = ("slices", "confusion", "protocol")  # folded: a click away


class Measure:
    """Lays the tab out inside `tab`, which is being built; `lead_to` gives the gallery its way into the editor."""

    def __init__(self, workspace: Workspace, tab: gr.Tab):
        self.workspace, self.looking = workspace, looking.Looking(workspace)
        self.titles = workspace.catalogue.titles
        self.editable = False
        self.seen = gr.State("")  # what the timer saw last
        self._lay_out()
        self._wire(tab)

    def lead_to(self, correct: Correct, memory: gr.BrowserState, tabs: gr.Tabs) -> None:
        """From now on a picture of the gallery has a button that opens it in the editor."""
        self.editable = True

        def edit(event: gr.EventData, id: str, look: str, remembered: dict, visitor: gr.Request):
            evaluation = self.looking.find(id)
            place, _ = looking.gallery(evaluation, look)[int(event._data["index"])]
            sample = next(iter(evaluation.models.values()))[place].sample
            wanted = Wanted(self.looking.spec(id)["dataset"], status=None)
            return {**correct.shown(sample.id, wanted, visitor, desks.read(remembered)[0], open=True),
                    tabs: gr.update(selected="correct")}

        self.gallery.correct(in_words(edit, self.notice), [self.which, self.look, memory],
                             [*correct.outputs, tabs, self.notice], **MANY)

    def _lay_out(self) -> None:
        with gr.Row(elem_classes="measure-controls"):
            self.dataset = gr.Dropdown([], label="Dataset", elem_id="measure-dataset", scale=2)
            self.split = gr.Dropdown(SPLITS, value="val", label="Pictures", elem_id="measure-split", scale=1)
            self.models = gr.Dropdown([], label="Models", multiselect=True, elem_id="measure-models", scale=4)
            with gr.Column(elem_classes="measure-run", scale=1, min_width=120):
                self.run = gr.Button("Evaluate", variant="primary", elem_id="measure-run")
                self.stop = gr.Button("Stop", elem_id="measure-stop", visible=False)
        self.notice = Notice(elem_id="measure-notice")
        self.example = gr.Button("Make the example dataset", elem_id="measure-example", size="sm", visible=False)
        # Hidden by the style until there is a table: what Gradio mounts together with a first value gets that value and
        # nothing else, such as an overlay without its colours.
        with gr.Column(elem_id="measure-found"):
            with gr.Row(elem_classes="measure-controls"):
                self.which = gr.Dropdown([], label="Evaluation", elem_id="measure-which", scale=4)
                self.metric = gr.Dropdown([], label="Sorted by", elem_id="measure-metric", scale=1)
            self.sections = {}
            for name, head in HEADS.items():
                if name in BELOW:
                    continue
                self.sections[name] = self._section(name, head)
            gr.HTML('<h3 class="measure-head">Pictures</h3>', apply_default_css=False)
            self.pairs = gr.HTML(elem_id="measure-pairs", apply_default_css=False)
            with gr.Row(elem_classes="measure-controls"):
                self.look = gr.Dropdown([], label="Show", elem_id="measure-look")
            self.gallery = Gallery(elem_id="measure-gallery")
            self.question = Notice(elem_id="measure-question")
            with gr.Row(elem_classes="panels", elem_id="measure-answers"):
                self.columns = [self._column(n) for n in range(MOST + 1)]
            for name in BELOW:
                with gr.Accordion(HEADS[name], open=False, elem_classes="measure-more", elem_id=f"measure-{name}-more"):
                    self.sections[name] = gr.HTML(elem_id=f"measure-{name}", apply_default_css=False)
            with gr.Row(elem_classes="taking"):
                Download("Report as HTML", elem_id="measure-html").prepares(self._html, [self.which, self.metric])
                Download("Numbers as CSV", elem_id="measure-csv").prepares(self._numbers, [self.which])
                Download("Pictures as CSV", elem_id="measure-pictures").prepares(self._pictures, [self.which])
                Download("Everything as JSON", elem_id="measure-json").prepares(self._json, [self.which])
        self.timer = gr.Timer(LOOK, active=False)

    def _section(self, name: str, head: str) -> gr.HTML:
        gr.HTML(f'<h3 class="measure-head">{head}</h3>', apply_default_css=False)
        return gr.HTML(elem_id=f"measure-{name}", apply_default_css=False)

    def _column(self, n: int) -> tuple:
        """Hidden by the style while it has no picture."""
        with gr.Column(min_width=240, elem_classes="model"):
            return Head(elem_id=f"measure-head-{n}"), Overlay(elem_id=f"measure-overlay-{n}")

    def _wire(self, tab: gr.Tab) -> None:
        shown = [self.dataset, self.models, self.notice, self.example, self.run, self.stop, self.timer, self.seen,
                 self.which, self.metric, *self.sections.values(), self.pairs, self.look, self.gallery,
                 self.question, *(part for column in self.columns for part in column)]

        def arrive(dataset: str | None, models: list | None, which: str | None):
            """The tab was chosen. What was chosen before stays; a dataset that came since can be chosen."""
            datasets = [(f"{each.name} ({each.samples})", each.id) for each in self.workspace.store.datasets.all()]
            here = self.titles()
            chosen = dataset if dataset in [id for _, id in datasets] else datasets[0][1] if datasets else None
            ticked = [model for model in models or () if model in here] or [
                entry.spec.id for entry in self.workspace.catalogue.entries()
                if entry.state == "shipped" and not entry.spec.adapter]
            changes = {self.dataset: gr.update(choices=datasets, value=chosen),
                       self.models: gr.update(choices=[(name, model) for model, name in here.items()], value=ticked),
                       self.run: gr.update(interactive=bool(datasets)), self.example: gr.update(visible=not datasets)}
            return changes | self._followed("", which)

        def evaluate(dataset: str | None, split: str, models: list, which: str | None, visitor: gr.Request):
            access.require(self.workspace, visitor, "evaluate models")
            if not dataset:
                raise ValueError(NO_DATASET)
            if not models:
                raise ValueError("No model is chosen. Choose at least one.")
            evaluating.submit(self.workspace, dataset, split or None, models)
            return self._followed("", which, begun=True)

        def stop(visitor: gr.Request):
            access.require(self.workspace, visitor, "stop an evaluation")
            for job in self.looking.jobs():
                if job.status in ("queued", "running"):
                    self.workspace.jobs.cancel(job.id)
            return {self.notice: words.sentence("Stopping… What was answered is kept, and is not asked again."),
                    self.timer: gr.Timer(active=True)}

        def make_example(models: list, which: str | None, visitor: gr.Request):
            access.require(self.workspace, visitor, "make a dataset")
            datasets = self.workspace.store.datasets
            made = datasets.open(EXAMPLE)
            samples = [each.sample() for each in examples() if each.truth is not None]
            datasets.add(made.id, samples, split="val")
            return arrive(made.id, models, which)

        def tick(seen: str, which: str | None):
            return self._followed(seen, which)

        def choose(id: str, metric: str | None):
            return self._shown(self.looking.find(id), metric) if id else {}

        def sort(id: str, metric: str):
            evaluation = self.looking.find(id)
            return {self.sections[name]: self.looking.section(evaluation, name, metric) for name in ("table", "pareto")}

        def look(id: str, wanted: str):
            return self._gallery(self.looking.find(id), wanted)

        def select(event: gr.EventData, id: str, wanted: str):
            return self._opened(self.looking.find(id), wanted, int(event._data["index"]))

        saying, told = partial(in_words, place=self.notice), [self.which, self.metric]
        tab.select(saying(arrive), [self.dataset, self.models, self.which], shown, **MANY)
        self.run.click(saying(evaluate), [self.dataset, self.split, self.models, self.which], shown, **AT_ONCE)
        self.stop.click(saying(stop), None, [self.notice, self.timer], **AT_ONCE)
        self.example.click(saying(make_example), [self.models, self.which], shown, **AT_ONCE)
        self.timer.tick(saying(tick), [self.seen, self.which], shown, **AT_ONCE)
        self.which.input(saying(choose), told, shown, **AT_ONCE)
        self.metric.input(saying(sort), told, shown, **AT_ONCE)
        self.look.input(saying(look), [self.which, self.look], shown, **AT_ONCE)
        self.gallery.select(saying(select), [self.which, self.look], shown, **AT_ONCE).then(
            None, None, None, js=TO_THE_ANSWERS, **AT_ONCE)

    def _followed(self, seen: str, which: str | None, begun: bool = False) -> dict:
        """What is going on, and the newest evaluation if it ended since the last look. `seen` is that last look."""
        jobs = self.looking.jobs()
        active = next((job for job in reversed(jobs) if job.status in ("queued", "running")), None)
        done = [job for job in jobs if job.status == "done"]
        now = json.dumps([[job.id, job.status, str(job.progress)] for job in jobs[:5]])
        if now == seen:
            return {self.seen: gr.skip()}
        changes = {self.seen: now, self.timer: gr.Timer(active=active is not None),
                   self.stop: gr.update(visible=active is not None), self.notice: self._told(active, jobs)}
        before = {id for id, status, _ in json.loads(seen) if status == "done"} if seen else set()
        fresh_one = done and seen and done[0].id not in before
        if done and not begun and (fresh_one or not seen):
            ids = [job.id for job in done]
            chosen = ids[0] if fresh_one or which not in ids else which
            choices = [(looking.headline(job, self.looking.spec(job.id)), job.id) for job in done]
            changes |= self._shown(self.looking.find(chosen), None)
            changes[self.which] = gr.update(choices=choices, value=chosen)
        return changes

    def _told(self, active: Job | None, jobs: list[Job]) -> dict:
        if active is None:
            newest = jobs[0] if jobs else None
            if newest is not None and newest.status in ("failed", "cancelled"):
                why = newest.problem or "what was answered is kept"
                return words.sentence(f"The last evaluation was {newest.status}: {why}", newest.status == "failed")
            nothing = NOTHING if self.workspace.store.datasets.all() else NO_DATASET
            return words.sentence("" if any(job.status == "done" for job in jobs) else nothing)
        waiting = sum(job.status == "queued" for job in jobs)
        if active.progress is None:
            return words.sentence("Getting ready…" if active.status == "running" else "Queued; it starts soon.")
        done, total = active.progress.done, active.progress.total or 1
        left = f", about {_duration(active.progress.left)} left" if active.progress.left else ""
        behind = f" {waiting} more waiting." if waiting else ""
        return words.sentence(f"{100 * done / total:.0f}%: {active.progress.words}, {done:g} of {total:g} "
                              f"answers{left}.{behind} You can close this tab; it goes on.")

    def _shown(self, evaluation: Evaluation, metric: str | None) -> dict:
        metrics = evaluation.metrics
        metric = metric if metric in metrics else evaluation.result["measure"] if evaluation.result[
            "measure"] in metrics else metrics[0]
        looks = looking.looks(evaluation)
        return {self.metric: gr.update(choices=[(title(name), name) for name in metrics], value=metric),
                self.pairs: looking.pairs_part(evaluation),
                self.look: gr.update(choices=looks, value=looks[0]),
                **{part: self.looking.section(evaluation, name, metric) for name, part in self.sections.items()},
                **self._gallery(evaluation, looks[0])}

    def _gallery(self, evaluation: Evaluation, wanted: str, at: int = -1) -> dict:
        found = looking.gallery(evaluation, wanted)
        samples = [one.sample for one in next(iter(evaluation.models.values()))]
        shots = [(thumbnail(samples[place].images[0]), samples[place].images[0].name or "picture", note)
                 for place, note in found]
        nothing = "" if shots else "There is no such picture."
        return {self.gallery: (shots, at, self.editable), self.question: words.sentence(nothing),
                **{overlay: None for _, overlay in self.columns}}

    def _opened(self, evaluation: Evaluation, wanted: str, at: int) -> dict:
        """Under the gallery: the picture with what is true, then with each model's answer."""
        place = looking.gallery(evaluation, wanted)[at][0]
        answers = [(model, answered[place]) for model, answered in evaluation.models.items()][:MOST]
        sample = answers[0][1].sample
        image, truth = sample.images[0], truth_of(sample)
        path = displayable(image)
        asked = f"{sample.task}: {sample.query}"
        changes = self._gallery(evaluation, wanted, at) | {self.question: words.sentence(asked)}
        words_only, titles = isinstance(truth, str), self.titles()
        shown = [("What is true", "done", truth if words_only else words.amounts(truth) or "nothing is there",
                  () if words_only else truth)]
        shown += [(titles.get(model, model), *_state(one.prediction, one.score), one.prediction.annotations)
                  for model, one in answers]
        for (head, overlay), (name, kind, status, found) in zip(self.columns, shown):
            changes[head] = {"title": name, "about": "", "kind": kind, "status": status, "note": ""}
            changes[overlay] = View(path, image.size, tuple(found))
        return changes

    def _html(self, id: str, metric: str) -> Path:
        return _written(f"{self._stem(id)}.html", taken.html(self.looking.find(id), metric))

    def _numbers(self, id: str) -> Path:
        return _written(f"{self._stem(id)} numbers.csv", taken.numbers_csv(self.looking.find(id)))

    def _pictures(self, id: str) -> Path:
        return _written(f"{self._stem(id)} pictures.csv", taken.pictures_csv(self.looking.find(id)))

    def _json(self, id: str) -> Path:
        return _written(f"{self._stem(id)}.json", json.dumps(taken.document(self.looking.find(id)), ensure_ascii=False))

    def _stem(self, id: str) -> str:
        return f"{self.looking.spec(id)['name']} {id}"


def _state(prediction, score: float) -> tuple[str, str]:
    kind, said = words.outcome(prediction)
    return kind, f"score {number(score)} · {said}"


def _written(name: str, text: str) -> Path:
    path = fresh(name)
    path.write_text(text, "utf-8", errors="replace")
    return path


def _duration(seconds: float) -> str:
    if seconds < 90:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"
