"""The examples of the first visit: drawn scenes that the shipped models know, and photographs that gradio carries."""
from __future__ import annotations

import json
import uuid
from dataclasses import dataclass, replace
from pathlib import Path

import gradio
from gradio import processing_utils, utils

from app import pictures
from app.intake import truth
from app.types import Annotation, Sample

FOLDER = Path(__file__).parents[2] / "assets" / "examples"
SOURCE = "example"  # of a sample: the first picture that a person adds takes its place
PHOTOGRAPHS = Path(gradio.__file__).parent / "media_assets" / "images"  # read in place: they are gradio's


@dataclass(frozen=True)
class Example:
    """A picture, in Gradio's cache from where it is served, and a question about it."""
    path: str
    name: str
    task: str
    question: str
    truth: tuple[Annotation, ...] | None = None
    answer: str | None = None

    def sample(self) -> Sample:
        image = replace(pictures.read(self.path), name=self.name)
        return Sample(uuid.uuid4().hex, (image,), self.task, self.question, self.truth, self.answer, SOURCE)


def examples(folder: Path = FOLDER) -> list[Example]:
    """What examples.json lists: {"picture", "task", "question"}, where `gradio:lion.jpg` is one of the photographs.

    A drawn scene also brings its "truth", a list of ANNOTATIONs, or the "answer" to a question in words.

    Raises FileNotFoundError, with the entry, for a picture that is not there: the two are shipped together.
    """
    listed = json.loads((folder / "examples.json").read_text("utf-8"))
    return [Example(_cached(entry["picture"], folder), entry["picture"].removeprefix("gradio:"), entry["task"],
                    entry["question"], truth.annotations(entry.get("truth"), None), entry.get("answer"))
            for entry in listed]


def _cached(picture: str, folder: Path) -> str:
    """A copy in Gradio's cache, so that no folder of this machine has to be opened to the browser."""
    photograph = picture.startswith("gradio:")
    path = (PHOTOGRAPHS if photograph else folder) / picture.removeprefix("gradio:")
    if not path.is_file():
        raise FileNotFoundError(f"examples.json names {picture}, but {path} does not exist")
    return processing_utils.save_file_to_cache(path, cache_dir=utils.get_upload_folder())
