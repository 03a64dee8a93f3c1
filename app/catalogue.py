"""Which models there are: those shipped in assets/models, well-known ones on the Hub, and any folder given by path.

Looking costs no network and no torch: a shipped model is a folder with a card, a downloaded one is in the Hub's cache.
"""
from __future__ import annotations

import json
import logging
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from app import families
from app.backends.checkpoint import revision_of
from app.types import ModelSpec

SHIPPED = Path(__file__).resolve().parent.parent / "assets" / "models"
log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Entry:
    """A model with what can be said before loading it. `state`: "shipped", "on disk" or "to download"."""
    spec: ModelSpec
    state: str

    @property
    def tasks(self) -> tuple[str, ...]:
        return tuple(sorted(families.find(self.spec.family).tasks))

    def to_json(self) -> dict:
        spec = self.spec
        return {"id": spec.id, "family": spec.family, "backend": spec.backend, "source": spec.source,
                "revision": spec.revision, "tasks": list(self.tasks), "needs": dict(spec.needs), "state": self.state}


class Catalogue:
    """The shipped models lie in a folder of their own; a test gives its own."""

    def __init__(self, shipped: Path = SHIPPED) -> None:
        self.shipped = shipped

    def entries(self) -> tuple[Entry, ...]:
        """Shipped models first, an adapter right behind its base, then those of the Hub."""
        found = [spec for folder in sorted(self.shipped.glob("*/")) if (spec := self._shipped(folder)) is not None]
        found.sort(key=lambda spec: (spec.source, spec.adapter or ""))
        return (*(Entry(spec, "shipped") for spec in found), *(Entry(spec, _hub_state(spec)) for spec in HUB))

    def __iter__(self) -> Iterator[ModelSpec]:
        return (entry.spec for entry in self.entries())

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
            base = self._base(_json(folder / "adapter_config.json"), folder)
            return ModelSpec(id=model, family=base.family, backend=base.backend, source=base.source,
                             revision=_revision(folder), adapter=str(folder), title=_title(folder) or model)
        if not (folder / "config.json").is_file():
            raise ValueError(f"{folder} holds neither config.json nor adapter_config.json, so it is no model")
        family = families.for_model_type(_json(folder / "config.json").get("model_type", ""))
        return ModelSpec(id=model, family=family.name, backend=family.backend, source=str(folder),
                         revision=_revision(folder), title=_title(folder) or model)

    def _shipped(self, folder: Path) -> ModelSpec | None:
        """None, and a line in the log, for a folder that cannot be a model: the others still show."""
        try:
            return self.describe(folder, folder.name)
        except ValueError as problem:
            log.warning("left out of the catalogue: %s", problem)
            return None

    def _base(self, adapter: dict, folder: Path) -> ModelSpec:
        """An adapter names its base by a shipped id, a folder (beside it, or seen from it), or a name on the Hub."""
        name = adapter.get("base_model_name_or_path") or ""
        for place in (self.shipped / name, folder.parent / name, folder / name, Path(name)):
            if name and (place / "config.json").is_file():
                return self.describe(place, name)
        for spec in HUB:
            if spec.id == name:
                return spec
        raise ValueError(f"{folder} is an adapter for {name or 'a model it does not name'}, which is not here")


def _hub(source: str, family: str, download_gb: float, gpu_gb: float, backend: str = "local", **needs) -> ModelSpec:
    return ModelSpec(id=source, family=family, backend=backend, source=source, revision="main",
                     title=source.split("/")[1], needs={"download_gb": download_gb, "gpu_gb": gpu_gb, **needs})


# Sizes follow from parameters: two bytes each for the language models, four for the detectors. On the GPU the answer's
# cache and the picture come on top.
HUB = (
    _hub("google/paligemma2-3b-mix-448", "paligemma", 6.1, 8,
         token="accept the licence at https://huggingface.co/google/paligemma2-3b-mix-448 and set HF_TOKEN"),
    _hub("Qwen/Qwen2.5-VL-3B-Instruct", "qwen2.5-vl", 7.5, 10),
    _hub("Qwen/Qwen3-VL-4B-Instruct", "qwen3-vl", 8.9, 12),
    _hub("IDEA-Research/grounding-dino-tiny", "grounding-dino", 0.7, 2, "detector"),
    _hub("google/owlv2-base-patch16-ensemble", "owlv2", 0.6, 2, "detector"),
)


def _hub_state(spec: ModelSpec) -> str:
    """Whether the weights are in the Hub's cache; a download cut off halfway leaves none under their name."""
    from huggingface_hub.constants import HF_HUB_CACHE
    snapshots = Path(HF_HUB_CACHE) / f"models--{spec.source.replace('/', '--')}" / "snapshots"
    return "on disk" if any(map(_complete, snapshots.glob("*/"))) else "to download"


def _complete(snapshot: Path) -> bool:
    """Whether all weights are there: large ones come in several files, which an index names."""
    index = snapshot / "model.safetensors.index.json"
    if index.is_file():
        return all((snapshot / name).is_file() for name in set(_json(index).get("weight_map", {}).values()))
    return any(snapshot.glob("*.safetensors"))


def _revision(folder: Path) -> str | None:
    return revision_of(folder) if any(folder.glob("*.safetensors")) else None


def _json(path: Path) -> dict:
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (ValueError, OSError) as problem:
        raise ValueError(f"{path} cannot be read: {problem}") from problem
    if not isinstance(content, dict):
        raise ValueError(f"{path} holds no settings but a {type(content).__name__}")
    return content


def _title(folder: Path) -> str:
    """From the model card: `title:` or `model_name:` of its front matter, else its first heading."""
    card = folder / "README.md"
    if not card.is_file():
        return ""
    text = card.read_text(encoding="utf-8", errors="replace")
    front = re.match(r"---\n(.*?)\n---", text, re.DOTALL)
    named = re.search(r"^(?:title|model_name):\s*(.+)$", front[1], re.MULTILINE) if front else None
    heading = re.search(r"^#\s+(.+)$", text[front.end():] if front else text, re.MULTILINE)
    return (named or heading)[1].strip().strip("\"'") if named or heading else ""
