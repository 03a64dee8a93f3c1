"""The nouns of Boxloop: frozen, plain, comparable by value, and nothing that imports torch or gradio.

Coordinates are pixels of the upright original picture everywhere; only a family knows otherwise. Kinds of absence
stay apart: `None` is "nobody has looked" or "no score", `()` is "nothing is there", a status is "could not be read".
"""
from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

Box = tuple[float, float, float, float]  # x1, y1, x2, y2 in pixels of the upright original

# What became of an answer. `failed` never comes from a parser: the model did not get to answer.
STATUSES = ("ok", "empty", "truncated", "unreadable", "refused", "failed")
VISIBILITIES = ("absent", "hidden", "visible")


@dataclass(frozen=True)
class Point:
    """A named place: pixels of the upright original, and whether it can be seen."""
    name: str
    x: float
    y: float
    visibility: str = "visible"


@dataclass(frozen=True)
class Annotation:
    """One object: a label with a box, points, both, or neither (three counted cats are three bare annotations)."""
    label: str
    box: Box | None = None
    points: tuple[Point, ...] = ()
    score: float | None = None
    id: str = ""
    image: int = 0
    crowd: bool = False
    area: float | None = None

    def to_json(self) -> dict:
        """The ANNOTATION of the commands: label, box or null, points, score or null."""
        return {
            "label": self.label,
            "box": None if self.box is None else [round(v, 3) for v in self.box],
            "points": [{"name": p.name, "x": round(p.x, 3), "y": round(p.y, 3), "visibility": p.visibility}
                       for p in self.points],
            "score": self.score,
        }


@dataclass(frozen=True)
class Image:
    """A picture as the workspace knows it. `size` is (width, height), upright."""
    path: str
    size: tuple[int, int]
    sha256: str = ""  # of the file
    pixels_sha256: str = ""  # of the upright decoded pixels
    split: str | None = None


@dataclass(frozen=True)
class Request:
    """One question about some pictures: what a family turns into a prompt, and needs again to read the answer."""
    images: tuple[Image, ...]
    task: str
    names: tuple[str, ...] = ()  # classes (detect, count) or joints (keypoints)
    caption: str = ""  # an expression (ground, point) or a question (ask)
    think: bool = False
    prompt: str | None = None  # an edited prompt, used verbatim


@dataclass(frozen=True)
class Frame:
    """The picture's size and the size the model saw it in, both (width, height) in pixels."""
    image_size: tuple[int, int]
    input_size: tuple[int, int]


@dataclass(frozen=True)
class Pixels:
    """How a checkpoint's processor resizes: to a fixed (width, height), or to multiples of `factor` within a budget.

    The backend reads it from the processor that was loaded; a family carries that of its usual checkpoints.
    """
    fixed: tuple[int, int] | None = None
    factor: int = 28
    min_pixels: int = 56 * 56
    max_pixels: int = 1280 * 28 * 28


@dataclass(frozen=True)
class Parsed:
    """What could be read from a text. `spans[i]` is where annotation i stands in the text, as (start, end)."""
    annotations: tuple[Annotation, ...]
    status: str
    problems: tuple[str, ...] = ()
    spans: tuple[tuple[int, int], ...] = ()


@dataclass(frozen=True)
class Generation:
    """How an answer is written. Greedy by default, so that the same question gives the same answer."""
    max_tokens: int = 512
    temperature: float = 0.0
    max_pixels: int | None = None  # pixel budget of the model's input; None is the model's own, capped
    seed: int = 0


@dataclass(frozen=True)
class ModelSpec:
    """A model one can ask. `id` is unique in the catalogue; `needs` says what must be there first, in words."""
    id: str
    family: str
    backend: str  # "local" | "detector"
    source: str  # a folder, or owner/name on the Hub
    revision: str | None = None
    adapter: str | None = None  # a PEFT folder on top of `source`
    title: str = ""
    needs: Mapping[str, object] = field(default_factory=dict)


@dataclass(frozen=True)
class Prediction:
    """One model's answer to one request; enough to read the same text again with a later parser."""
    model: str
    revision: str | None
    request: Request
    generation: Generation
    prompt: str
    text: str
    frame: Frame | None
    annotations: tuple[Annotation, ...]
    status: str
    problems: tuple[str, ...]
    tokens: int
    seconds: float
    seconds_to_first: float | None
