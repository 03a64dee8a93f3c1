"""models.toml: the operator's own list of models, a plain file that is written and read here.

    [memory]
    gpu_gb = 70                                  # weights may take this much on each GPU; ram_gb without one

    [[model]]                                    # a model of the Hub
    id = "Qwen/Qwen2.5-VL-3B-Instruct"
    source = "Qwen/Qwen2.5-VL-3B-Instruct"       # or a folder
    revision = "66285546d2b821cf421d4f5eb2576359d3770cd3"

    [[model]]                                    # a model of an OpenAI-compatible server
    id = "qwen-72b"
    server = "http://gpu:8000/v1"
    model = "Qwen/Qwen2.5-VL-72B-Instruct"       # as the server calls it
    family = "qwen2.5-vl"
    key = "VLLM_API_KEY"                         # the name of an environment variable, never the key

    [[model]]                                    # a LoRA on a base that is in this list, shipped, or on the Hub
    id = "owner/tuned"
    adapter = "owner/tuned"                      # or a folder; with `server`: a path that the server sees
    base = "Qwen/Qwen2.5-VL-3B-Instruct"

Blocks are added and taken out as text, so comments and order stay. A block that cannot be used is said; others work.
"""
from __future__ import annotations

import os
import re
import threading
import tomllib
from collections.abc import Mapping
from pathlib import Path
from urllib.parse import urlsplit

from app import families
from app.types import ModelSpec, Pixels, Server

NAME = "models.toml"
KINDS = {"id": str, "title": str, "family": str, "source": str, "revision": str, "adapter": str, "base": str,
         "adapter_revision": str, "server": str, "model": str, "key": str, "timeout": (int, float), "at_once": int,
         "pixels": dict, "download_gb": (int, float), "gpu_gb": (int, float), "licence": str, "gate": str}
NEEDS = ("download_gb", "gpu_gb", "licence", "gate")
VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,99}")
SECRET = re.compile(r"^(sk-|hf_|Bearer )|[a-z0-9-]{30,}", re.IGNORECASE)
HEAD = ("# The models that Boxloop offers beside those it ships. Edit it as you like; a change is seen at once.\n"
        "# docs/servers.md explains the fields of a server.\n")
BLOCK = re.compile(r"^\[\[model\]\][^\n]*\n.*?(?=^\[|\Z)", re.MULTILINE | re.DOTALL)


