"""A checkpoint or adapter on this disk, described from its settings and its card."""
from __future__ import annotations

import json
import re
from pathlib import Path

from app import families
from app.backends.checkpoint import revision_of
from app.types import ModelSpec

SETTINGS = ("config.json", "adapter_config.json")


def is_model(folder: Path) -> bool:
    return any((folder / name).is_file() for name in SETTINGS)


def checkpoint(folder: Path, model: str) -> ModelSpec:
    """The spec of a whole model. Raises ValueError where no family reads it."""
    family = families.for_model_type(settings(folder / "config.json").get("model_type", ""))
    return ModelSpec(id=model, family=family.name, backend=family.backend, source=str(folder),
                     revision=revision(folder), title=title(folder) or model)


def revision(folder: Path) -> str | None:
    return revision_of(folder) if any(folder.glob("*.safetensors")) else None


def settings(path: Path) -> dict:
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (ValueError, OSError) as problem:
        raise ValueError(f"{path} cannot be read: {problem}") from problem
    if not isinstance(content, dict):
        raise ValueError(f"{path} holds no settings but a {type(content).__name__}")
    return content


def title(folder: Path) -> str:
    """From the model card: `title:` or `model_name:` of its front matter, else its first heading."""
    card = folder / "README.md"
    if not card.is_file():
        return ""
    text = card.read_text(encoding="utf-8", errors="replace")
    front = re.match(r"---\n(.*?)\n---", text, re.DOTALL)
    named = re.search(r"^(?:title|model_name):\s*(.+)$", front[1], re.MULTILINE) if front else None
    heading = re.search(r"^#\s+(.+)$", text[front.end():] if front else text, re.MULTILINE)
    return (named or heading)[1].strip().strip("\"'") if named or heading else ""
