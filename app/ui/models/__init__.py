"""The Models tab: which models there are, what each needs and takes; add, download, load, check, unload, remove."""
from __future__ import annotations

import gradio as gr

from app import families
from app.catalogue.looking import Seen, look
from app.ui import access, words
from app.ui.component import HIDDEN, classes, present, seen
from app.ui.events import AT_ONCE, STREAMED, Refresh, in_words
from app.ui.jobs.drawer import heard
from app.ui.models.acting import MAY, Acting
from app.ui.models.listed import Facts, ModelList, told
from app.ui.panel import Notice
from app.workspace import Workspace

EXPLAINED = ("A name on the Hub such as Qwen/Qwen3-VL-4B-Instruct, a folder on the machine that runs Boxloop, or the "
             "address of an OpenAI-compatible server such as http://host:8000/v1.")
VISITORS = "The operator of this page chooses its models."


def tab(workspace: Workspace, refresh: Refresh) -> None:
    """Lays the tab out. `refresh` tells the Compare tab that models came or went."""
    acting = Acting(workspace)
    catalogue = workspace.catalogue

    def news(event: gr.EventData, visitor: gr.Request):
        """The list as it is now, for a page that shows an older one. The first look also says who may act."""
        may = access.is_operator(workspace, visitor)
        now, known = acting.listed(may), heard(event, "seen")
        if now.version == known:
            return {listed: gr.skip()}
        first = {form: present(may, "models-add"),
                 visitors: words.sentence("" if may else VISITORS)}
        return {listed: now} | ({} if known else first)

    def act(event: gr.EventData, visitor: gr.Request):
        what, model = heard(event, "act"), heard(event, "id")
        problem = ""
        try:
            access.require(workspace, visitor, MAY.get(what, "change models"))
            acting.act(model, what)
        except ValueError as refused:
            problem = str(refused)
        now = acting.listed(access.is_operator(workspace, visitor))
        # Without a version it is news even where nothing changed, so that the button can be pressed again.
        return {listed: now.model_copy(update={"version": ""}), said: words.sentence(problem, bool(problem))}

    def asked(visitor: gr.Request, *typed: str | None) -> Seen:
        access.require(workspace, visitor, "add models")
        return look(catalogue, *(str(each or "") for each in typed))

    def show(name, model, family, key, adapter, visitor: gr.Request):
        """What is typed, looked at; a server's further questions appear with it."""
        access.require(workspace, visitor, "add models")
        yield {facts: told([("Looking", "asking…")]), add: seen(False), said: words.sentence()}
        yield shown(asked(visitor, name, model, family, key, adapter))

    def shown(found: Seen) -> dict:
        far = found.kind == "server"
        changes = {facts: told(found.facts, found.problem), server: row(far), add: seen(found.spec is not None)}
        if far:
            chosen = found.spec.server.model if found.spec else (found.choices[0] if found.choices else "")
            changes |= {served: gr.update(choices=list(found.choices), value=chosen or None),
                        family: gr.update(value=found.family or None)}
        return changes

    def put(name, model, family, key, adapter, visitor: gr.Request):
        """Looked at again, then written into models.toml: what was shown may be old."""
        yield {said: words.sentence("Adding…")}
        found = asked(visitor, name, model, family, key, adapter)
        if found.spec is None:
            yield shown(found) | {said: words.sentence()}
            return
        catalogue.add(found.spec, found.base)
        then = "press Download beside it" if found.kind == "hub" else "tick it under Compare"
        yield {listed: acting.listed(True), typed: "", facts: None, server: row(False), add: seen(False),
               said: words.sentence(f"Added {found.spec.title or found.spec.id}: {then}.")}

    def row(far: bool) -> dict:
        return present(far, "models-server")

    visitors = Notice(elem_id="models-visitors")
    with gr.Column(elem_id="models-add", elem_classes=classes(False, "models-add")) as form:
        with gr.Row(elem_classes="models-look"):
            typed = gr.Textbox(label="Add a model", placeholder="owner/name, /a/folder, or http://host:8000/v1",
                               info=EXPLAINED, elem_id="model-typed", scale=1, max_length=500, max_lines=1)
            look_button = gr.Button("Look", elem_id="model-look", scale=0, min_width=110)
        with gr.Row(elem_classes=classes(False, "models-server"), elem_id="model-server") as server:
            served = gr.Dropdown([], label="Model", info="As the server calls it", allow_custom_value=True,
                                 elem_id="model-served")
            family = gr.Dropdown([(each.title, each.name) for each in families.every()], value=None,
                                 label="Family", info="How it writes places", elem_id="model-family")
            key = gr.Textbox(label="Variable with the key", placeholder="VLLM_API_KEY", elem_id="model-key",
                             info="The name of an environment variable; empty for none", max_length=100)
            adapter = gr.Textbox(label="LoRA to load there", info="A path that the server sees; empty for none",
                                 elem_id="model-adapter", max_length=500)
        facts = Facts(elem_id="model-facts")
        add = gr.Button("Add", variant="primary", visible=HIDDEN, elem_id="model-add", scale=0, min_width=110)
    said = Notice(elem_id="models-said")
    listed = ModelList(elem_id="models-list")

    fields, changed = [typed, served, family, key, adapter], [facts, add, server, served, family, said]
    listed.tick(news, None, [listed, form, visitors], trigger_mode="once", **AT_ONCE)
    refresh.after(listed.act(act, None, [listed, said], trigger_mode="multiple", **AT_ONCE).then)
    gr.on([look_button.click, typed.submit], in_words(show, said), fields, changed, **STREAMED)
    refresh.after(add.click(in_words(put, said), fields, [listed, typed, *changed], **STREAMED).then)
