"""The chip of the head with its drawer, and the handlers that every list of jobs shares."""
from __future__ import annotations

from collections.abc import Callable, Sequence

import gradio as gr

from app.jobs.queue import Jobs
from app.types import Job
from app.ui import access, words
from app.ui.device import device
from app.ui.events import AT_ONCE, brought
from app.ui.jobs import Chip, JobList
from app.ui.jobs import cards as card_words
from app.workspace import Workspace

EMPTY = "No background jobs yet. Imports, exports, measurements and training run here, and go on when you leave."
DRAWER = "jobs-drawer"


def drawer(workspace: Workspace) -> Chip:
    """Lays out the chip and the list that it opens."""
    jobs = workspace.jobs
    chip = Chip(card_words.chip(device(), []), opens=DRAWER, elem_id="device", elem_classes="top-chip")
    with gr.Column(elem_id=DRAWER, elem_classes="drawer"):
        listed = JobList(empty=EMPTY, elem_id="jobs")

    def look(event: gr.EventData):
        now = card_words.chip(device(), jobs.unfinished())
        return now if now["text"] != heard(event, "seen") else gr.skip()

    chip.tick(look, None, [chip], trigger_mode="once", **AT_ONCE)
    wire(workspace, listed)
    return chip


def wire(workspace: Workspace, listed: JobList, kinds: Sequence[str] | None = None) -> None:
    """What a list of jobs does: of some `kinds`, or of all."""
    jobs = workspace.jobs

    def news(event: gr.EventData, visitor: gr.Request):
        now = _cards(jobs, kinds, heard(event, "open"), access.is_operator(workspace, visitor))
        return now if now["version"] != heard(event, "seen") else gr.skip()

    def act(name: str, action: Callable[[str], Job]) -> Callable:
        def acted(event: gr.EventData, visitor: gr.Request):
            try:
                access.require(workspace, visitor, f"{name} a job")
                action(heard(event, "id"))
                said = {}
            except ValueError as problem:
                said = words.sentence(str(problem), problem=True)
            return _cards(jobs, kinds, heard(event, "open"), access.is_operator(workspace, visitor)) | {"said": said}
        return acted

    for listen in (listed.tick, listed.select):
        listen(news, None, [listed], trigger_mode="always_last", **AT_ONCE)
    for listen, name, action in ((listed.stop, "cancel", jobs.cancel), (listed.play, "resume", jobs.resume),
                                 (listed.retry, "start", jobs.retry)):
        listen(act(name, action), None, [listed], trigger_mode="multiple", **AT_ONCE)


def told(workspace: Workspace, kinds: Sequence[str], opened: str) -> dict:
    """The value of a list in which the card of one job is open, for whoever has just begun that job."""
    return _cards(workspace.jobs, kinds, opened, True) | {"open": opened}


def _cards(jobs: Jobs, kinds: Sequence[str] | None, opened: str, trusted: bool) -> dict:
    found = [job for job in jobs.all() if kinds is None or job.kind in kinds]
    return card_words.cards(jobs, found, opened, trusted)


def heard(event: gr.EventData, name: str) -> str:
    """A text that an event brought. The browser may say anything, so anything is read."""
    value = brought(event).get(name)
    return value[:500] if isinstance(value, str) else ""
