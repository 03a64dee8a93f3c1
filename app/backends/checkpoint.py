"""Finds a checkpoint's folder, on this disk or through the Hub, and says in one sentence why it cannot be had.

Weights are read from safetensors only and code in a repository is never run: a checkpoint is somebody else's file.
"""
from __future__ import annotations

import hashlib
import json
import logging
import math
import re
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import lru_cache
from pathlib import Path

from app.backends import ModelError, OutOfMemory
from app.backends.downloading import Downloads
from app.types import ModelSpec

log = logging.getLogger(__name__)

# Held while transformers is imported and while it builds a model: both change state of the whole process. Five models
# loading at once gave an ImportError from its lazy imports, and a PaliGemma without its tied lm_head.
LOADING = threading.RLock()
WIDTHS = {"I64": 8, "I32": 4, "I16": 2, "I8": 1, "U8": 1, "BOOL": 1}  # bytes of each, as safetensors calls them
LONGEST_HEADER = 100_000_000  # bytes; safetensors' own limit
OUT_OF_MEMORY = re.compile(r"OutOfMemoryError|can't allocate memory|CUDA out of memory")
# How transformers says that a library is missing, in its three wordings, and how a torchvision for another torch fails.
MISSING = re.compile(r"requires the (\S{1,40}) library|None of these classes could be imported.*?\b(torchvision)\b|"
                     r"Package `([\w.-]{1,40})` is required|operator (torchvision)::", re.DOTALL)
SHORT = 12  # letters of a sha256: enough to tell weights apart, short enough to be read


def folder_of(source: str, revision: str | None, downloads: Downloads | None = None,
              told: Callable[[str], None] = lambda words: None, settings: str = "config.json") -> Path:
    """The checkpoint on this disk, downloaded first if it is a name on the Hub. Raises ModelError.

    `told` hears how a download goes. `settings` is the file without which it is no checkpoint, or no adapter.
    """
    folder = Path(source)
    if not folder.is_dir():
        if folder.is_absolute() or source.startswith((".", "~")):
            raise ModelError(f"there is no folder {source}")
        downloads = downloads or Downloads()
        folder = downloads.here(source, revision) or downloads.wait(source, revision, told)
    if not (folder / settings).is_file():
        raise ModelError(f"{source} holds no {settings}, so it is not a transformers "
                         f"{'checkpoint' if settings == 'config.json' else 'adapter'}")
    check_safetensors(folder, source)
    return folder


def needs(spec: ModelSpec, device: str) -> int:
    """Bytes that the weights will take: float32 on a CPU and for detectors, two bytes each on a GPU.

    From the headers of the weight files, which name every tensor's shape; only whole numbers keep their own size.
    """
    width = 4 if device == "cpu" or spec.backend == "detector" else 2
    total = 0
    for file in Path(spec.source).glob("*.safetensors"):
        for tensor in safetensors_header(file).values():
            floating = tensor["dtype"].startswith(("F", "BF"))
            total += math.prod(tensor["shape"]) * (width if floating else WIDTHS.get(tensor["dtype"], 8))
    return total


def safetensors_header(file: Path) -> dict[str, dict]:
    """{name: {"dtype", "shape", …}} of a weight file, without reading its weights. Raises ModelError."""
    try:
        with open(file, "rb") as opened:
            length = int.from_bytes(opened.read(8), "little")
            if not 0 < length < LONGEST_HEADER:
                raise ValueError(f"a header of {length} bytes")
            header = json.loads(opened.read(length))
        header.pop("__metadata__", None)
        return {name: {"dtype": str(each["dtype"]), "shape": [int(side) for side in each["shape"]]}
                for name, each in header.items()}
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as problem:
        raise ModelError(f"{file} is damaged, or was only copied in part: {problem}; get it again") from problem


def check_safetensors(folder: Path, source: str) -> None:
    if any(folder.glob("*.safetensors")):
        return
    if any(folder.glob("*.bin")) or any(folder.glob("*.pt")) or any(folder.glob("*.pth")):
        raise ModelError(f"{source} keeps its weights as pickle, which can run code when opened; "
                         "convert them to safetensors first")
    raise ModelError(f"{source} holds no weights (*.safetensors)")


def revision_of(folder: Path) -> str:
    """A downloaded snapshot's commit, or the first letters of the sha256 of a folder's weights."""
    if folder.parent.name == "snapshots":
        return folder.name
    weights = sorted(folder.glob("*.safetensors"))
    return _digest(tuple((str(file), file.stat().st_size, file.stat().st_mtime_ns) for file in weights))[:SHORT]


@contextmanager
def explained(spec: ModelSpec) -> Iterator[None]:
    """What transformers raises while it loads, as a ModelError with a sentence that says what would help."""
    try:
        with within_memory(spec):
            yield
    except ModelError:
        raise
    except Exception as problem:  # somebody else's file can be wrong in any way; the log keeps how
        log.info("loading %s", spec.id, exc_info=True)
        text = (str(problem).strip().splitlines() or [type(problem).__name__])[0][:300]
        if "does not recognize this architecture" in str(problem) or "Unrecognized model" in str(problem):
            raise ModelError(f"{spec.source} is a kind of model that this version of transformers does not know; "
                             "a newer one may") from problem
        if "trust_remote_code" in str(problem):
            raise ModelError(f"{spec.source} needs code of its own to run, and Boxloop runs no code from a "
                             "checkpoint; choose a model that transformers knows") from problem
        if library := MISSING.search(str(problem)):
            name = next(filter(None, library.groups())).lower()
            raise ModelError(f"{spec.source} needs the library {name}, which is not here or does not fit the torch "
                             "that is; install one that fits, or choose another model") from problem
        raise ModelError(f"{spec.id} could not be used: {text}") from problem


@contextmanager
def within_memory(spec: ModelSpec) -> Iterator[None]:
    """Running out of memory, on CUDA or CPU, as a ModelError that says which setting helps."""
    try:
        yield
    except (MemoryError, RuntimeError) as problem:
        if isinstance(problem, MemoryError) or OUT_OF_MEMORY.search(f"{type(problem).__name__}: {problem}"):
            raise OutOfMemory(_out_of_memory(spec)) from problem
        raise


def _out_of_memory(spec: ModelSpec) -> str:
    needed = spec.needs.get("gpu_gb")
    size = f" (it needs about {needed} GB)" if needed else ""
    return (f"{spec.id} ran out of memory{size}; lower the pixel budget or the token limit, "
            "or ask fewer models at a time")


@lru_cache(64)
def _digest(files: tuple[tuple[str, int, int], ...]) -> str:
    """The sha256 over the files' contents; size and time in the key, so that a changed file is read again."""
    digest = hashlib.sha256()
    for name, _, _ in files:
        with open(name, "rb") as file:
            while block := file.read(1 << 20):
                digest.update(block)
    return digest.hexdigest()
