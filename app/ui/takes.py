"""From an answer to the Correct tab: one taken whole, or single objects of several; and votes with the names hidden."""
from __future__ import annotations

import secrets
from collections.abc import Callable, Mapping

import gradio as gr

from app import annotations
from app.store.reviewing import Wanted
from app.types import Comparison, Sample
from app.ui import access, words
from app.ui import desk as desks
from app.ui.choosing import Basket, Vote
from app.ui.correct import Correct
from app.ui.correct.saving import author_of
from app.ui.desk import looked_at, opened
from app.ui.events import AT_ONCE, brought, in_words
from app.ui.panel import Notice
from app.ui.panels import Panel
from app.ui.seats import Seats
from app.workspace import Workspace

DATASET = "Corrections"  # where what is taken goes, unless another is named
MANY = AT_ONCE | {"trigger_mode": "multiple"}


class Takes:
    """A row under the panels. `lead_to` wires it, once the Correct tab is laid out."""

    def __init__(self, workspace: Workspace, memory: gr.BrowserState, panels: Seats):
        self.workspace, self.store, self.memory = workspace, workspace.store, memory
        self.panels, self.titles = panels, panels.titles
        with gr.Row(elem_classes="takes"):
            self.basket = Basket(elem_id="basket")
            self.vote = Vote(elem_id="vote")
            self.dataset = gr.Textbox(DATASET, label="“Take” adds to the dataset", elem_id="take-dataset",
                                      max_length=200, max_lines=1)
        self.said = Notice(elem_id="takes-said")

    def lead_to(self, correct: Correct, tabs: gr.Tabs) -> None:
        outputs = [*correct.outputs, tabs, self.said]

        def whole(panel: Panel) -> Callable:
            def take(told: dict, dataset: str, visitor: gr.Request):
                return self._taken(correct, tabs, told, dataset, visitor, self.panels.sitting(panel))
            return in_words(take, self.said)

        def some(event: gr.EventData, told: dict, dataset: str, visitor: gr.Request):
            data = brought(event)
            return self._taken(correct, tabs, told, dataset, visitor, str(data.get("model") or "")[:300],
                               data.get("objects"))

        def vote(event: gr.EventData, told: dict):
            return {self.vote: self._voted(told, brought(event)), self.said: words.sentence()}

        for panel in self.panels.every:
            panel.out.correct(whole(panel), [self.memory, self.dataset], outputs, **MANY)
        self.basket.take(in_words(some, self.said), [self.memory, self.dataset], outputs, **MANY)
        self.vote.vote(in_words(vote, self.said), [self.memory], [self.vote, self.said], **MANY)

    def _taken(self, correct: Correct, tabs: gr.Tabs, told: dict, dataset: str, visitor: gr.Request, model: str,
               objects: object = None) -> dict:
        owner, comparison, sample = self._read(told)
        operator, author = access.is_operator(self.workspace, visitor), author_of(self.workspace, visitor, owner)
        chosen = None
        if objects is not None:
            chosen, problems = annotations.read(objects, *(image.size for image in sample.images))
            if lost := [str(problem) for problem in problems if problem.lost]:
                raise ValueError("; ".join(lost[:3]))
        into = self.store.datasets.open(str(dataset or "").strip() or DATASET if operator else DATASET)
        event = self.store.datasets.take(comparison, sample.id, model, into.id, author=author, client="compare",
                                         key=secrets.token_hex(16), annotations=chosen, suggested=not operator)
        named = self.titles.get(model, model)
        worked = event.seq > 2 or event.reviewed or (event.model and event.model != model)
        said = (f"This picture was in {into.name} already, and people have worked on it: their version is shown, not "
                f"{named}'s answer.") if worked else ""
        wanted = Wanted(into.id) if operator else Wanted()
        return {tabs: gr.Tabs(selected="correct"), self.said: words.sentence(),
                **correct.shown(event.sample, wanted, visitor, owner, said=said, open=True)}

    def _voted(self, told: dict, data: Mapping) -> str:
        owner, comparison, sample = self._read(told)
        models = data.get("models") if isinstance(data.get("models"), list) else []
        answered = {model for of, model in comparison.answers if of == sample.id}
        models, winner = [each for each in models if each in answered], data.get("winner")
        if winner is not None and winner not in models:
            raise ValueError("This vote is for no model of this comparison; reload the page.")
        self.store.votes.cast(comparison.id, sample.id, models, winner, owner=owner,
                              key=str(data.get("key") or "")[:100])
        wins = self.store.votes.wins()
        counted = [f"{self.titles.get(each, each)} won {wins[each].won} of {sum(vars(wins[each]).values())}"
                   for each in models if each in wins]
        chosen = f"You chose {self.titles.get(winner, winner)}." if winner else "You chose none."
        return f"{chosen} In all votes: {', '.join(counted)}."

    def _read(self, told: dict) -> tuple[str, Comparison, Sample]:
        owner, now = desks.read(told)
        comparison = opened(self.store, now, owner)
        if comparison is None or not comparison.answers:
            raise ValueError("There is no answer yet. Press Run first.")
        return owner, comparison, looked_at(comparison, now)
