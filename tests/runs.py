"""Run folders for tests of the trainer: drawn pictures with one box each, a spec, and the process that trains them."""
from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
from PIL import Image as Picture
from PIL import ImageDraw

from app import pictures
from app.spec import TrainSpec
from app.types import Annotation, Sample
from tests.conftest import ROOT
from trainer.data import write_samples

SIZE = (64, 48)
# A run as short as one can be that still evaluates, saves and ends: two updates of two samples.
SHORT = dict(max_steps=4, batch=2, evaluations=2, heldout_most=2, judged_most=4, max_tokens=8, rank=4, alpha=8,
             dropout=0.1)


def drawn(folder: Path, count: int, seed: int = 0, split: str = "train", task: str = "detect") -> list[Sample]:
    """A red or a blue box somewhere on grey; the question asks for both colours, or for the one."""
    folder.mkdir(parents=True, exist_ok=True)
    found = []
    for number in range(count):
        chance = np.random.default_rng((seed, number))
        x, y = (int(chance.integers(2, side // 2)) for side in SIZE)
        width, height = (int(chance.integers(8, side // 2 - 2)) for side in SIZE)
        colour = ("red", "blue")[number % 2]
        picture = Picture.new("RGB", SIZE, (110 + number % 40, 120, 130))
        ImageDraw.Draw(picture).rectangle((x, y, x + width - 1, y + height - 1), fill=colour)
        picture.save(folder / f"{split}-{seed}-{number}.png")
        image = pictures.read(folder / f"{split}-{seed}-{number}.png")
        truth = (Annotation(colour, (float(x), float(y), float(x + width), float(y + height))),)
        query = {"detect": "red; blue", "ground": f"{colour} box", "count": "red; blue"}[task]
        found.append(Sample(f"{split}{number}", (image,), task, query, truth))
    return found


def run_folder(folder: Path, source: Path, family: str, learnt=None, held=None, **settings) -> Path:
    """A folder as the app lays it out; what is not given is drawn."""
    folder.mkdir(parents=True, exist_ok=True)
    write_samples(folder / "train.jsonl", drawn(folder / "images", 6) if learnt is None else learnt)
    write_samples(folder / "heldout.jsonl",
                  drawn(folder / "images", 2, 1, "val") if held is None else held)
    spec = TrainSpec(source=str(source), family=family, model=Path(source).name, **{**SHORT, **settings})
    (folder / "spec.json").write_text(json.dumps(spec.to_json()))
    return folder


def begun(folder: Path, *options: str, threads: int = 1, program: tuple[str, ...] = ("-m", "trainer"), **environment
          ) -> subprocess.Popen:
    """The trainer's process on a folder."""
    return subprocess.Popen(
        [sys.executable, *program, str(folder), *options], cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
        text=True, env=os.environ | {"OMP_NUM_THREADS": str(threads), "MKL_NUM_THREADS": str(threads)} | environment)


def ended(process: subprocess.Popen, timeout: float = 240) -> tuple[int, str]:
    said, _ = process.communicate(timeout=timeout)
    return process.returncode, said


def events(folder: Path, name: str) -> list[dict]:
    from app.jobs.run import events
    return list(events(folder, name))
