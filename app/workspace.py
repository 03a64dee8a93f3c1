"""One home folder and what lives in it. You hand a workspace over; nothing of it is global, so a test makes its own."""
from __future__ import annotations

import os
from pathlib import Path

from app.backends.loaded import LoadedModels
from app.catalogue import SHIPPED, Catalogue

SPACE_STORAGE = Path("/data")  # where a Hugging Face Space mounts its persistent storage, if it has any


class Workspace:
    """The catalogue of models and those that are loaded. Creating one imports no torch.

    `ephemeral` is None, or one sentence to be said aloud: what is kept here is lost at the next restart.
    """

    def __init__(self, home: str | Path | None = None, shipped: Path = SHIPPED) -> None:
        self.home, self.ephemeral = _home(home)
        try:
            self.home.mkdir(parents=True, exist_ok=True)
        except OSError as problem:
            raise ValueError(f"the workspace {self.home} cannot be created ({problem.strerror}); "
                             "name another with --home or BOXLOOP_HOME") from problem
        self.catalogue = Catalogue(shipped)
        self.models = LoadedModels()


def _home(given: str | Path | None) -> tuple[Path, str | None]:
    """`given`, else BOXLOOP_HOME, else a Space's persistent storage, else the user's own data folder."""
    named = given or os.environ.get("BOXLOOP_HOME")
    if named:
        return Path(named).expanduser().resolve(), None
    if "SPACE_ID" not in os.environ:
        return Path.home() / ".local" / "share" / "boxloop", None
    if SPACE_STORAGE.is_dir() and os.access(SPACE_STORAGE, os.W_OK):
        return SPACE_STORAGE / "boxloop", None
    return Path.home() / ".local" / "share" / "boxloop", (
        "this Space has no persistent storage: what you save here is lost when it restarts")
