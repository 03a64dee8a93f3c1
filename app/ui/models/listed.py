"""The list of models as a component, and what is said about one before it is added."""
from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import gradio as gr
from gradio.data_classes import GradioModel

from app.ui import words
from app.ui.component import parts, printable

HERE = Path(__file__).parent
LINKS = HERE / "links.js"


class Action(GradioModel):
    """A button. What cannot be undone asks once more, with the words of `sure`."""
    act: str
    label: str
    sure: str = ""


class ModelRow(GradioModel):
    """`done` is the part that is downloaded, -1 where nothing comes. `kind` colours the state, which says the same."""
    id: str
    title: str
    state: str
    kind: str = "idle"
    badge: dict | None = None  # of `words.badge`
    about: str = ""
    done: float = -1
    note: str = ""
    problem: bool = False
    actions: list[Action] = []


class ModelsData(GradioModel):
    """`version` is what the browser names to hear only of what is newer."""
    rows: list[ModelRow] = []
    problems: list[str] = []
    memory: str = ""
    version: str = ""


class ModelList(gr.HTML):
    """Takes a ModelsData.

    Events: `tick` (news, please, while the list can be seen; `_data["seen"]` is the version that is shown), `act` (a
    button was pressed: `_data` has "id" and "act"). `seconds` lie between two ticks.
    """
    data_model = ModelsData

    def __init__(self, value: ModelsData | None = None, *, seconds: float = 0.8, **rest):
        super().__init__(value=value or ModelsData(), seconds=seconds, **parts(HERE, "list", [LINKS], **rest))


class Facts(gr.HTML):
    """Takes {"facts": [[name, words]], "problem"}, or None."""

    def __init__(self, value: dict | None = None, **rest):
        super().__init__(value=value, **parts(HERE, "seen", [LINKS], **rest))


def told(facts: Iterable[tuple[str, str]], problem: str = "") -> dict:
    """What `Facts` shows."""
    return {"facts": [[printable(name), printable(said)] for name, said in facts],
            "problem": words.sentence(problem)["text"]}
