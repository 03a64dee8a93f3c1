"""The examples of the first visit: drawn scenes that the shipped models know, and photographs that gradio carries."""
from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

import gradio
from gradio import processing_utils, utils

FOLDER = Path(__file__).parents[2] / "assets" / "examples"
PHOTOGRAPHS = Path(gradio.__file__).parent / "media_assets" / "images"  # read in place: they are gradio's


@dataclass(frozen=True)
class Example:
    """A picture, in Gradio's cache from where it is served, and a question about it."""
    path: str
    name: str
    task: str
    question: str


def examples(folder: Path = FOLDER) -> list[Example]:
    """What examples.json lists: {"picture", "task", "question"}, where `gradio:lion.jpg` is one of the photographs.

    Raises FileNotFoundError, with the entry, for a picture that is not there: the two are shipped together.
    """
    listed = json.loads((folder / "examples.json").read_text("utf-8"))
    return [Example(_cached(entry["picture"], folder), entry["picture"].removeprefix("gradio:"), entry["task"],
                    entry["question"]) for entry in listed]


def _cached(picture: str, folder: Path) -> str:
    """A copy in Gradio's cache, so that no folder of this machine has to be opened to the browser."""
    photograph = picture.startswith("gradio:")
    path = (PHOTOGRAPHS if photograph else folder) / picture.removeprefix("gradio:")
    if not path.is_file():
        raise FileNotFoundError(f"examples.json names {picture}, but {path} does not exist")
    return processing_utils.save_file_to_cache(path, cache_dir=utils.get_upload_folder())
