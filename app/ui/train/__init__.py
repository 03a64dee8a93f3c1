"""The Fine-tune tab: data, a base model, how thorough, Start; then the training as it learns, and its receipt.

A training is a job: its run folder is all that this page reads, so a reload and a restart of the server find it again.
Nothing here imports torch; what must be known before it begins is asked of the trainer, in a process of its own.
"""
from __future__ import annotations

import json
import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import partial
from pathlib import Path
from types import MappingProxyType

import gradio as gr

from app import spec as specs
from app import training
from app.ui import access, words
from app.ui.component import present
from app.ui.data.forms import linked
from app.ui.device import gpus
from app.ui.download import fresh
from app.ui.events import AT_ONCE, STREAMED, Refresh, brought, in_words
from app.ui.examples import Example
from app.ui.following import Following
from app.ui.jobs import drawer
from app.ui.panel import Notice
from app.ui.train import choices, forms, offering, pictures, told
from app.ui.train import looking as looks
from app.ui.train.parts import Check, Live, Pairs, Receipt, Runs
from app.ui.train.remembered import Chosen, Watched
from app.workspace import Workspace

LEAVING = ("merge", "push")  # the kinds of jobs that take a tuned model away
POLL = 0.5  # seconds between two looks at a check
NOTHING: Mapping = MappingProxyType({})
MANY = AT_ONCE | {"trigger_mode": "multiple"}
ONCE = STREAMED | {"trigger_mode": "once"}
TO_THE_PICTURE = "() => document.querySelector('#train-closer').scrollIntoView({block: 'nearest'})"


