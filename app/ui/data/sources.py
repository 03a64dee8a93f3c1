"""What an import is to read: uploaded files, moved to where the job finds them again, or a path of this machine."""
from __future__ import annotations

import contextlib
import secrets
import shutil
from collections.abc import Sequence
from pathlib import Path

from app.jobs.queue import Jobs
from app.workspace import Workspace

PICTURES = {".png", ".jpg", ".jpeg", ".jfif", ".webp", ".gif", ".bmp", ".tif", ".tiff", ".heic", ".heif", ".avif"}
MOST_FILES = 2_000


def source(workspace: Workspace, uploaded: Sequence[str] | None, path: str) -> str:
    """The path for the job. Raises ValueError."""
    path = (path or "").strip()
    if uploaded and path:
        raise ValueError("Upload files or name a path, not both: one import reads one of them.")
    if not uploaded and not path:
        raise ValueError("Upload a file, or name a path on this machine.")
    return str(_moved(workspace, uploaded)) if uploaded else str(Path(path).expanduser())


def _moved(workspace: Workspace, uploaded: Sequence[str]) -> Path:
    """Out of Gradio's cache, which is gone after a restart: one file, the one list among pictures, or their folder."""
    if len(uploaded) > MOST_FILES:
        raise ValueError(f"{len(uploaded):,} files are more than {MOST_FILES:,}; put them into one zip.")
    sweep(workspace)
    folder = workspace.home / "uploads" / secrets.token_hex(8)
    folder.mkdir(parents=True)
    moved = []
    for number, file in enumerate(uploaded):
        name = Path(file).name
        target = folder / (name if not (folder / name).exists() else f"{number}-{name}")
        shutil.copyfile(file, target)
        moved.append(target)
    lists = [each for each in moved if each.suffix.lower() not in PICTURES]
    return moved[0] if len(moved) == 1 else lists[0] if len(lists) == 1 else folder


def sweep(workspace: Workspace) -> None:
    """Uploads of imports that are done are not needed any more; a failed or cancelled one can still be resumed."""
    uploads = workspace.home / "uploads"
    for job in workspace.jobs.all():
        if job.kind == "import" and job.status == "done":
            with contextlib.suppress(ValueError):  # its folder was removed, and its upload is not known
                path = Path(_path(workspace.jobs, job.id))
                if path.is_relative_to(uploads) and path != uploads:
                    shutil.rmtree(uploads / path.relative_to(uploads).parts[0], ignore_errors=True)


def _path(jobs: Jobs, id: str) -> str:
    return str(jobs.spec(id).get("path") or "")
