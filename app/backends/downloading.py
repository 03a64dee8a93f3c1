"""Downloads from the Hub: what is there is said first, a cut one goes on where it ended, what came is what was named.

    listing = downloads.look("owner/name")              # commit, size, licence, gate; nothing large is fetched
    download = downloads.start("owner/name", listing.commit)
    download.words, download.cancel(), downloads.start(…)                   # starting again goes on
    downloads.here("owner/name", listing.commit)        # the folder, once everything is in it

huggingface_hub 2.4 throws a half file away when a download ends, so files come by ranges into `<hash>.part`, in its own
cache, are held against their hash, and only then get the name under which transformers and everybody else finds them.
"""
from __future__ import annotations

import json
import logging
import os
import re
import shutil
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from app.backends import ModelError
from app.backends.fetching import bring
from app.backends.hub import HubFile, Listing, explained, listed, size

LIBRARY_NEEDS = ("config.json", "adapter_config.json")
COMMIT = re.compile(r"[0-9a-f]{40}")
log = logging.getLogger(__name__)


class Cancelled(Exception):
    """A person ended the download; what came stays for the next one."""


class Downloads:
    """All downloads of a workspace. `cache` and `endpoint` are the Hub library's own unless a test says otherwise."""

    def __init__(self, cache: Path | None = None, endpoint: str | None = None) -> None:
        self._cache, self._endpoint = cache, endpoint
        self._running: dict[tuple[str, str], Download] = {}
        self._lock = threading.Lock()

    def look(self, name: str, revision: str | None = None) -> Listing:
        """What the Hub says about a model, and its settings. Raises ModelError, one sentence."""
        with explained(name, revision):
            listing = listed(name, revision, self._endpoint)
        settings = {}
        for file in listing.files:
            if file.name in LIBRARY_NEEDS:
                try:
                    with explained(name, revision):
                        settings = _settings(self._fetch(listing, file))
                except ModelError as problem:
                    return listing.refused(str(problem))
        return listing.with_settings(settings)

    def here(self, name: str, revision: str | None = None) -> Path | None:
        """The folder of a model whose files are all on this disk; asks no network."""
        if not named(name):
            return None
        folder = self._folder(name)
        commit = revision or "main"
        if not COMMIT.fullmatch(commit):
            ref = folder / "refs" / commit
            commit = ref.read_text("utf-8").strip() if ".." not in commit and ref.is_file() else ""
        snapshot = folder / "snapshots" / commit
        return snapshot if COMMIT.fullmatch(commit) and complete(snapshot) else None

    def partly_here(self, name: str) -> int:
        """Bytes of a download that was cut off; 0 where there is none."""
        blobs = self._folder(name) / "blobs" if named(name) else Path("/nowhere")
        return sum(part.stat().st_size for part in blobs.glob("*.part"))

    def start(self, name: str, revision: str | None = None) -> Download:
        """The download of a model, which goes on in the background; the one that runs, if there is one."""
        with self._lock:
            key = (name, revision or "main")
            running = self._running.get(key)
            if running is None or running.state in ("failed", "cancelled", "done"):
                running = self._running[key] = Download(self, name, revision, after=running)
                running.thread.start()
            return running

    def find(self, name: str, revision: str | None = None) -> Download | None:
        with self._lock:
            return self._running.get((name, revision or "main"))

    def wait(self, name: str, revision: str | None, told: Callable[[str], None] = lambda words: None) -> Path:
        """The folder, downloaded first. `told` hears how it goes, and may raise: then the download is cancelled, unless
        somebody else wants it. Raises ModelError."""
        download = self.start(name, revision)
        with download.wanted():
            while not download.over.wait(0.2):
                told(download.words)
        if download.folder is None:
            raise ModelError(download.problem or f"the download of {name} was cancelled; ask again to go on with it")
        return download.folder

    def remove(self, name: str) -> None:
        """Take a model's files off the disk. Other programs that share the Hub's cache lose them, too."""
        shutil.rmtree(self._folder(name), ignore_errors=True)

    def _folder(self, name: str) -> Path:
        from huggingface_hub.constants import HF_HUB_CACHE
        if not named(name):
            raise ModelError(f"{name} is neither a folder here nor a name on the Hub (owner/name)")
        return Path(self._cache or HF_HUB_CACHE) / f"models--{name.replace('/', '--')}"

    def _fetch(self, listing: Listing, file: HubFile, download: Download | None = None) -> Path:
        """One file, linked into its snapshot. Raises what httpx raises, OSError, Cancelled, or ModelError."""
        folder = self._folder(listing.name)
        blob, link = folder / "blobs" / file.hash, folder / "snapshots" / listing.commit / file.name
        for needed in (blob.parent, link.parent):
            needed.mkdir(parents=True, exist_ok=True)
        if not blob.is_file():
            part = blob.with_name(f"{file.hash}.part")
            bring(listing, file, part, self._endpoint, download)
            if file.digest(part) != file.hash:
                part.unlink()
                raise ModelError(f"{file.name} of {listing.name} came damaged: it is not what the Hub's list names; "
                                 "it was thrown away, so start the download again")
            os.replace(part, blob)
        if not link.exists():
            link.unlink(missing_ok=True)
            link.symlink_to(os.path.relpath(blob, link.parent))
        return link


