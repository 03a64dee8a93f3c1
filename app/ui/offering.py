"""The models that Compare offers, brought up to date: one that was added, downloaded, tuned or removed meanwhile."""
from __future__ import annotations

from collections.abc import Sequence

import gradio as gr

from app.comparing import Comparing, answered
from app.store import Store
from app.ui import desk as desks
from app.ui import panels as columns
from app.ui.desk import looked_at
from app.ui.events import Refresh
from app.ui.picker import Picked, Picker
from app.ui.picker import told as offers
from app.ui.seats import Seats


def refresh(store: Store, comparing: Comparing, memory: gr.BrowserState, picker: Picker, panels: Seats) -> Refresh:
    """What an event ends with that may have changed the models. It sends nothing to a page that knows already."""

    def look_again(kept: dict, heard: Picked):
        panels.look_again()
        offered = panels.offered()
        now = {id: (id, words, here) for id, words, here in offers(offered.entries)}
        news = [id for id, offer in now.items() if offer not in heard.offers and id in panels]
        if not news and len(now) == len(heard.offers) and offered.note == heard.note:
            return {picker: gr.skip()}
        known = {id for id, _, _ in heard.offers}
        told = drawn(kept, news)
        for part, untouched in columns.fitted({id: panels[id] for id in news if id not in known}).items():
            told[part] = untouched | told.get(part, {})
        return {picker: offered, **panels.shown(heard.ticked), **told}

    def drawn(kept: dict, news: list[str]) -> dict:
        """The panels of these models, as they would be had the page been opened now."""
        owner, now = desks.read(kept)
        comparison, running = desks.found(store, comparing, now, owner)
        some = {id: panels[id] for id in news}
        if comparison is None:
            return columns.empty(some)
        sample = looked_at(comparison, now)
        updates = answered(comparison, running, sample.id)
        return columns.drawn(some, sample, updates) | columns.settings(some, sample, updates)

    def tick(models: Sequence[str]) -> dict:
        return {picker: panels.offered(models), **panels.shown(models)}

    changed = [part for panel in panels.every for part in (panel.column, *panel.parts)]
    return Refresh(look_again, [memory, picker], [picker, *changed], tick)
