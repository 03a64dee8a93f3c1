"""What becomes of a run: a zip to take away, merged, sent to the Hub, or deleted with the model that came out of it."""
from __future__ import annotations

import json
import os
import re
import zipfile
from pathlib import Path

from app.types import Job
from app.workspace import Workspace

TAKEN = ("result.json", "answers.jsonl", "spec.json")  # beside the weights: the receipt and what it was made of
NAME = re.compile(r"\w[\w.-]{0,95}/\w[\w.-]{0,95}")


def download(workspace: Workspace, job: str) -> Path:
    """A zip in the run's folder: the tuned model with its card, the receipt and its answers. Raises ValueError."""
    folder, weights = _published(workspace, job)
    out, part = folder / f"tuned-{job}.zip", folder / f"tuned-{job}.part"
    newest = max(file.stat().st_mtime for file in (folder / "result.json", *weights.iterdir()))
    if not out.exists() or out.stat().st_mtime < newest:
        with zipfile.ZipFile(part, "w", zipfile.ZIP_DEFLATED, compresslevel=1, strict_timestamps=False) as file:
            for path in sorted(weights.rglob("*")):
                if path.is_file():
                    kind = zipfile.ZIP_STORED if path.suffix == ".safetensors" else None
                    file.write(path, f"{weights.name}/{path.relative_to(weights).as_posix()}", kind)
            for name in TAKEN:
                if (folder / name).exists():
                    file.write(folder / name, "receipt.json" if name == "result.json" else name)
        os.replace(part, out)
    return out


def merge(workspace: Workspace, job: str, *, owner: str = "") -> Job:
    """Queue: the base with the adapter in its weights, in `merged` of the run's folder. Raises ValueError."""
    folder, weights = _published(workspace, job)
    if weights.name == "model":
        raise ValueError(f"all weights of {job} were tuned, so there is nothing to merge: it is whole already")
    device = workspace.jobs.find(job).device
    return workspace.jobs.submit("merge", {"job": job, "folder": str(folder)}, device=device, owner=owner)


def push(workspace: Workspace, job: str, repo: str, *, owner: str = "") -> Job:
    """Queue: the tuned model with its card to `owner/name` on the Hub, private where it is new. Raises ValueError."""
    if not NAME.fullmatch(repo):
        raise ValueError(f"{repo[:200]!r} is no name on the Hub; it is like you/cells")
    _, weights = _published(workspace, job)
    return workspace.jobs.submit("push", {"job": job, "folder": str(weights), "repo": repo}, owner=owner)


def delete(workspace: Workspace, job: str) -> None:
    """The run with all that is in its folder, and so the tuned model. Raises ValueError while it is needed."""
    jobs = workspace.jobs
    found = jobs.find(job)
    if found.kind != "train":
        raise ValueError(f"job {job} is no training but an {found.kind}; only a training can be deleted here")
    for other in jobs.unfinished():
        if other.id != job and job in json.dumps(jobs.spec(other.id)):
            raise ValueError(f"the model of {job} is needed by the job {other.id} ({other.kind}), which is "
                             f"{other.status}; cancel that one first, or wait until it has ended")
    for model in [spec for spec in workspace.catalogue if spec.id == f"tuned-{job}"]:
        workspace.models.unload(model)
    jobs.delete(job)


def _published(workspace: Workspace, job: str) -> tuple[Path, Path]:
    """The run's folder, and that of its weights. Raises ValueError where there are none."""
    found = workspace.jobs.find(job)
    folder = workspace.jobs.folder(job)
    for name in ("adapter", "model"):
        if found.kind == "train" and found.status == "done" and (folder / name).is_dir():
            return folder, folder / name
    raise ValueError(f"there is no tuned model of {job}: it is {found.status}" + (
        "" if found.kind == "train" else f", and no training but an {found.kind}"))
