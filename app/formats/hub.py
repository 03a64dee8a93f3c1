"""Datasets on the Hub, by name: their parquet files, pictures inside. `owner/name` or `owner/name@revision`.

No code of a dataset is run. Without the Hub there is a sentence; HF_TOKEN opens what is private or gated.
"""
from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from app.formats import dataset_folder, reading
from app.formats.base import PLAIN, Format, Options, Row, Unreadable

NAME = re.compile(r"[\w.-]{1,96}(?:/[\w.-]{1,96})?")
LOOKING = 10.0  # seconds


def read(path: Path | str, options: Options = PLAIN) -> Iterator[Row]:
    """File by file, each gone before the next is fetched, but for the pictures. Raises Unreadable, Unclear."""
    name, _, revision = str(path).partition("@")
    revision = revision or options.revision or None
    if not NAME.fullmatch(name):
        raise Unreadable(f"{name[:200]} is no name of a dataset on the Hub; it is like owner/name")
    from huggingface_hub import HfApi, hf_hub_download
    with explained(name):
        told = HfApi().dataset_info(name, revision=revision, timeout=LOOKING)
        files = [each.rfilename for each in told.siblings or () if each.rfilename.endswith(".parquet")]
    if not files:
        raise Unreadable(f"{name} holds no parquet files, so it cannot be read without running its code")
    folder = reading.scratch(options) / "hub"
    for file in sorted(files):
        with explained(name):
            local = Path(hf_hub_download(name, file, repo_type="dataset", revision=told.sha, local_dir=folder))
        try:
            yield from dataset_folder.read(local, replace(options, scratch=reading.scratch(options)))
        finally:
            local.unlink(missing_ok=True)


@contextmanager
def explained(name: str) -> Iterator[None]:
    """What the Hub's library raises, as Unreadable with a sentence that says what would help."""
    import httpx2
    from huggingface_hub import errors
    try:
        yield
    except errors.GatedRepoError as problem:
        raise Unreadable(f"{name} is gated: accept its terms on its page, then set HF_TOKEN to a token of the same "
                         "account") from problem
    except errors.RepositoryNotFoundError as problem:
        raise Unreadable(f"the Hub has no dataset {name}, or it is private and HF_TOKEN cannot see it") from problem
    except errors.RevisionNotFoundError as problem:
        raise Unreadable(f"{name} has no such revision") from problem
    except errors.HFValidationError as problem:
        raise Unreadable(f"{name} is no name of a dataset on the Hub; it is like owner/name") from problem
    except (errors.HfHubHTTPError, errors.OfflineModeIsEnabled, errors.LocalEntryNotFoundError, httpx2.HTTPError,
            OSError) as problem:
        words = (str(problem).splitlines() or [type(problem).__name__])[0][:200]
        raise Unreadable(f"the Hub cannot be reached for {name} ({words}); what is there already stays, and the same "
                         "again goes on from there") from problem


FORMAT = Format("hub", "Hugging Face Hub", "owner/name of a dataset on the Hub, with parquet files; to send, the same, "
                "and HF_TOKEN", read, dataset_folder.write, aliases=("huggingface", "hf"))
