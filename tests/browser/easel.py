"""A page with nothing but the editor, and a ledger instead of a store: what was saved, in order, in memory."""
from __future__ import annotations

from dataclasses import dataclass, field

import gradio as gr

from app.types import Annotation
from app.ui.editor import About, Editor, Version, Work, receipt, theirs, version


@dataclass
class Ledger:
    """Obeys the store's contract where the editor sees it: a parent that is not the newest is a conflict, a key that
    came before is the same event. `silent` swallows that many answers, `refusing` is why nothing is saved."""
    events: list[dict] = field(default_factory=list)
    came: list[dict] = field(default_factory=list)  # every save that arrived, repeats too
    gone: list[dict] = field(default_factory=list)
    silent: int = 0
    refusing: str = ""
    start: tuple[Annotation, ...] = ()

    @property
    def objects(self) -> dict[str, dict]:
        return {each["id"]: each for each in self.events[-1]["objects"]} if self.events else {}

    def save(self, event: gr.EventData):
        told = event._data
        self.came.append(told)
        known = next((n for n, each in enumerate(self.events) if each["key"] == told["key"]), None)
        newest = f"event{len(self.events)}" if self.events else None
        answer = None
        if self.refusing:
            answer = receipt(told["key"], problem=self.refusing)
        elif known is None and told["parent"] != newest:
            answer = receipt(told["key"], conflict=self.conflict(newest))
        elif known is None:
            self.events.append(told)
        if self.silent:
            self.silent -= 1
            return gr.skip()
        number = len(self.events) if known is None else known + 1
        return answer or receipt(told["key"], saved=f"event{number}", history=self.history())

    def go(self, event: gr.EventData):
        self.gone.append(event._data)

    def conflict(self, newest: str) -> dict:
        other = self.events[-1]
        found = tuple(Annotation(each["label"], tuple(each["box"]), id=each["id"]) for each in other["objects"])
        return theirs(newest, "14:03", "Ada", "1 moved", found, True, About(other["task"], other["query"], note="hers"))

    def version(self, event: gr.EventData):
        told = event._data
        return version(told["sample"], told["id"], "14:03", self.start, True, About("detect", "old words"))

    def history(self) -> list[Version]:
        return [Version(f"event{n + 1}", f"14:0{n}", "you", f"save {n + 1}", n + 1 == len(self.events))
                for n in reversed(range(len(self.events)))]


def easel(works: dict[str, Work]):
    """(the page, its ledger). `?work=NAME` shows one of the works; the buttons of the test go to another."""
    ledger = Ledger()
    always = {"queue": False, "show_progress": "hidden", "trigger_mode": "multiple", "api_visibility": "private"}
    with gr.Blocks(analytics_enabled=False, fill_width=True) as page:
        editor = Editor(elem_id="editor")
        editor.save(ledger.save, None, [editor], **always)
        editor.version(ledger.version, None, [editor], **always)
        editor.go(ledger.go, None, None, **always)

        def arrive(visitor: gr.Request):
            work = works[visitor.query_params.get("work", "plain")]
            ledger.start = work.annotations or ()
            return work

        page.load(arrive, None, editor, **always)
    return page, ledger
