"""What the buttons of a model do. Each works in the background and leaves a sentence; the page asks how it stands."""
from __future__ import annotations

import hashlib
import logging
import threading
from collections.abc import Callable
from pathlib import Path

from app.backends import ModelError
from app.backends.downloading import Download, size
from app.catalogue import Entry
from app.catalogue.looking import look
from app.types import ModelSpec
from app.ui import words
from app.ui.component import printable
from app.ui.models.listed import Action, ModelRow, ModelsData
from app.workspace import Workspace

LABELS = {"ask": "Size and licence", "download": "Download", "resume": "Resume", "cancel": "Cancel", "load": "Load",
          "unload": "Unload", "check": "Check coordinates", "erase": "Delete its files", "remove": "Remove"}
SURE = {"erase": "Delete for good?", "remove": "Take it off the list?"}
# All of it is the operator's; the sentence says which.
MAY = {"ask": "ask about models", "download": "download models", "resume": "download models",
       "cancel": "cancel downloads", "load": "load models", "unload": "unload models", "check": "check models",
       "erase": "delete models", "remove": "remove models"}
STATES = {"shipped": "comes with Boxloop", "server": "on a server", "to download": "not downloaded"}
log = logging.getLogger(__name__)


class Acting:
    """`notes` are the last sentences by model, with whether it is a problem; `busy` what is being done with one now."""

    def __init__(self, workspace: Workspace) -> None:
        self.catalogue, self.models = workspace.catalogue, workspace.models
        self.badges, self.downloads = workspace.badges, self.catalogue.downloads
        self.notes: dict[str, tuple[str, bool]] = {}
        self.busy: dict[str, str] = {}

    def act(self, model: str, act: str) -> None:
        """Raises ValueError for what is no button of a model that there is."""
        entry = next((entry for entry in self.catalogue.entries() if entry.spec.id == model), None)
        if entry is None or act not in LABELS or act not in self._actions(entry):
            raise ValueError("this model changed meanwhile; look again")
        self.notes.pop(model, None)
        getattr(self, f"_{act}")(entry.spec)

    def listed(self, may: bool) -> ModelsData:
        """All models as they stand now. Who may not act sees no buttons, no addresses and no sentences of others."""
        rows = [self._row(entry, may) for entry in self.catalogue.entries()]
        now = ModelsData(rows=rows, problems=[printable(each) for each in self.catalogue.problems] if may else [],
                         memory=self._memory())
        now.version = hashlib.sha256(now.model_dump_json().encode()).hexdigest()[:16]
        return now

    def _ask(self, spec: ModelSpec) -> None:
        def ask():
            seen = look(self.catalogue, spec.source)
            told = "; ".join(f"{name}: {said}" for name, said in seen.facts)
            self.notes[spec.id] = (". ".join(filter(None, (told, seen.problem))), bool(seen.problem))
        self._begin(spec, "asking the Hub", ask)

    def _download(self, spec: ModelSpec) -> None:
        for name, revision in _parts(spec):
            self.downloads.start(name, revision).kept = True

    _resume = _download

    def _cancel(self, spec: ModelSpec) -> None:
        for download in self._running(spec):
            download.cancel()

    def _load(self, spec: ModelSpec) -> None:
        def load():
            self.models.load(spec)
        self._begin(spec, "loading", load)

    def _unload(self, spec: ModelSpec) -> None:
        def unload():
            self.models.unload(spec)
            if spec.adapter and not spec.server:
                self.notes[spec.id] = ("Its base and the other adapters on it left the memory with it.", False)
        self._begin(spec, "leaving", unload)

    def _check(self, spec: ModelSpec) -> None:
        def check():
            badge = self.badges.test(spec)
            self.notes[spec.id] = (". ".join((badge.detail, *badge.failures)), badge.ok is False)
        self._begin(spec, "checking its coordinates", check)

    def _remove(self, spec: ModelSpec) -> None:
        self._cancel(spec)
        self.catalogue.remove(spec.id)
        self._begin(spec, "leaving", lambda: self.models.unload(spec))

    def _erase(self, spec: ModelSpec) -> None:
        self._cancel(spec)
        self.downloads.remove(spec.adapter or spec.source)

    def _begin(self, spec: ModelSpec, doing: str, work: Callable[[], object]) -> None:
        def worked():
            try:
                work()
            except (ModelError, ValueError) as problem:
                self.notes[spec.id] = (str(problem), True)
            except Exception as bug:
                log.exception("%s %s", doing, spec.id)
                self.notes[spec.id] = (f"a fault in Boxloop: {type(bug).__name__}; the log has the details", True)
            finally:
                self.busy.pop(spec.id, None)
        self.busy[spec.id] = doing
        threading.Thread(target=worked, name=f"{doing} {spec.id}", daemon=True).start()

    def _row(self, entry: Entry, may: bool) -> ModelRow:
        spec, comes = entry.spec, self._running(entry.spec)
        note, problem = self.notes.get(spec.id, ("", False)) if may else ("", False)
        failed = next((each for each in self._last(spec) if each.state == "failed"), None) if may else None
        if failed is not None and not note:
            note, problem = failed.problem, True
        state, kind = self._state(entry, comes)
        done = sum(each.done for each in comes) / max(1, sum(each.total for each in comes)) if comes else -1.0
        return ModelRow(
            id=printable(spec.id), title=printable(spec.title or spec.id), state=printable(state), kind=kind, done=done,
            badge=words.badge(self.badges.of(spec)) if not spec.server else None,
            about=printable(" · ".join(filter(None, self._about(entry, may)))), note=words.sentence(note)["text"],
            problem=problem,
            actions=[Action(act=act, label=LABELS[act], sure=SURE.get(act, "")) for act in self._actions(entry)]
            if may else [])

    def _about(self, entry: Entry, may: bool) -> list[str]:
        """What it is, and what it needs and takes."""
        spec = entry.spec
        here = self._size(spec) if entry.state != "to download" else 0
        access = spec.needs.get("token") if entry.state == "to download" else None
        return [spec.id if spec.id != spec.title else "", f"on {spec.source}" if spec.server and may else "",
                f"on {Path(spec.source).name}" if spec.adapter and not spec.server else "",
                f"{size(here)} on the disk" if here else "", words.needs(entry),
                str(spec.needs.get("licence") or ""), str(access or ""),
                f"revision {spec.revision[:12]}" if spec.revision and len(spec.revision) > 11 else ""]

    def _size(self, spec: ModelSpec) -> int:
        """Bytes of its files on this disk; of an adapter only its own."""
        if spec.server:
            return 0
        source, revision = (spec.adapter, spec.adapter_revision) if spec.adapter else (spec.source, spec.revision)
        folder = Path(source) if Path(source).is_dir() else self.downloads.here(source, revision)
        return sum(file.stat().st_size for file in folder.iterdir() if file.is_file()) if folder else 0

    def _state(self, entry: Entry, comes: list[Download]) -> tuple[str, str]:
        """(words, kind): kind is idle, busy or done."""
        spec = entry.spec
        if comes:
            return comes[0].words, "busy"
        held, doing = self.models.held(spec), self.busy.get(spec.id)
        if doing or (held is not None and not held.load.done()):
            return ((held.note if held is not None else "") or doing or "loading") + "…", "busy"
        if held is None:
            partly = self._partly(spec) if entry.state == "to download" else 0
            ended = f"{size(partly)} came before the download ended" if partly else ""
            return ended or STATES.get(entry.state, entry.state), "idle"
        if spec.server:
            return "ready", "done"
        return "loaded, on its base" if spec.adapter else f"loaded, {size(held.bytes)} on {held.device}", "done"

    def _actions(self, entry: Entry) -> list[str]:
        spec = entry.spec
        removable = ["remove"] if entry.added else []
        if self._running(spec):
            return ["cancel"]
        if spec.id in self.busy:
            return []
        if entry.state == "to download":
            asks = [] if entry.added else ["ask"]  # what was added was asked about then
            return [*asks, "resume" if self._partly(spec) else "download", *removable]
        held = self.models.held(spec) is not None
        checks = [] if spec.server or spec.backend == "detector" else ["check"]
        files = not held and not spec.server and not Path(spec.adapter or spec.source).is_dir()
        return ["unload" if held else "load", *checks, *(["erase"] if files else []), *removable]

    def _last(self, spec: ModelSpec) -> list[Download]:
        return [found for part in _parts(spec) if (found := self.downloads.find(*part)) is not None]

    def _running(self, spec: ModelSpec) -> list[Download]:
        return [each for each in self._last(spec) if each.state == "running"]

    def _partly(self, spec: ModelSpec) -> int:
        return sum(self.downloads.partly_here(name) for name, _ in _parts(spec))

    def _memory(self) -> str:
        """`Memory: models take 0.3 GB of 8 GB`; nothing before the first model is loaded."""
        room = self.models.room
        return " · ".join(f"{'Memory' if device == 'cpu' else device}: models take {size(room.taken(device))} of "
                          f"{size(budget)}" for device, budget in room.known.items())


def _parts(spec: ModelSpec) -> list[tuple[str, str | None]]:
    """What comes from the Hub for a model, as (name, revision): its weights; its base's."""
    if spec.server:
        return []
    found = [(spec.source, spec.base_revision if spec.adapter else spec.revision)]
    found += [(spec.adapter, spec.adapter_revision)] if spec.adapter else []
    return [(name, revision) for name, revision in found if not Path(name).is_dir()]
