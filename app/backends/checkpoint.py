"""Finds a checkpoint's folder, on this disk or through the Hub, and says in one sentence why it cannot be had.

Weights are read from safetensors only and code in a repository is never run: a checkpoint is somebody else's file.
"""
from __future__ import annotations

import hashlib
import logging
import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from functools import lru_cache
from pathlib import Path

from app.backends import ModelError
from app.types import ModelSpec

log = logging.getLogger(__name__)

# Held while transformers is imported and while it builds a model: both change state of the whole process. Five models
# loading at once gave an ImportError from its lazy imports, and a PaliGemma without its tied lm_head.
LOADING = threading.RLock()
NEEDED = ["*.json", "*.safetensors", "*.jinja", "*.model", "*.txt"]  # no pickles, no code, no other frameworks
OUT_OF_MEMORY = re.compile(r"OutOfMemoryError|can't allocate memory|CUDA out of memory")
SHORT = 12  # letters of a sha256: enough to tell weights apart, short enough to be read


def folder_of(source: str, revision: str | None) -> Path:
    """The checkpoint on this disk, downloaded first if it is a name on the Hub. Raises ModelError."""
    folder = Path(source)
    if not folder.is_dir():
        if folder.is_absolute() or source.startswith((".", "~")):
            raise ModelError(f"there is no folder {source}")
        folder = _downloaded(source, revision)
    if not (folder / "config.json").is_file():
        raise ModelError(f"{source} holds no config.json, so it is not a transformers checkpoint")
    check_safetensors(folder, source)
    return folder


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
        raise ModelError(f"{spec.id} could not be used: {text}") from problem


@contextmanager
def within_memory(spec: ModelSpec) -> Iterator[None]:
    """Running out of memory, on CUDA or CPU, as a ModelError that says which setting helps."""
    try:
        yield
    except (MemoryError, RuntimeError) as problem:
        if isinstance(problem, MemoryError) or OUT_OF_MEMORY.search(f"{type(problem).__name__}: {problem}"):
            raise ModelError(_out_of_memory(spec)) from problem
        raise


def _out_of_memory(spec: ModelSpec) -> str:
    needed = spec.needs.get("gpu_gb")
    size = f" (it needs about {needed} GB)" if needed else ""
    return (f"{spec.id} ran out of memory{size}; lower the pixel budget or the token limit, "
            "or ask fewer models at a time")


def _downloaded(source: str, revision: str | None) -> Path:
    from huggingface_hub import errors, snapshot_download
    try:
        return Path(snapshot_download(source, revision=revision, allow_patterns=NEEDED))
    except errors.HFValidationError as problem:
        raise ModelError(f"{source} is neither a folder here nor a name on the Hub (owner/name)") from problem
    except errors.GatedRepoError as problem:
        raise ModelError(f"{source} is gated: accept its licence at https://huggingface.co/{source}, then set "
                         "HF_TOKEN to a token of the same account") from problem
    except errors.RepositoryNotFoundError as problem:
        raise ModelError(f"the Hub has no model {source}, or it is private and HF_TOKEN cannot see it") from problem
    except errors.RevisionNotFoundError as problem:
        raise ModelError(f"{source} has no revision {revision}") from problem
    except (errors.LocalEntryNotFoundError, errors.IncompleteSnapshotError, errors.HfHubHTTPError, OSError) as problem:
        raise ModelError(f"{source} is not on this machine and the Hub cannot be reached; "
                         "connect to the internet once to download it, or choose a shipped model") from problem


@lru_cache(64)
def _digest(files: tuple[tuple[str, int, int], ...]) -> str:
    """The sha256 over the files' contents; size and time in the key, so that a changed file is read again."""
    digest = hashlib.sha256()
    for name, _, _ in files:
        with open(name, "rb") as file:
            while block := file.read(1 << 20):
                digest.update(block)
    return digest.hexdigest()
