"""What the Hub says about a model before anything large is fetched: its commit, files, licence, gate, settings.

Only the files that transformers needs are looked at: no pickles, no code, no other frameworks, nothing in subfolders.
"""
from __future__ import annotations

import fnmatch
import hashlib
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path

from app.backends import ModelError

NEEDED = ("*.json", "*.safetensors", "*.jinja", "*.model", "*.txt", "README.md")
NOT_NEEDED = ("consolidated*.safetensors", "*.index.fp16.json")  # the same weights once more, for other programs
SAFE_NAME = re.compile(r"\w[\w. -]*")
HASH = re.compile(r"[0-9a-f]{40}|[0-9a-f]{64}")
LOOKING = 10.0  # seconds


@dataclass(frozen=True)
class HubFile:
    """`hash` is the sha256 of a large file, git's sha1 of a small one: the name of its blob in the Hub's cache."""
    name: str
    size: int
    hash: str

    def digest(self, path: Path) -> str:
        """The same hash of a file on this disk."""
        digest = hashlib.sha256() if len(self.hash) == 64 else hashlib.sha1(b"blob %d\0" % path.stat().st_size)
        with open(path, "rb") as file:
            while block := file.read(1 << 20):
                digest.update(block)
        return digest.hexdigest()


@dataclass(frozen=True)
class Listing:
    """A model on the Hub. `gate` is where its licence is accepted, `refusal` why its files cannot be had, if so."""
    name: str
    commit: str
    files: tuple[HubFile, ...]
    licence: str = ""
    gate: str = ""
    pickled: bool = False
    settings: Mapping = field(default_factory=dict)
    refusal: str = ""

    @property
    def size(self) -> int:
        return sum(file.size for file in self.files if self.needs(file))

    @property
    def is_adapter(self) -> bool:
        return any(file.name == "adapter_config.json" for file in self.files)

    def needs(self, file: HubFile) -> bool:
        """An adapter's folder may hold a copy of more than the adapter."""
        return not self.is_adapter or file.name.startswith("adapter_") or file.name == "README.md"

    def with_settings(self, settings: Mapping) -> Listing:
        return replace(self, settings=settings)

    def refused(self, why: str) -> Listing:
        return replace(self, refusal=why)

    def check_weights(self) -> None:
        """Raises ModelError where there are no weights that can be read safely."""
        if any(file.name.endswith(".safetensors") for file in self.files):
            return
        if self.pickled:
            raise ModelError(f"{self.name} keeps its weights as pickle, which can run code when opened; "
                             "choose one with safetensors, or convert it first")
        raise ModelError(f"{self.name} holds no weights (*.safetensors)")


def listed(name: str, revision: str | None, endpoint: str | None) -> Listing:
    """The Hub's own list, small files first, so that the weights are the last to come. Raises the Hub's errors."""
    from huggingface_hub import HfApi
    told = HfApi(endpoint=endpoint).model_info(name, revision=revision, files_metadata=True, timeout=LOOKING)
    files, pickled = [], False
    for each in told.siblings or ():
        digest = each.lfs.sha256 if each.lfs else each.blob_id
        pickled |= each.rfilename.endswith((".bin", ".pt", ".pth", ".ckpt"))
        if _is_needed(each.rfilename) and HASH.fullmatch(digest or ""):
            files.append(HubFile(each.rfilename, int(each.size or 0), digest))
    files.sort(key=lambda file: (file.name.endswith(".safetensors"), file.name))
    card = told.card_data.to_dict() if told.card_data else {}
    licence = str(card.get("license_name") or card.get("license") or "")[:80]
    return Listing(name, told.sha, tuple(files), licence, f"https://huggingface.co/{name}" if told.gated else "",
                   pickled)


def size(bytes_: float) -> str:
    """`850 kB`, `12 MB`, `7.5 GB`."""
    for unit, name in ((1e9, "GB"), (1e6, "MB"), (1e3, "kB")):
        if bytes_ >= unit:
            return f"{bytes_ / unit:.1f} {name}" if bytes_ < 10 * unit else f"{bytes_ / unit:.0f} {name}"
    return f"{bytes_:.0f} B"


def _is_needed(name: str) -> bool:
    return bool(SAFE_NAME.fullmatch(name) and any(fnmatch.fnmatch(name, kind) for kind in NEEDED)
                and not any(fnmatch.fnmatch(name, kind) for kind in NOT_NEEDED))


@contextmanager
def explained(name: str, revision: str | None) -> Iterator[None]:
    """What the Hub's library raises, as a ModelError with a sentence that says what would help."""
    import httpx2
    from huggingface_hub import errors
    try:
        yield
    except ModelError:
        raise
    except errors.HFValidationError as problem:
        raise ModelError(f"{name} is neither a folder here nor a name on the Hub (owner/name)") from problem
    except errors.GatedRepoError as problem:
        raise ModelError(f"{name} is gated: accept its licence at https://huggingface.co/{name}, then set "
                         "HF_TOKEN to a token of the same account") from problem
    except errors.RepositoryNotFoundError as problem:
        raise ModelError(f"the Hub has no model {name}, or it is private and HF_TOKEN cannot see it") from problem
    except errors.RevisionNotFoundError as problem:
        raise ModelError(f"{name} has no revision {revision or 'main'}") from problem
    except errors.EntryNotFoundError as problem:
        raise ModelError(f"a file of {name} is missing on the Hub: {str(problem).splitlines()[0][:200]}") from problem
    except (errors.OfflineModeIsEnabled, errors.HfHubHTTPError, httpx2.HTTPError, ConnectionError) as problem:
        raise ModelError(f"{name} is not on this machine and the Hub cannot be reached; "
                         "connect to the internet once to download it, or choose a shipped model") from problem
    except OSError as problem:
        reason = problem.strerror or str(problem)[:200]
        raise ModelError(f"{name} could not be downloaded: {reason}") from problem
