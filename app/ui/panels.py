"""One model's column: its head, the picture with its answer, its words, and the settings it is asked with."""
from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import PurePath

import gradio as gr

from app import families, tasks
from app.agreement import agreement
from app.backends import ModelError
from app.badges import Badge, Badges
from app.catalogue import Entry
from app.predict import Ask, Update
from app.types import Annotation, ModelSpec, Prediction, Request, Sample
from app.ui import words
from app.ui.component import classes
from app.ui.download import WaysOut
from app.ui.overlay import Overlay, View
from app.ui.panel import Answer, Head
from app.ui.settings import UNTOUCHED, Settings, read
from app.ui.settings import told as asked_with
from app.ui.shown import displayable

HINT = "Add a picture above, or click an example. The answer is drawn here."


@dataclass(frozen=True)
class Panel:
    """The components of one model's column. `settings` is how it is asked, `out` are the ways out of it."""
    entry: Entry
    column: gr.Column
    head: Head
    overlay: Overlay
    answer: Answer
    out: WaysOut
    settings: Settings
    badge: Callable[[], Badge | None]  # what the self-test said of it

    @property
    def model(self) -> str:
        return self.entry.spec.id

    @property
    def parts(self) -> tuple:
        return self.head, self.overlay, self.answer, self.settings


def laid_out(entry: Entry, visible: bool, badges: Badges, name: str = "") -> Panel:
    """One model's column, empty. `name` is that of its element, where it is not to be the model's."""
    with gr.Column(min_width=280, elem_classes=classes(visible, "model"),
                   elem_id=f"panel-{name or entry.spec.id}") as column:
        head = Head(head_of(entry, "idle", "no picture yet", badge=badges.of(entry.spec)))
        overlay, answer, out = Overlay(None, hint=HINT), Answer(), WaysOut()
        settings = Settings(_writes(entry), _formed(entry))
    return Panel(entry, column, head, overlay, answer, out, settings, lambda: badges.of(entry.spec))


def fitted(panels: Mapping[str, Panel]) -> dict:
    """Columns that passed to other models: what those can be asked with, and nothing that was set before."""
    return {panel.settings: UNTOUCHED | {"writes": _writes(panel.entry), "formed": _formed(panel.entry)}
            for panel in panels.values()}


def _writes(entry: Entry) -> bool:
    """A detector has no prompt to edit and writes no tokens."""
    return entry.spec.backend != "detector"


def _formed(entry: Entry) -> bool:
    """Whether this model's answers have a form that it can be held to, for some task."""
    family = families.find(entry.spec.family)
    asked = (Request((), task, names=("x",), caption="x") for task in family.tasks)
    return entry.spec.backend == "local" and any(family.form(request) is not None for request in asked)


def ask(panel: Panel, sample: Sample, settings: object, edited: bool = False) -> Ask:
    """The question of a sample to this panel's model. `edited`: with the prompt that stands in the settings."""
    prompt, generation = read(settings)
    request = asked_of(sample)
    if edited and prompt.strip() and prompt != own_prompt(panel, request):
        request = asked_of(sample, prompt)
    return Ask(panel.entry.spec, request, generation)


def checking(badges: Badges, sitting: Callable[[], ModelSpec]) -> Callable:
    """The coordinate self-test of a panel's model, as a handler: what it does, then what came out."""
    def check():
        yield {"checked": words.sentence("Drawn marks go the whole way to the model and back…")}
        try:
            badge = badges.test(sitting())
        except (ModelError, ValueError) as problem:
            yield {"checked": words.sentence(str(problem), problem=True)}
            return
        yield {"checked": words.sentence(". ".join((badge.detail, *badge.failures)), problem=badge.ok is False)}
    return check


def asked_of(sample: Sample, prompt: str | None = None) -> Request:
    """A sample as a request. Raises ValueError with one sentence for the person."""
    return tasks.request(sample.images, sample.task, sample.query, prompt=prompt)


def own_prompt(panel: Panel, request: Request) -> str:
    """The family's own words for a question; empty where it has none."""
    try:
        return families.find(panel.entry.spec.family).prompt(request)
    except ValueError:
        return ""


def drawn(panels: Mapping[str, Panel], sample: Sample, updates: Mapping[str, Update],
          only: Sequence[str] | None = None) -> dict:
    """The changes to all panels, or to `only` some: never more of the picture than its address."""
    shown = displayable(sample.images[0])
    changes = {}
    for name, panel in panels.items():
        if only is not None and name not in only:
            continue
        update = updates.get(name)
        note = beside(sample, name, updates) if update else ""
        state = words.state(update) if update else ("idle", ready(panel.entry))
        found = update.prediction.annotations if update and update.prediction else ()
        changes |= {panel.head: head_of(panel.entry, *state, note, panel.badge()),
                    panel.overlay: View(shown, sample.images[0].size, found, sample.truth or ()),
                    panel.answer: words.answer(update) if update else None}
    return changes


def settings(panels: Mapping[str, Panel], sample: Sample, updates: Mapping[str, Update], whole: bool = False) -> dict:
    """What stands in the prompts: what was asked, else what would be. `whole`: every setting that the answers were
    asked with, too, for a comparison that comes back from history or by a link."""
    told = {}
    for name, panel in panels.items():
        prediction = updates[name].prediction if name in updates else None
        try:
            request = prediction.request if prediction else asked_of(sample)
            prompt = request.prompt or own_prompt(panel, request)
        except ValueError:  # nothing is asked yet
            prompt = ""
        told[panel.settings] = {"prompt": prompt, "about": sample.id} | (
            asked_with(prediction.generation) if whole and prediction else {})
    return told


def empty(panels: Mapping[str, Panel]) -> dict:
    """All panels without a picture."""
    return {part: value for panel in panels.values() for part, value in (
        (panel.head, head_of(panel.entry, "idle", "no picture yet", badge=panel.badge())), (panel.overlay, None),
        (panel.answer, None))}


def beside(sample: Sample, model: str, updates: Mapping[str, Update]) -> str:
    """How an answer stands to the truth, where there is one, and to the other models' answers."""
    final = {name: update.prediction for name, update in updates.items()
             if update.state == "done" and update.prediction and tasks.read(update.prediction)}
    if model not in final:
        return ""
    told = [scored(sample, final[model])]
    others = [prediction.annotations for name, prediction in final.items() if name != model]
    if others and sample.task not in ("count", "ask"):
        told.append(str(agreement(final[model].annotations, others, sample.images[0].size)))
    return " · ".join(filter(None, told))


def scored(sample: Sample, prediction: Prediction) -> str:
    """`F1 0.86`: the task's own measure against the truth; empty where nobody knows it."""
    truth: Sequence[Annotation] | str | None = sample.answer if sample.task == "ask" else sample.truth
    if truth is None:
        return ""
    scores = tasks.score(prediction.request, truth, prediction)
    return f"{words.MEASURES[tasks.TASKS[sample.task].measure]} {scores['score']:.2f}"


def ready(entry: Entry) -> str:
    """The words of a panel before its model is asked."""
    return "press Run" if entry.state != "to download" else f"not here yet: {words.needs(entry)}"


def head_of(entry: Entry, kind: str, status: str, note: str = "", badge: Badge | None = None) -> dict:
    spec = entry.spec
    adapter = PurePath(spec.adapter).name if spec.adapter else ""
    about = " · ".join(str(part) for part in (spec.id, adapter, spec.needs.get("token")) if part)
    return {"model": spec.id, "title": spec.title or spec.id, "about": about, "kind": kind, "status": status,
            "note": note, "badge": words.badge(badge)}
