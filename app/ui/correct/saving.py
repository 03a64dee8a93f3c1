"""What the editor saves becomes a correction, or a visitor's suggestion; and who may see which sample."""
from __future__ import annotations

from collections.abc import Mapping

import gradio as gr

from app import annotations
from app.store import Conflict, NotFound, Store
from app.store.contents import sha256
from app.store.corrections import SAME
from app.types import Correction
from app.ui import access
from app.ui.correct import opening
from app.ui.editor import receipt, theirs, told
from app.ui.editor.told import Told
from app.workspace import Workspace


def save(workspace: Workspace, data: object, visitor: gr.Request, owner: str, titles: Mapping[str, str]) -> dict:
    """The receipt for what came from a browser: saved, two versions, or why not. Nothing raises but our bugs."""
    key, author = told.key_of(data), author_of(workspace, visitor, owner)
    try:
        return _saved(workspace, told.read(data), visitor, author, titles)
    except Conflict as faster:
        return receipt(key, conflict=_theirs(faster.newest, author, titles))
    except ValueError as problem:
        return receipt(key, problem=str(problem))


def older(store: Store, sample: str, id: str, author: str, operator: bool) -> Correction | None:
    """An earlier version of a sample, or what somebody suggests for it."""
    must_see(store, sample, author, operator)
    try:
        found = store.corrections.find(id)
    except NotFound:
        found = next((each.correction for each in store.suggestions.waiting() if each.id == id and operator), None)
    return found if found and found.sample == sample else None


def must_see(store: Store, sample: str, author: str, operator: bool) -> None:
    """Raises NotFound for what a visitor brought and nobody has accepted, unless it is theirs or the operator asks."""
    if not operator and store.queue.find(sample).status == "suggested" and not store.suggestions.is_of(sample, author):
        raise NotFound(f"there is no sample {sample[:80]!r} here")


def author_of(workspace: Workspace, visitor: gr.Request, owner: str) -> str:
    """Under which name somebody's work is kept: that of a login, else who they are to this page."""
    name = getattr(visitor, "username", None)
    if name:
        return str(name)[:100]
    return "operator" if access.is_operator(workspace, visitor) else f"visitor {sha256(owner)[:8]}"


def _saved(workspace: Workspace, said: Told, visitor: gr.Request, author: str, titles: Mapping[str, str]) -> dict:
    store, operator = workspace.store, access.is_operator(workspace, visitor)
    must_see(store, said.sample, author, operator)
    kept, problems = annotations.read(said.objects, *(image.size for image in
                                                      store.datasets.sample(said.sample).images))
    if lost := [str(problem) for problem in problems if problem.lost]:
        raise ValueError("; ".join(lost[:3]) + (f"; and {len(lost) - 3} more" if len(lost) > 3 else ""))
    truth = kept if kept or said.nothing or said.reviewed else None
    if said.task == "ask" and not kept:
        truth = SAME
    if operator or store.suggestions.is_of(said.sample, author):
        event = store.corrections.save(
            said.sample, parent=said.parent, author=author, key=said.key, client=said.client, truth=truth,
            answer=said.answer, task=said.task, query=said.query, note=said.note, reviewed=said.reviewed,
            flagged=said.flagged, skipped=said.skipped, restores=said.restores)
        events = store.corrections.history(said.sample, opening.SHOWN)
        return receipt(said.key, saved=event.id, words="; ".join(map(str, problems[:3])),
                       history=opening.history(store, said.sample, events, titles, author, operator))
    store.suggestions.offer(said.sample, parent=said.parent, author=author, key=said.key, client=said.client,
                            truth=truth, answer=said.answer, note=said.note)
    return receipt(said.key, saved=said.parent or "", words="Thank you. It is kept until somebody accepts it.")


def _theirs(newest: Correction, author: str, titles: Mapping[str, str]) -> dict:
    who = "you, in another window," if newest.author == author else newest.author
    return theirs(newest.id, opening.when(newest.created), who, opening.said(newest, titles), newest.truth,
                  newest.reviewed, opening.about(newest))
