"""The coordinate self-test's badges: each model is tested once, after its first answer, and the outcome is remembered.

    badges.after(spec)        # it has answered: test it in the background, unless these very weights were tested before
    badges.of(spec)           # what is known of it

A badge is of one revision of the weights, of their processor's settings, and of the code that reads and writes places:
with another of those the model is tested again. Badges lie in the workspace, one small file for each model.
"""
from __future__ import annotations

import hashlib
import importlib.metadata
import json
import logging
import os
import tempfile
import threading
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from app.backends import ModelError
from app.backends.loaded import LoadedModels
from app.types import ModelSpec

log = logging.getLogger(__name__)
CODE = ("selftest.py", "geometry.py", "pictures.py", "backends/seen.py", "backends/sizes.py", "backends/batch.py",
        "backends/local.py", "backends/processors.py", "families/*.py")  # what moves a coordinate
SETTINGS = ("preprocessor_config.json", "processor_config.json", "chat_template.jinja", "tokenizer_config.json")


@dataclass(frozen=True)
class Badge:
    """`ok` is None where the coordinates could not be tested: that is not green, and `detail` says why."""
    ok: bool | None
    detail: str
    failures: tuple[str, ...] = ()

    @property
    def text(self) -> str:
        return {True: "coordinates right", False: "coordinates wrong", None: "coordinates not tested"}[self.ok]


class Badges:
    """Those of a workspace, in a folder of it. Nothing is loaded for a test: only models in memory are tested."""

    def __init__(self, folder: Path, models: LoadedModels) -> None:
        self.folder, self.models = folder, models
        self._testing: set[str] = set()
        self._changed = threading.Condition()
        self._one_at_a_time = threading.Lock()  # a test is a second of a processor's work: beside answers, not in a row

    def of(self, spec: ModelSpec) -> Badge | None:
        """What is known of a model; None where it was never tested as it is now."""
        kept = self._kept(spec)
        return None if kept is None else Badge(kept["ok"], kept["detail"], tuple(kept["failures"]))

    def after(self, spec: ModelSpec) -> None:
        """It has answered: its test begins in the background, if it is in memory and these weights have none yet."""
        name = self._name(spec)
        with self._changed:
            if name in self._testing or self.models.held(spec) is None:
                return
            self._testing.add(name)
        threading.Thread(target=self._test, args=(spec, name), name=f"self-test {spec.id}", daemon=True).start()

    def test(self, spec: ModelSpec, anew: bool = True) -> Badge:
        """Tests it now, loading it if need be. Raises ModelError. `anew` False: only if it was not tested before."""
        with self.models.using(spec) as model:
            fingerprint = _fingerprint(spec, model.revision)
            kept = self._kept(spec)
            if anew or kept is None or kept["of"] != fingerprint:
                from app.selftest import selftest  # brings numpy, which a page can open without
                with self._one_at_a_time:
                    result = selftest(model)
                self._keep(spec, {"of": fingerprint, "code": _code(), "model": spec.id, "ok": result.ok,
                                  "detail": result.badge, "failures": list(result.failures)})
        return self.of(spec)

    def testing(self, spec: ModelSpec) -> bool:
        with self._changed:
            return self._name(spec) in self._testing

    def wait(self, seconds: float) -> None:
        """Until a test has ended, or for so long."""
        with self._changed:
            self._changed.wait(seconds)

    def _test(self, spec: ModelSpec, name: str) -> None:
        try:
            self.test(spec, anew=False)
        except (ModelError, ValueError, OSError) as problem:  # no badge, then; a click on the check says why
            log.warning("the self-test of %s did not run: %s", spec.id, problem)
        finally:
            with self._changed:
                self._testing.discard(name)
                self._changed.notify_all()

    def _name(self, spec: ModelSpec) -> str:
        parts = (spec.backend, spec.source, spec.revision, spec.adapter)
        return hashlib.sha256(json.dumps([str(part) for part in parts]).encode()).hexdigest()[:32]

    def _kept(self, spec: ModelSpec) -> dict | None:
        """What the file says; None where there is none, or where it is of other code or not whole."""
        try:
            kept = json.loads((self.folder / f"{self._name(spec)}.json").read_text("utf-8"))
            return kept if kept["code"] == _code() and {"of", "ok", "detail", "failures"} <= set(kept) else None
        except (OSError, ValueError, KeyError, TypeError):
            return None

    def _keep(self, spec: ModelSpec, kept: dict) -> None:
        self.folder.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile("w", dir=self.folder, suffix=".part", delete=False, encoding="utf-8") as file:
            json.dump(kept, file)
        os.replace(file.name, self.folder / f"{self._name(spec)}.json")


def _fingerprint(spec: ModelSpec, revision: str | None) -> str:
    """Of the weights that are loaded and their processor's settings: a folder's can be edited under the same name."""
    digest = hashlib.sha256(str(revision).encode())
    for folder in filter(None, (spec.source, spec.adapter)):
        for name in SETTINGS:
            if (file := Path(folder) / name).is_file():
                digest.update(f"{name} ".encode() + file.read_bytes())
    return digest.hexdigest()


@cache
def _code() -> str:
    """Of what reads and writes places: ours, and the version of transformers."""
    root = Path(__file__).resolve().parent
    digest = hashlib.sha256(importlib.metadata.version("transformers").encode())
    for file in sorted(found for pattern in CODE for found in root.glob(pattern)):
        digest.update(file.read_bytes())
    return digest.hexdigest()