class ModelsFile:
    """Read again whenever it changed. `problems` are the sentences about what could not be used."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.problems: tuple[str, ...] = ()
        self._lock = threading.RLock()
        self._seen: tuple | None = None
        self._blocks: tuple[Mapping, ...] = ()
        self._memory: Mapping[str, float] = {}

    @property
    def blocks(self) -> tuple[Mapping, ...]:
        """The blocks with known fields only, each with an id of its own."""
        self._read()
        return self._blocks

    @property
    def memory(self) -> Mapping[str, float]:
        self._read()
        return self._memory

    def add(self, block: Mapping) -> None:
        """Raises ValueError for an id that is taken, or a value that the file cannot hold."""
        with self._lock:
            if any(each["id"] == block["id"] for each in self.blocks):
                raise ValueError(f"{block['id']} is in the list already; remove it first, or give another name")
            text = self.path.read_text("utf-8") if self.path.is_file() else HEAD
            self._write(f"{text.rstrip()}\n\n{written(block)}")

    def remove(self, model: str) -> bool:
        """Whether its block was there."""
        with self._lock:
            text = self.path.read_text("utf-8") if self.path.is_file() else ""
            found = [block for block in BLOCK.finditer(text) if _id(block[0]) == model]
            for block in reversed(found):
                text = text[:block.start()] + text[block.end():]
            if found:
                self._write(text)
            return bool(found)

    def _write(self, text: str) -> None:
        new = self.path.with_name(f"{NAME}.new")
        new.write_text(text, "utf-8")
        os.replace(new, self.path)

    def _read(self) -> None:
        with self._lock:
            try:
                state = self.path.stat()
                seen = (state.st_mtime_ns, state.st_size, state.st_ino)
            except OSError:
                seen = None
            if seen == self._seen:
                return
            self._seen, self._blocks, self._memory, self.problems = seen, (), {}, ()
            if seen is None:
                return
            try:
                content = tomllib.loads(self.path.read_text("utf-8"))
            except (tomllib.TOMLDecodeError, UnicodeDecodeError, OSError) as problem:
                self.problems = (f"{self.path} cannot be read: {problem}",)
                return
            memory = content.get("memory")
            self._memory = {name: float(value) for name, value in (memory if isinstance(memory, dict) else {}).items()
                            if name in ("gpu_gb", "ram_gb") and isinstance(value, int | float) and value > 0}
            blocks, problems = {}, []
            for number, block in enumerate(content.get("model") or (), 1):
                try:
                    checked(block)
                    if block["id"] in blocks:
                        raise ValueError(f"{block['id']} stands there twice; only the first one counts")
                    blocks[block["id"]] = block
                except (ValueError, AttributeError, TypeError) as problem:
                    problems.append(f"{self.path.name}, model {number}: {problem}")
            self._blocks, self.problems = tuple(blocks.values()), tuple(problems)


def checked(block: Mapping) -> None:
    """Raises ValueError, with the value and what would work, for a block that cannot be used."""
    if "trust_remote_code" in block:
        raise ValueError("Boxloop runs no code that comes with a checkpoint, not even code that you allow; take out "
                         "`trust_remote_code`, or serve that model with vLLM and name the server")
    for name, value in block.items():
        if name not in KINDS:
            raise ValueError(f"there is no field `{str(name)[:40]}`; there are: {', '.join(KINDS)}")
        if not isinstance(value, KINDS[name]) or isinstance(value, bool):
            raise ValueError(f"`{name}` cannot be {str(value)[:60]!r}")
    if not block.get("id", "").strip():
        raise ValueError("it has no `id`")
    if not {"source", "server", "adapter"} & set(block):
        raise ValueError(f"{block['id']} needs a `source` (a folder or a name on the Hub), a `server` or an `adapter`")
    if "server" in block:
        address(block["server"])
        variable(block.get("key", ""))
        if not block.get("family") or not (block.get("model") or block.get("adapter")):
            raise ValueError(f"{block['id']} needs a `family` and a `model`, as the server calls it")
        _pixels(block)
    elif "adapter" in block and not block.get("base"):
        raise ValueError(f"{block['id']} needs a `base`: the model that the adapter stands on")
    if block.get("family"):
        families.find(block["family"])


def address(text: str) -> str:
    """The base address of a server, `http://host:8000/v1`. Raises ValueError."""
    text = text.strip().rstrip("/").removesuffix("/chat/completions")
    parts = urlsplit(text)
    if parts.scheme not in ("http", "https") or not parts.hostname or parts.username or parts.query or parts.fragment:
        raise ValueError(f"{text[:100]!r} is no address of a server; write it like http://host:8000/v1, and the key "
                         "not into it")
    return text


def variable(text: str) -> str:
    """The name of an environment variable; empty for a server without a key. Raises ValueError for a key itself."""
    text = text.strip()
    if text and (SECRET.search(text) or not VARIABLE.fullmatch(text)):
        raise ValueError("this is to be the name of an environment variable, such as VLLM_API_KEY; the key itself "
                         "is kept nowhere")
    return text


def server(block: Mapping) -> Server:
    return Server(block.get("model", ""), block.get("key", ""), float(block.get("timeout", Server.timeout)),
                  max(1, int(block.get("at_once", Server.wide))), _pixels(block))


def needs(block: Mapping) -> dict:
    """What is known before a download: sizes, the licence, and where it is accepted."""
    found = {name: block[name] for name in NEEDS if block.get(name)}
    if gate := found.pop("gate", None):
        found["token"] = f"accept the licence at {gate} and set HF_TOKEN"
    return found


def block_of(spec: ModelSpec, base: str = "") -> dict:
    """The block from which `spec` is read again. `base` is the id of an adapter's base."""
    found = {"id": spec.id, "title": spec.title if spec.title != spec.id else "", "family": spec.family}
    if spec.server:
        found |= {"server": spec.source, "model": spec.server.model, "key": spec.server.key,
                  "adapter": spec.adapter or ""}
        rule = spec.server.pixels
        if rule:
            found["pixels"] = {"factor": rule.factor, "min": rule.min_pixels, "max": rule.max_pixels}
    elif spec.adapter:
        found |= {"adapter": spec.adapter, "adapter_revision": spec.adapter_revision or "", "base": base}
    else:
        found |= {"source": spec.source, "revision": spec.revision or ""}
    gate = re.search(r"https://\S+", str(spec.needs.get("token", "")))
    found |= {name: spec.needs[name] for name in NEEDS if name in spec.needs} | ({"gate": gate[0]} if gate else {})
    return {name: value for name, value in found.items() if value}


def written(block: Mapping) -> str:
    """A block as TOML. Raises ValueError for what would not be read back."""
    lines = ["[[model]]"]
    for name, value in block.items():
        if isinstance(value, dict):
            lines.append(f"{name} = {{ {', '.join(f'{key} = {int(each)}' for key, each in value.items())} }}")
        else:
            lines.append(f"{name} = {_quoted(value) if isinstance(value, str) else value}")
    text = "\n".join(lines) + "\n"
    if tomllib.loads(text)["model"] != [dict(block)]:
        raise ValueError(f"{block['id']} cannot be written into {NAME}")
    return text


def _quoted(text: str) -> str:
    if any(ord(letter) < 32 or ord(letter) == 127 for letter in text):
        raise ValueError(f"{text[:60]!r} holds a control character, which no name needs")
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'


def _id(block: str) -> str | None:
    try:
        return tomllib.loads(block)["model"][0].get("id")
    except (tomllib.TOMLDecodeError, KeyError, IndexError):
        return None


def _pixels(block: Mapping) -> Pixels | None:
    told = block.get("pixels")
    if not told:
        return None
    if not {"factor", "min", "max"} >= set(told) or not all(isinstance(v, int) and v > 0 for v in told.values()):
        raise ValueError("`pixels` is { factor = 28, min = 3136, max = 1003520 }, whole numbers, as the served "
                         "checkpoint's preprocessor_config.json says")
    usual = families.find(block["family"]).pixels
    return Pixels(factor=told.get("factor", usual.factor), min_pixels=told.get("min", usual.min_pixels),
                  max_pixels=told.get("max", usual.max_pixels))
