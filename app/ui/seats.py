"""A panel for each model: those that were there when the page was built have their own, later ones take a spare one.

Gradio lays a page out once, for all its visitors. So some panels wait empty, and a model that was just added or tuned
is asked without a restart. A model that goes gives its seat back, and the seat that has been free the longest is taken
first: a page that was not told yet still shows the old model there.
"""
from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from functools import partial
from threading import Lock

from app.badges import Badges
from app.catalogue import Catalogue, Entry
from app.types import ModelSpec
from app.ui import panels as columns
from app.ui.component import present
from app.ui.panels import Panel
from app.ui.picker import Offered

SPARE = 8
NOBODY = Entry(ModelSpec("", "qwen3-vl", "local", ""), "shipped")


class Seats(Mapping[str, Panel]):
    """The panels by the id of their model, in the order of the catalogue.

    `entries` are the models that have one, `titles` the names of all that were ever there.
    """

    def __init__(self, catalogue: Catalogue, entries: Mapping[str, Entry], first: Sequence[str], badges: Badges,
                 spare: int = SPARE) -> None:
        self._catalogue, self._badges, self._lock = catalogue, badges, Lock()
        self._own = {name: columns.laid_out(entry, name in first, badges) for name, entry in entries.items()}
        self._free = [columns.laid_out(NOBODY, False, badges, f"seat-{number}") for number in range(1, spare + 1)]
        self._later: dict[str, Panel] = {}
        self.every = (*self._own.values(), *self._free)  # what the page is wired with
        self._now: Mapping[str, Panel] = dict(self._own)
        self._standing = 0
        self.titles = {name: entry.spec.title or name for name, entry in entries.items()}

    @property
    def entries(self) -> Mapping[str, Entry]:
        return {name: panel.entry for name, panel in self._now.items()}

    @property
    def later(self) -> Mapping[str, Panel]:
        """Those of models that came after the page was built."""
        now = self._now
        return {name: now[name] for name in self._later if name in now}

    def look_again(self) -> None:
        """Every model that there is now has a panel, as long as there are any."""
        entries = {entry.spec.id: entry for entry in self._catalogue.entries()}
        with self._lock:
            for name in [name for name in self._later if name not in entries]:
                self._free.append(self._later.pop(name))
            new = [name for name in entries if name not in self._own and name not in self._later]
            for name in new[:len(self._free)]:
                self._later[name] = self._free.pop(0)
            there = self._own | self._later
            self._now = {name: replace(there[name], entry=entry, badge=partial(self._badges.of, entry.spec))
                         for name, entry in entries.items() if name in there}
            self._standing = len(entries) - len(self._now)
            self.titles |= {name: entry.spec.title or name for name, entry in entries.items()}

    def offered(self, ticked: Sequence[str] | None = None) -> Offered:
        """What the list of models is told: all that can be asked, and how many cannot for want of a panel."""
        standing, many = self._standing, self._standing != 1
        note = (f"{standing} more {'models are' if many else 'model is'} there, and every panel is taken. Remove "
                "models that you no longer need, or start Boxloop again.") if standing else ""
        return Offered(tuple(self.entries.values()), ticked, note)

    def shown(self, models: Sequence[str]) -> dict:
        """The columns of these models are on the page, the others are away."""
        now = self._now
        shown = {now[name].column for name in models if name in now}
        return {panel.column: present(panel.column in shown, "model") for panel in self.every}

    def sitting(self, panel: Panel) -> str:
        """The model that has this panel now. Raises ValueError if it went."""
        for name, each in self._now.items():
            if each.column is panel.column:
                return name
        raise ValueError("This model is not there any more; reload the page.")

    def spec(self, panel: Panel) -> ModelSpec:
        return self._now[self.sitting(panel)].entry.spec

    def __getitem__(self, model: str) -> Panel:
        return self._now[model]

    def __iter__(self) -> Iterator[str]:
        return iter(self._now)

    def __len__(self) -> int:
        return len(self._now)
