"""Which models are asked: a list of boxes to tick, and under “More models” those that come from the Hub first.

Python says which models there are, the browser which of them are ticked, and neither changes what the other says. So a
model that comes or goes while somebody ticks another one costs nobody a tick.
"""
from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import gradio as gr
from gradio.data_classes import GradioModel

from app.catalogue import Entry
from app.ui import words
from app.ui.component import parts, printable

HERE = Path(__file__).parent
MOST = 1_000  # models that a browser may name


@dataclass(frozen=True)
class Offered:
    """What there is. `ticked` None leaves every tick as it is; `note` is a sentence under the list."""
    entries: Sequence[Entry]
    ticked: Sequence[str] | None = None
    note: str = ""


class Offer(GradioModel):
    """A model by id and in words. `here`: it can be asked at once."""
    id: str
    words: str
    here: bool


class PickerData(GradioModel):
    offers: list[Offer] = []
    ticked: list[str] | None = None
    note: str = ""


@dataclass(frozen=True)
class Picked:
    """What came from the browser: what it was told there is, as (id, words, here), and what is ticked of that."""
    offers: frozenset[tuple[str, str, bool]] = frozenset()
    ticked: tuple[str, ...] = ()
    note: str = ""


class Picker(gr.HTML):
    """Takes an Offered, gives a Picked. Event `input`: the person ticked or unticked one."""
    data_model = PickerData

    def __init__(self, value: Offered = Offered(()), **rest):
        super().__init__(value=value, **parts(HERE, "picker", **rest))

    def postprocess(self, value: Offered) -> PickerData:
        ticked = None if value.ticked is None else list(value.ticked)
        return PickerData(offers=[Offer(id=id, words=words, here=here) for id, words, here in told(value.entries)],
                          ticked=ticked, note=printable(value.note))

    def preprocess(self, payload: PickerData | None) -> Picked:
        if payload is None:
            return Picked()
        return Picked(frozenset((each.id, each.words, each.here) for each in payload.offers[:MOST]),
                      tuple(dict.fromkeys((payload.ticked or [])[:MOST])), payload.note)


def told(entries: Iterable[Entry]) -> tuple[tuple[str, str, bool], ...]:
    """What a browser is told of models, in the order in which it shows them."""
    return tuple((printable(entry.spec.id), printable(labelled(entry)), entry.state != "to download")
                 for entry in entries)


def labelled(entry: Entry) -> str:
    """A model's name, with what it needs before it can be asked."""
    needs = "" if entry.state == "shipped" else words.needs(entry)
    return f"{entry.spec.title or entry.spec.id} ({needs})" if needs else entry.spec.title or entry.spec.id