class Train:
    """Lays the tab out inside `tab`, which is being built."""

    def __init__(self, workspace: Workspace, tab: gr.Tab, examples: list[Example]):
        self.workspace, self.examples = workspace, examples
        self.offering, self.looking = offering.Offering(workspace), looks.Looking(workspace)
        self.device = "cuda:0" if gpus() else "cpu"
        self.following = Following()  # of two checks of one visitor, only the newer one is shown
        self._lay_out()
        self._wire(tab)

    def lead_to(self, compare: Refresh, tabs: gr.Tabs) -> None:
        """From now on a tuned model stands beside its base in Compare at a click, also one that came a minute ago."""
        def both(watched: dict):
            return {self.acts.said: words.sentence(), tabs: gr.update(selected="compare"),
                    **compare.tick(self.offering.pair(Watched.read(watched).run))}

        looked = self.acts.compare.click(compare.handler, compare.inputs, compare.outputs, **MANY)
        looked.then(in_words(both, self.acts.said), [self.watched], [*compare.outputs, tabs, self.acts.said], **MANY)

    def _lay_out(self) -> None:
        self.chosen, self.watched = (gr.BrowserState({}, storage_key=f"boxloop-{name}", secret=self.workspace.secret)
                                     for name in ("train-chosen", "train-watched"))
        with gr.Row(elem_classes="train"):
            with gr.Column(scale=0, min_width=340, elem_classes="train-side"):
                self.form = forms.choosing()
            with gr.Column(elem_classes="train-main"):
                self.empty = Notice(elem_id="train-empty")
                self.example = gr.Button("Take the examples", elem_id="train-example", size="sm", visible=False)
                with gr.Row(elem_classes="train-nudge"):  # hidden by the style while it has nothing to say
                    self.nudged = Notice(elem_id="train-nudged")
                    self.again = gr.Button("Train on them", elem_id="train-again", size="sm", scale=0)
                self.checked = Check(elem_id="train-checked")
                self.live = Live(elem_id="train-live")
                self.learning = Pairs(elem_id="train-learning")
                self.receipt = Receipt(elem_id="train-receipt")
                self.acts = forms.acting()
                self.better, self.worse = Pairs(elem_id="train-better"), Pairs(elem_id="train-worse")
                self.question, self.columns, self.close = forms.looking_closer()
                self.runs = Runs(elem_id="train-runs")

    # What the page shows of a run. Handlers give dictionaries of changes; the browser remembers
    # what was `chosen` and what was looked `at`.

    def _looked(self, at: Watched, visitor: gr.Request, seen: Mapping = NOTHING, log: bool = False) -> dict:
        found = self.looking.look(at.run, access.is_operator(self.workspace, visitor), at.ticked, seen, log)
        if not found:
            return {self.live: gr.skip()}
        changes = {getattr(self, name): found[name] for name in ("live", *looks.PARTS) if name in found}
        if found["run"] != at.run:
            changes[self.watched] = replace(at, run=found["run"]).to_json()
        if "receipt" in found:  # it ended, or another one is looked at
            ended = bool(found["run"]) and found["live"].get("mark") not in ("idle", "busy")
            changes |= self._closed() | {self.acts.done: present(found["done"], forms.ACTING),
                                         self.acts.ended: present(ended, forms.ACTING),
                                         self.acts.said: words.sentence()}
        return changes | {self.empty: words.sentence(self.offering.nothing(bool(found["run"])))}

    def _closed(self) -> dict:
        return {self.question: words.sentence(), **{overlay: None for _, overlay in self.columns}}

    def _arrived(self, chosen: Chosen, at: Watched, visitor: gr.Request, **said) -> dict:
        """The form as it was left, or as it begins, and the run that was looked at."""
        form, trusted = self.form, access.is_operator(self.workspace, visitor)
        datasets, models = self.offering.datasets(), self.offering.models()
        dataset, model = _kept(chosen.dataset, datasets), _kept(chosen.model, models)
        given, chosen = chosen, replace(chosen, dataset=dataset or "", model=model or "")
        ready = bool(trusted and dataset and model)
        line = said or {"text": "" if trusted else offering.CLOSED}
        remembers = chosen.to_json() if said or chosen != given else gr.skip()  # else what is typed meanwhile is newer
        return {self.chosen: remembers, form.dataset: gr.update(choices=datasets, value=dataset),
                form.model: gr.update(choices=models, value=model),
                form.plan: chosen.choice.to_json() | {"takes": self.offering.takes(chosen.model),
                                                      "closed": not trusted, "remembered": not said},
                form.start: gr.update(interactive=ready), form.check: gr.update(interactive=ready),
                form.said: words.sentence(**line), self.example: gr.update(visible=not datasets and trusted),
                **self._follows(chosen), **self._looked(at, visitor)}

    def _follows(self, chosen: Chosen) -> dict:
        """What follows from what is chosen."""
        return {self.form.split: words.sentence(self.offering.split(chosen.dataset)),
                self.form.command: training.command(chosen.dataset, chosen.model, chosen.choice.settings,
                                                    method=chosen.choice.method, device=self.device)
                if chosen.dataset and chosen.model else "",
                self.nudged: words.sentence(self.offering.nudge(chosen.dataset, self.looking.last(chosen.dataset)))}

    def _checking(self, chosen: Chosen, at: Watched, visitor: gr.Request, begin: bool):
        """The check as it goes on; then, if it is to `begin` and nothing stands in the way, the training."""
        access.require(self.workspace, visitor, "train models")
        if not chosen.dataset or not chosen.model:
            raise ValueError("Choose what to learn from and a base model first.")
        how, look = {"method": chosen.choice.method, "device": self.device}, self.following.begin(visitor)
        yield {self.checked: told.check(None), self.form.said: words.sentence()}
        try:
            check = training.preflight(self.workspace, chosen.dataset, chosen.model, chosen.choice.settings, **how)
            if check.report and not check.report["ok"]:  # it may have been mended since: a disk has room again
                check = training.preflight(self.workspace, chosen.dataset, chosen.model, chosen.choice.settings,
                                           again=True, **how)
        except ValueError:  # said beside Start
            yield {self.checked: {}}
            raise
        since = time.monotonic()
        while (report := check.report) is None:
            yield {self.checked: told.check(None, time.monotonic() - since)}
            time.sleep(POLL)
            if not self.following.is_newest(visitor, look):
                return
        title, shown = specs.PRESETS[chosen.choice.preset].title, told.check(report)
        about = [["For", f"{chosen.dataset} · {self.offering.title(chosen.model)} · {title}"]]
        yield {self.checked: shown | {"facts": about + shown["facts"]}, self.form.plan: {
            "keep": True, "takes": self.offering.takes(chosen.model) | {chosen.choice.preset: told.takes(report)}}}
        if begin and report["ok"]:
            job = training.submit(self.workspace, chosen.dataset, chosen.model, chosen.choice.settings, **how)
            at = replace(at, run=job.id)
            yield {self.watched: at.to_json(), **self._follows(chosen), **self._looked(at, visitor)}

    def _wire(self, tab: gr.Tab) -> None:
        form, acts, workspace = self.form, self.acts, self.workspace
        shown = [self.watched, self.live, self.learning, self.receipt, self.better, self.worse, self.runs, self.empty,
                 acts.done, acts.ended, acts.said, self.question, *(part for column in self.columns for part in column)]
        chosen = [self.chosen, form.split, form.command, form.plan, self.nudged]
        everything = [*shown, *chosen, form.dataset, form.model, form.start, form.check, form.said, self.example,
                      self.checked]
        inputs = [form.dataset, form.model, form.plan]

        def arrive(chosen: dict, watched: dict, visitor: gr.Request):
            return self._arrived(Chosen.read(chosen), Watched.read(watched), visitor)

        def choose(*values):
            now = Chosen.of(*values)
            return {self.chosen: now.to_json(), **self._follows(now)}

        def choose_model(*values):
            return choose(*values) | {form.plan: {"keep": True, "takes": self.offering.takes(Chosen.of(*values).model)}}

        def check(dataset: str, model: str, plan: dict, watched: dict, visitor: gr.Request):
            yield from self._checking(Chosen.of(dataset, model, plan), Watched.read(watched), visitor, begin=False)

        def start(dataset: str, model: str, plan: dict, watched: dict, visitor: gr.Request):
            yield from self._checking(Chosen.of(dataset, model, plan), Watched.read(watched), visitor, begin=True)

        def again(dataset: str, model: str, plan: dict, watched: dict, visitor: gr.Request):
            """What the last run on this data was told, on what the data is now."""
            now = self.offering.again(Chosen.of(dataset, model, plan), self.looking.last(dataset))
            for each in self._checking(now, Watched.read(watched), visitor, begin=True):
                yield {self.chosen: now.to_json(), form.model: gr.update(value=now.model),
                       form.plan: now.choice.to_json() | {"takes": self.offering.takes(now.model)}} | each

        def example(chosen: dict, watched: dict, visitor: gr.Request):
            access.require(workspace, visitor, "add a dataset")
            made = replace(Chosen.read(chosen), dataset=self.offering.example(self.examples))
            return self._arrived(made, Watched.read(watched), visitor, text=offering.EXAMPLE)

        def save(*values) -> Path:
            now = Chosen.of(*values)
            if not now.model:
                raise ValueError("Choose a base model first.")
            family = workspace.catalogue.find(now.model).family
            path = fresh(f"{now.dataset or 'training'} spec.json")
            path.write_text(json.dumps(choices.document(now.choice, now.dataset, now.model, family), indent=1), "utf-8")
            return path

        def load(file: str, chosen: dict, watched: dict, visitor: gr.Request):
            access.require(workspace, visitor, "load a spec")
            now, said = self.offering.loaded(Path(file).read_text("utf-8", "replace"), Chosen.read(chosen))
            return self._arrived(now, Watched.read(watched), visitor, text=said)

        def tick(event: gr.EventData, watched: dict, visitor: gr.Request):
            return self._looked(Watched.read(watched), visitor, looks.heard(drawer.heard(event, "seen")),
                                brought(event).get("log") is True)

        def act(name: str, action: Callable) -> Callable:
            def acted(event: gr.EventData, watched: dict, visitor: gr.Request):
                at = Watched.read(watched)
                try:
                    access.require(workspace, visitor, f"{name} a training")
                    job = action(drawer.heard(event, "id"))
                except ValueError as problem:
                    changes = self._looked(at, visitor)
                    again = {"refused": time.time()}  # the buttons can be pressed again
                    return changes | {self.live: changes[self.live] | again,
                                      acts.said: words.sentence(str(problem), problem=True)}
                return self._looked(replace(at, run=job.id), visitor) | {
                    self.watched: replace(at, run=job.id).to_json(), acts.said: words.sentence()}
            return acted

        def select(event: gr.EventData, watched: dict, visitor: gr.Request):
            at = replace(Watched.read(watched), run=drawer.heard(event, "id"))
            return {self.watched: at.to_json(), **self._looked(at, visitor), self.checked: {}}

        def beside(event: gr.EventData, watched: dict, visitor: gr.Request):
            at = replace(Watched.read(watched), ticked=Watched.read(brought(event)).ticked)
            found = self.looking.look(at.run, access.is_operator(workspace, visitor), at.ticked)
            return {self.watched: at.to_json(), self.runs: found["runs"]}

        def look(event: gr.EventData, watched: dict):
            question, views = pictures.opened(workspace.jobs.folder(Watched.read(watched).run),
                                              brought(event).get("index"))
            return {self.question: words.sentence(question), **{part: value for column, values in zip(
                self.columns, views) for part, value in zip(column, values)}}

        def download(watched: dict, visitor: gr.Request) -> Path:
            access.require(workspace, visitor, "download a tuned model")
            packed = training.download(workspace, Watched.read(watched).run)
            return linked(packed, fresh(packed.name))

        def merge(watched: dict, visitor: gr.Request):
            access.require(workspace, visitor, "merge a tuned model")
            job = training.merge(workspace, Watched.read(watched).run)
            return {acts.said: words.sentence(), acts.leaving: drawer.told(workspace, LEAVING, job.id)}

        def push(watched: dict, repo: str, visitor: gr.Request):
            access.require(workspace, visitor, "publish a tuned model")
            job = training.push(workspace, Watched.read(watched).run, (repo or "").strip())
            return {acts.said: words.sentence(), acts.leaving: drawer.told(workspace, LEAVING, job.id)}

        def delete(chosen: dict, watched: dict, visitor: gr.Request):
            access.require(workspace, visitor, "delete a training")
            at = Watched.read(watched)
            training.delete(workspace, at.run)
            return self._arrived(Chosen.read(chosen), replace(at, run=""), visitor) | {
                acts.said: words.sentence("The run and its model were deleted.")}

        remembered, asked = [self.chosen, self.watched], [*inputs, self.watched]
        saying, acting = partial(in_words, place=form.said), partial(in_words, place=acts.said)
        tab.select(saying(arrive), remembered, everything, **MANY)
        form.dataset.input(saying(choose), inputs, [*chosen, form.said], **AT_ONCE)
        form.model.input(saying(choose_model), inputs, [*chosen, form.said], **AT_ONCE)
        form.plan.input(saying(choose), inputs, [*chosen, form.said], **AT_ONCE | {"trigger_mode": "always_last"})
        form.check.click(saying(check), asked, everything, **ONCE)
        form.start.click(saying(start), asked, everything, **ONCE)
        self.again.click(saying(again), asked, everything, **ONCE)
        self.example.click(saying(example), remembered, everything, **AT_ONCE)
        form.save.prepares(save, inputs)
        form.load.upload(saying(load), [form.load, *remembered], everything, **AT_ONCE)
        self.live.tick(acting(tick), [self.watched], shown, **AT_ONCE | {"trigger_mode": "once"})
        for listen, name, action in ((self.live.stop, "stop", workspace.jobs.cancel),
                                     (self.live.play, "resume", workspace.jobs.resume),
                                     (self.live.retry, "start", workspace.jobs.retry)):
            listen(act(name, action), [self.watched], shown, **MANY)
        self.runs.select(acting(select), [self.watched], [*shown, self.checked], **MANY)
        self.runs.input(acting(beside), [self.watched], shown, **MANY)
        for pairs in (self.better, self.worse):
            pairs.select(acting(look), [self.watched], shown, **MANY).then(
                None, None, None, js=TO_THE_PICTURE, **AT_ONCE)
        self.close.click(self._closed, None, shown, **AT_ONCE)
        acts.download.prepares(download, [self.watched])
        acts.merge.click(acting(merge), [self.watched], [acts.said, acts.leaving], **AT_ONCE)
        acts.push.click(acting(push), [self.watched, acts.repo], [acts.said, acts.leaving], **AT_ONCE)
        drawer.wire(workspace, acts.leaving, LEAVING)
        acts.delete.click(acting(delete), remembered, everything, **AT_ONCE)


def _kept(name: str, choices: list[tuple[str, str]]) -> str | None:
    """What was chosen, if it can still be; else the first."""
    names = [each for _, each in choices]
    return name if name in names else names[0] if names else None