class Download:
    """`state` is "running", "done", "failed" (`problem` says why) or "cancelled"."""

    def __init__(self, downloads: Downloads, name: str, revision: str | None, after: Download | None) -> None:
        self.name, self.revision = name, revision
        self.state, self.problem = "running", ""
        self.done, self.total = 0, 0  # bytes
        self.folder: Path | None = None
        self.over = threading.Event()
        self.kept = False  # a person started it: it goes on although no question waits for it
        self._downloads, self._after = downloads, after
        self._cancelled = threading.Event()
        self._waiters = 0
        self._speed, self._since = 0.0, (time.monotonic(), 0)
        self.thread = threading.Thread(target=self._run, name=f"download {name}", daemon=True)

    def cancel(self) -> None:
        """What came so far stays on the disk."""
        self._cancelled.set()

    @property
    def words(self) -> str:
        """`downloading 1.2 of 7.5 GB · 30 MB/s · 3 min left`."""
        if not self.total:
            return "asking the Hub"
        speed = self._speed
        told = [f"downloading {size(self.done)} of {size(self.total)}"]
        if speed:
            told += [f"{size(speed)}/s", left((self.total - self.done) / speed)]
        return " · ".join(told)

    @contextmanager
    def wanted(self) -> Iterator[None]:
        self._waiters += 1
        try:
            yield
        finally:
            self._waiters -= 1
            if not self._waiters and not self.kept and not self.over.is_set():
                self.cancel()

    def came(self, bytes_: int) -> None:
        """Counts, and is the place where a cancelled download ends."""
        self.done += bytes_
        self.check()
        then, before = self._since
        if (passed := time.monotonic() - then) >= 0.5:
            now = (self.done - before) / passed
            self._speed = now if not self._speed else 0.7 * self._speed + 0.3 * now
            self._since = (time.monotonic(), self.done)

    def check(self) -> None:
        if self._cancelled.is_set():
            raise Cancelled

    def pause(self, seconds: float) -> None:
        if self._cancelled.wait(seconds):
            raise Cancelled

    def _run(self) -> None:
        from filelock import FileLock
        try:
            if self._after is not None:
                self._after.over.wait()
            with explained(self.name, self.revision):
                listing = listed(self.name, self.revision, self._downloads._endpoint)
                files = [file for file in listing.files if listing.needs(file)]
                listing.check_weights()
                folder = self._downloads._folder(self.name)
                folder.mkdir(parents=True, exist_ok=True)
                with _locked(FileLock(folder / ".boxloop.lock"), self):
                    self._begin(folder, files)
                    for file in files:
                        self.check()
                        self._downloads._fetch(listing, file, self)
                    if not COMMIT.fullmatch(self.revision or ""):
                        (folder / "refs").mkdir(exist_ok=True)
                        (folder / "refs" / (self.revision or "main")).write_text(listing.commit)
            self.folder, self.state = folder / "snapshots" / listing.commit, "done"
        except Cancelled:
            self.state = "cancelled"
        except ModelError as problem:
            self.state, self.problem = "failed", str(problem)
        except Exception as bug:  # ours; whoever waits must hear of it
            log.exception("downloading %s", self.name)
            self.state, self.problem = "failed", f"a fault in Boxloop: {type(bug).__name__}; the log has the details"
        finally:
            self.over.set()

    def _begin(self, folder: Path, files: list[HubFile]) -> None:
        """Counts what is here already. Raises ModelError if the rest does not fit on the disk."""
        def there(file: HubFile) -> int:
            blob, part = folder / "blobs" / file.hash, folder / "blobs" / f"{file.hash}.part"
            return file.size if blob.is_file() else part.stat().st_size if part.is_file() else 0

        self.total = sum(file.size for file in files)
        self.done = sum(map(there, files))
        self._since = (time.monotonic(), self.done)
        free = shutil.disk_usage(folder).free
        if self.total - self.done > free:
            raise ModelError(f"{self.name} needs {size(self.total - self.done)} more on the disk, and {size(free)} are "
                             f"free at {folder.parent}; make room, or move the cache with HF_HOME")


def named(name: str) -> bool:
    """Whether that can be the name of a model on the Hub; a folder that is gone cannot."""
    return re.fullmatch(r"[\w.-]+(/[\w.-]+)?", name) is not None and ".." not in name


def complete(folder: Path) -> bool:
    """Whether a checkpoint's or adapter's files are all there: large weights come in several, which an index names."""
    if not any((folder / name).is_file() for name in LIBRARY_NEEDS):
        return False
    index = folder / "model.safetensors.index.json"
    if index.is_file():
        return all((folder / name).is_file() for name in set(_settings(index).get("weight_map", {}).values()))
    return any(weights.is_file() for weights in folder.glob("*.safetensors"))


def left(seconds: float) -> str:
    return f"{seconds / 60:.0f} min left" if seconds > 90 else f"{seconds:.0f} s left"


@contextmanager
def _locked(lock, download: Download) -> Iterator[None]:
    """One process downloads a model at a time; the others wait, and find it done."""
    from filelock import Timeout
    while True:
        download.check()
        try:
            lock.acquire(timeout=0.5)
            break
        except Timeout:
            continue
    try:
        yield
    finally:
        lock.release()


def _settings(path: Path) -> dict:
    try:
        content = json.loads(path.read_text("utf-8"))
    except (ValueError, OSError):
        return {}
    return content if isinstance(content, dict) else {}
