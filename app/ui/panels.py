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
from app.predict import LONGEST_PROMPT, Ask, Update
from app.types import Annotation, Generation, ModelSpec, Prediction, Request, Sample
from app.ui import words
from app.ui.component import classes, present
from app.ui.download import Download
from app.ui.overlay import Overlay, View
from app.ui.panel import Answer, Head, Notice
from app.ui.shown import displayable

HINT = "Add a picture above, or click an example. The answer is drawn here."
MEGAPIXELS = (0.1, 0.25, 0.5, 1.0, 2.0, 4.0)  # what one can give a model to look at


@dataclass(frozen=True)
class Panel:
    """The components of one model's column. `settings` is how it is asked: prompt, tokens, pixels, heat, form;
    `written` holds those of them that only a model which writes has."""
    entry: Entry
    column: gr.Column
    head: Head
    overlay: Overlay
    answer: Answer
    settings: tuple[gr.Textbox, gr.Slider, gr.Dropdown, gr.Slider, gr.Checkbox]
    written: gr.Column
    again: gr.Button
    check: gr.Button
    checked: Notice
    take: Download
    badge: Callable[[], Badge | None]  # what the self-test said of it
    correct: gr.Button

    @property
    def model(self) -> str:
        return self.entry.spec.id

    @property
    def parts(self) -> tuple:
        return self.head, self.overlay, self.answer, self.written, *self.settings


def laid_out(entry: Entry, visible: bool, badges: Badges, name: str = "") -> Panel:
    """One model's column, empty. `name` is that of its element, where it is not to be the model's."""
    with gr.Column(min_width=280, elem_classes=classes(visible, "model"),
                   elem_id=f"panel-{name or entry.spec.id}") as column:
        head = Head(head_of(entry, "idle", "no picture yet", badge=badges.of(entry.spec)))
        overlay, answer = Overlay(None, hint=HINT), Answer()
        with gr.Row(elem_classes="panel-taking"):
            correct = gr.Button("Take → Correct", size="sm", elem_classes="panel-correct")
            take = Download("Save this picture", elem_classes="panel-take")
        with gr.Accordion("Prompt and settings", open=False, elem_classes="panel-settings"):
            with gr.Column(elem_classes=classes(_writes(entry), "panel-written")) as written:
                prompt = gr.Textbox("", label="Prompt for this picture", lines=2, max_lines=8,
                                    max_length=LONGEST_PROMPT, elem_classes="panel-prompt")
                tokens = gr.Slider(16, 4096, value=Generation().max_tokens, step=16, elem_classes="panel-tokens",
                                   label="Longest answer, in tokens")
                heat = gr.Slider(0, 2, value=0, step=0.1, label="Temperature: 0 answers the same every time",
                                 elem_classes="panel-heat")
                form = gr.Checkbox(False, label="Only what its answer's form allows",
                                   info="What it writes can then be read.",
                                   elem_classes=classes(_formed(entry), "panel-form"))
            sizes = [("as the model likes it", 0.0), *((f"up to {size:g} megapixels", size) for size in MEGAPIXELS)]
            pixels = gr.Dropdown(sizes, value=0.0, label="Size of the picture it sees", filterable=False)
            again = gr.Button("Ask this model again", size="sm", elem_classes="panel-again")
            check = gr.Button("Check its coordinates", size="sm", elem_classes="panel-check")
            checked = Notice(elem_classes="panel-checked")
    settings = (prompt, tokens, pixels, heat, form)
    return Panel(entry, column, head, overlay, answer, settings, written, again, check, checked, take,
                 lambda: badges.of(entry.spec), correct)


def fitted(panels: Mapping[str, Panel]) -> dict:
    """Columns that passed to other models: what those can be asked with, and nothing that was set before."""
    told = {}
    for panel in panels.values():
        _, tokens, pixels, heat, form = panel.settings
        told |= {panel.written: present(_writes(panel.entry), "panel-written"),
                 form: present(_formed(panel.entry), "panel-form") | {"value": False},
                 tokens: Generation().max_tokens, pixels: 0.0, heat: 0}
    return told


def generation(tokens: float, megapixels: float, heat: float, form: bool = False) -> Generation:
    """Settings as the page sends them → a Generation. They come from a browser, so they are held to their limits."""
    pixels = round(min(max(float(megapixels or 0), 0.0), 50.0) * 1e6)
    return Generation(int(min(max(tokens, 1), 4096)), float(min(max(heat, 0.0), 2.0)), pixels or None,
                      structure=bool(form))


def _writes(entry: Entry) -> bool:
    """A detector has no prompt to edit and writes no tokens."""
    return entry.spec.backend != "detector"


def _formed(entry: Entry) -> bool:
    """Whether this model's answers have a form that it can be held to, for some task."""
    family = families.find(entry.spec.family)
    asked = (Request((), task, names=("x",), caption="x") for task in family.tasks)
    return entry.spec.backend == "local" and any(family.form(request) is not None for request in asked)


def ask(panel: Panel, sample: Sample, settings: Sequence, edited: bool = False) -> Ask:
    """The question of a sample to this panel's model. `edited`: with the prompt that stands in the settings."""
    prompt, tokens, megapixels, heat, form = settings
    request = asked_of(sample)
    if edited and prompt.strip() and prompt != own_prompt(panel, request):
        request = asked_of(sample, prompt)
    return Ask(panel.entry.spec, request, generation(tokens, megapixels, heat, form))


def checking(badges: Badges, sitting: Callable[[], ModelSpec]) -> Callable:
    """The coordinate self-test of a panel's model, as a handler: what it does, then what came out."""
    def check():
        yield words.sentence("Drawn marks go the whole way to the model and back…")
        try:
            badge = badges.test(sitting())
        except (ModelError, ValueError) as problem:
            yield words.sentence(str(problem), problem=True)
            return
        yield words.sentence(". ".join((badge.detail, *badge.failures)), problem=badge.ok is False)
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


def prompts(panels: Mapping[str, Panel], sample: Sample, updates: Mapping[str, Update]) -> dict:
    """What stands in the prompt boxes: what was asked, else what would be."""
    told = {}
    for name, panel in panels.items():
        prediction = updates[name].prediction if name in updates else None
        try:
            request = prediction.request if prediction else asked_of(sample)
        except ValueError:  # nothing is asked yet
            told[panel.settings[0]] = ""
            continue
        told[panel.settings[0]] = request.prompt or own_prompt(panel, request)
    return told


def settings(panels: Mapping[str, Panel], updates: Mapping[str, Update]) -> dict:
    """The settings that the answers were asked with, for a comparison that comes back from history or by a link."""
    told = {}
    for name, update in updates.items():
        if name in panels and update.prediction:
            used, (_, tokens, pixels, heat, form) = update.prediction.generation, panels[name].settings
            told |= {tokens: used.max_tokens, heat: used.temperature, form: used.structure,
                     pixels: used.max_pixels / 1e6 if used.max_pixels else 0}
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
