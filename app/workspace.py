"""One home folder and what lives in it. You hand a workspace over; nothing of it is global, so a test makes its own."""
from __future__ import annotations

import hashlib
import os
import secrets
from functools import cached_property
from pathlib import Path

from app.backends.downloading import Downloads
from app.backends.loaded import LoadedModels
from app.badges import Badges
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
        downloads = Downloads()
        self.catalogue = Catalogue(shipped, self.home, downloads)
        self.models = LoadedModels(self.catalogue.file.memory, downloads)

    @cached_property
    def store(self):
        """What is kept: opened when first needed, because some commands need none. Raises StoreError."""
        from app.store import Store  # brings SQLAlchemy
        return Store(self.home)

    @cached_property
    def badges(self) -> Badges:
        """What the coordinate self-test said of each model."""
        return Badges(self.home / "selftests", self.models)

    @cached_property
    def jobs(self):
        """Long work in processes of its own. Raises StoreError."""
        from app.jobs.queue import Jobs
        return Jobs(self.home / "runs", self.store.jobs, lend=self.models.lend)

    @cached_property
    def secret(self) -> str:
        """What the browser's memory is encrypted with: the same after a restart, and only on this machine."""
        path = self.home / "secret"
        try:
            with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
                file.write(secrets.token_urlsafe(32))
        except FileExistsError:
            pass
        return path.read_text("utf-8")

    @cached_property
    def operator_key(self) -> str:
        """What makes a visitor of a public page its operator: BOXLOOP_OPERATOR_KEY, else made from the secret."""
        given = os.environ.get("BOXLOOP_OPERATOR_KEY", "").strip()
        return given or hashlib.sha256(f"operator {self.secret}".encode()).hexdigest()[:32]

    @cached_property
    def scratch(self) -> Path:
        """Where archives are unpacked, on the same disk as the store."""
        folder = self.home / "scratch"
        folder.mkdir(exist_ok=True)
        return folder


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
