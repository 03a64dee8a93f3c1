"""Which models there are: shipped in assets/models, tuned here, in the operator's models.toml, well known on the Hub.

Looking costs no network and no torch: a shipped model is a folder with a card, a downloaded one is in the Hub's cache.
"""
from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from app import families, tasks
from app.backends.downloading import Downloads
from app.catalogue import file as listing
from app.catalogue import folders
from app.catalogue.file import ModelsFile
from app.catalogue.known import HUB
from app.types import ModelSpec

SHIPPED = Path(__file__).resolve().parents[2] / "assets" / "models"
log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Entry:
    """A model with what can be said before loading it.

    `state`: "shipped", "on disk", "to download", "server" or "tuned here"; `added`: by the operator, in models.toml.
    """
    spec: ModelSpec
    state: str
    added: bool = False

    @property
    def tasks(self) -> tuple[str, ...]:
        return tasks.possible(families.find(self.spec.family).tasks)

    def to_json(self) -> dict:
        spec = self.spec
        return {"id": spec.id, "family": spec.family, "backend": spec.backend, "source": spec.source,
                "revision": spec.revision, "tasks": list(self.tasks), "needs": dict(spec.needs), "state": self.state}


class Catalogue:
    """The shipped models lie in a folder of their own, and what belongs to a workspace in its `home`; a test gives its
    own. Without a home there are only the shipped ones and those of the Hub."""

    def __init__(self, shipped: Path = SHIPPED, home: Path | None = None, downloads: Downloads | None = None) -> None:
        self.shipped, self.home = shipped, home
        self.downloads = downloads or Downloads()
        self.file = ModelsFile(home / listing.NAME) if home else None

    def entries(self) -> tuple[Entry, ...]:
        """Shipped models first, an adapter right behind its base, then what was tuned here, what the operator added,
        and those of the Hub."""
        shipped = [spec for folder in sorted(self.shipped.glob("*/")) if (spec := self._found(folder)) is not None]
        shipped.sort(key=lambda spec: (spec.source, spec.adapter or ""))
        found = [Entry(spec, "shipped") for spec in shipped]
        found += [Entry(spec, "tuned here") for spec in self._tuned()]
        added = self._added({entry.spec.id: entry.spec for entry in found})
        found += [Entry(spec, self.state(spec), True) for spec in added]
        taken = {entry.spec.id for entry in found}
        return (*found, *(Entry(spec, self.state(spec)) for spec in HUB if spec.id not in taken))

    def titles(self) -> dict[str, str]:
        """The models' names by id."""
        return {entry.spec.id: entry.spec.title or entry.spec.id for entry in self.entries()}

    def __iter__(self) -> Iterator[ModelSpec]:
        return (entry.spec for entry in self.entries())

    @property
    def problems(self) -> tuple[str, ...]:
        """What is wrong in models.toml, in sentences."""
        if self.file is None:
            return ()
        self.entries()
        return (*self.file.problems, *self._unusable)

    def is_shipped(self, spec: ModelSpec) -> bool:
        return any(entry.spec == spec and entry.state == "shipped" for entry in self.entries())

    def find(self, model: str) -> ModelSpec:
        """The model of that id, or the checkpoint or adapter in that folder. Raises ValueError naming what there is."""
        entries = self.entries()
        for entry in entries:
            if entry.spec.id == model:
                return entry.spec
        folder = Path(model).expanduser()
        if folder.is_dir():
            return self.describe(folder, model)
        known = ", ".join(entry.spec.id for entry in entries)
        raise ValueError(f"there is no model {model!r}; there are: {known}; or give the folder of a checkpoint")

    def describe(self, folder: Path, model: str) -> ModelSpec:
        """The spec of a checkpoint or PEFT adapter on this disk. Raises ValueError if it is neither."""
        if (folder / "adapter_config.json").is_file():
            base = self._base(folders.settings(folder / "adapter_config.json"), folder)
            return self.on_base(base, model, str(folder), folders.title(folder) or model,
                                revision=folders.revision(folder))
        if not (folder / "config.json").is_file():
            raise ValueError(f"{folder} holds neither config.json nor adapter_config.json, so it is no model")
        return folders.checkpoint(folder, model)

    def on_base(self, base: ModelSpec, model: str, adapter: str, title: str, revision: str | None = None) -> ModelSpec:
        """The spec of an adapter on a base. Raises ValueError for a base that takes none."""
        if base.adapter or base.backend not in ("local", "openai"):
            what = "an adapter itself" if base.adapter else f"a {base.backend}"
            raise ValueError(f"{base.id} is {what}, and no adapter stands on that; name the base it was trained on")
        return replace(base, id=model, title=title, adapter=adapter, revision=revision, base_revision=base.revision)

    def state(self, spec: ModelSpec) -> str:
        """Whether everything that a model needs is here."""
        if spec.server:
            return "server"
        parts = [(spec.source, spec.base_revision if spec.adapter else spec.revision)]
        parts += [(spec.adapter, spec.adapter_revision)] if spec.adapter else []
        here = all(Path(source).is_dir() or self.downloads.here(source, revision) for source, revision in parts)
        return "on disk" if here else "to download"

    def add(self, spec: ModelSpec, base: str = "") -> None:
        """Write a model into models.toml. Raises ValueError."""
        if self.file is None:
            raise ValueError("this catalogue has no home to keep a list in")
        if any(entry.spec.id == spec.id and entry.state in ("shipped", "tuned here") for entry in self.entries()):
            raise ValueError(f"{spec.id} is the name of another model here; give this one another name")
        block = listing.block_of(spec, base)
        listing.checked(block)
        self.file.add(block)

    def remove(self, model: str) -> None:
        """Take a model out of models.toml; its files stay. Raises ValueError for one that is not in it."""
        if self.file is None or not self.file.remove(model):
            raise ValueError(f"{model} is not in models.toml: only what was added can be removed")

    def _found(self, folder: Path) -> ModelSpec | None:
        """None, and a line in the log, for a folder that cannot be a model: the others still show."""
        try:
            return self.describe(folder, folder.name)
        except ValueError as problem:
            log.warning("left out of the catalogue: %s", problem)
            return None

    def _tuned(self) -> Iterator[ModelSpec]:
        """What this workspace's own runs published, an adapter or a whole model, by the name of the run."""
        runs = (self.home or Path("/nowhere")) / "runs"
        for settings in sorted([*runs.glob("*/adapter/adapter_config.json"), *runs.glob("*/model/config.json")]):
            run = settings.parent.parent.name
            spec = None if run.startswith(".") else self._found(settings.parent)  # being deleted
            if spec is not None:
                yield replace(spec, id=f"tuned-{run}", title=folders.title(settings.parent) or f"Tuned {run}")

    _unusable: tuple[str, ...] = ()

    def _added(self, known: Mapping[str, ModelSpec]) -> list[ModelSpec]:
        """The models of models.toml; bases before the adapters on them, wherever they stand."""
        known = {spec.id: spec for spec in HUB} | dict(known)
        found, problems = [], []
        blocks = self.file.blocks if self.file else ()
        for block in sorted(blocks, key=lambda block: "base" in block):
            try:
                spec = self._spec(block, known)
            except ValueError as problem:
                problems.append(f"models.toml, {block['id']}: {problem}")
                continue
            known[spec.id] = spec
            found.append(spec)
        self._unusable = tuple(problems)
        place = {block["id"]: number for number, block in enumerate(blocks)}
        return sorted(found, key=lambda spec: place[spec.id])

    def _spec(self, block: Mapping, known: Mapping[str, ModelSpec]) -> ModelSpec:
        title, needs = block.get("title") or block["id"].rsplit("/", 1)[-1], listing.needs(block)
        if "server" in block:
            family = families.find(block["family"])
            return ModelSpec(block["id"], family.name, "openai", listing.address(block["server"]), None,
                             block.get("adapter"), title, needs, server=listing.server(block))
        if "adapter" in block:
            base = known.get(block["base"]) or self._named(block["base"])
            folder = Path(block["adapter"]).expanduser()
            if folder.is_absolute() and not folder.is_dir():
                raise ValueError(f"there is no folder {folder}")
            spec = self.on_base(base, block["id"], str(folder) if folder.is_dir() else block["adapter"], title,
                                folders.revision(folder) if folder.is_dir() else block.get("adapter_revision"))
            return replace(spec, needs=needs, adapter_revision=block.get("adapter_revision"))
        folder = Path(block["source"]).expanduser()
        if folder.is_dir():
            return replace(folders.checkpoint(folder, block["id"]), title=title, needs=needs)
        if folder.is_absolute() or not block.get("family"):
            raise ValueError(f"there is no folder {folder}" if folder.is_absolute() else
                             "a model of the Hub needs its `family` here: a name from the README's table")
        family = families.find(block["family"])
        return ModelSpec(block["id"], family.name, family.backend, block["source"], block.get("revision") or "main",
                         title=title, needs=needs)

    def _named(self, name: str) -> ModelSpec:
        """An adapter's base that is in no list: a folder, beside the shipped ones or anywhere. Raises ValueError."""
        for place in (self.shipped / name, Path(name).expanduser()):
            if (place / "config.json").is_file():
                return folders.checkpoint(place, name)
        raise ValueError(f"its base {name} is not here; add that model first")

    def _base(self, adapter: dict, folder: Path) -> ModelSpec:
        """An adapter names its base by a shipped id, a folder (beside it, or seen from it), or a name on the Hub."""
        name = adapter.get("base_model_name_or_path") or ""
        for place in (self.shipped / name, folder.parent / name, folder / name, Path(name)):
            if name and (place / "config.json").is_file():
                return self.describe(place, name)
        for spec in HUB:
            if spec.id == name:
                return spec
        for block in self.file.blocks if self.file else ():
            if name in (block["id"], block.get("source")) and not {"server", "adapter"} & set(block):
                return self._spec(block, {})
        raise ValueError(f"{folder} is an adapter for {name or 'a model it does not name'}, which is not here; "
                         "add that model first")
