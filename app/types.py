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
    # Where the score is from: "model" computed it, "tokens" are the log-probabilities of what it wrote, a "person".
    score_source: str = ""

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
    name: str = ""  # of the file, as the person knows it


@dataclass(frozen=True)
class Request:
    """One question about some pictures: what a family turns into a prompt, and needs again to read the answer."""
    images: tuple[Image, ...]
    task: str
    names: tuple[str, ...] = ()  # classes (detect, count) or joints (keypoints)
    caption: str = ""  # an expression (ground, point), a question (ask), or what the phrases stand in
    think: bool = False
    prompt: str | None = None  # an edited prompt, used verbatim
    phrases: bool = False  # detect: `names` are the phrases of `caption`; a family may ground it as a whole


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
    structure: bool = False  # the model may write only what its answer's form allows, where the form is known


@dataclass(frozen=True)
class Server:
    """How to ask an OpenAI-compatible server. `key` names the environment variable that holds the key; the key itself
    is nowhere else."""
    model: str  # as the server calls it
    key: str = ""
    timeout: float = 120.0  # seconds of silence until it is given up
    wide: int = 8  # questions at a time
    pixels: Pixels | None = None  # how the served checkpoint resizes, if not as its family usually does


@dataclass(frozen=True)
class ModelSpec:
    """A model one can ask. `id` is unique in the catalogue; `needs` says what must be there first, in words."""
    id: str
    family: str
    backend: str  # "local" | "detector" | "openai"
    source: str  # a folder, owner/name on the Hub, or the address of a server
    revision: str | None = None  # of the adapter's weights where there is one
    adapter: str | None = None  # a PEFT folder, or owner/name on the Hub, on top of `source`
    title: str = ""
    needs: Mapping[str, object] = field(default_factory=dict)
    base_revision: str | None = None  # of `source`, under an adapter
    adapter_revision: str | None = None  # the commit of an adapter on the Hub
    server: Server | None = None


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


@dataclass(frozen=True)
class Sample:
    """One question about one picture. `truth` is None where nobody has looked, () where nothing is there."""
    id: str
    images: tuple[Image, ...]
    task: str
    query: str  # as `tasks.request` takes it: names separated by `;`, a caption, an expression or a question
    truth: tuple[Annotation, ...] | None = None
    answer: str | None = None  # the true answer of the task `ask`
    source: str = ""  # where it came from, such as the name of the list that it was read from


@dataclass(frozen=True)
class Comparison:
    """What several models said about some samples. `answers` holds the newest of each model on each sample."""
    id: str
    created: float  # seconds since 1970
    samples: tuple[Sample, ...]
    models: tuple[str, ...]
    answers: Mapping[tuple[str, str], Prediction] = field(default_factory=dict)  # by (sample id, model id)
    shared: bool = False  # whether a link shows it to others


# What becomes of a job. The last three are the ends; a failed or cancelled one can be resumed.
JOB_STATUSES = ("queued", "running", "done", "failed", "cancelled")


@dataclass(frozen=True)
class Progress:
    """How far a job is: `done` of `total` (None: nobody knows), doing what, and how many seconds are left (None)."""
    done: float
    total: float | None
    words: str
    left: float | None


@dataclass(frozen=True)
class Job:
    """Long work in a process of its own. Everything else about it lies in its run folder, `<home>/runs/<id>`."""
    id: str
    kind: str  # "import", "evaluate", "train"
    status: str  # one of JOB_STATUSES
    device: str  # "cpu", "cuda:0", …: one job at a time on each, a few on the CPU
    owner: str  # the name of whoever asked for it
    priority: int  # the higher goes first
    created: float  # seconds since 1970
    started: float | None = None
    ended: float | None = None
    stopping: float | None = None  # since when it is being cancelled
    pid: int | None = None
    pid_started: float | None = None  # of the process, as psutil knows it: a pid alone is given away again
    exit_code: int | None = None
    problem: str = ""  # why it failed, or what is wrong with its run folder
    progress: Progress | None = None


@dataclass(frozen=True)
class Dataset:
    """Named samples, which people correct and models are tuned on."""
    id: str
    name: str
    created: float  # seconds since 1970
    samples: int = 0  # how many there are now


@dataclass(frozen=True)
class Changes:
    """What became of each annotation, by id. One can be moved and relabelled at once; then it stands in both."""
    kept: tuple[str, ...] = ()
    moved: tuple[str, ...] = ()  # its box, a point, or the visibility of a point
    relabelled: tuple[str, ...] = ()
    added: tuple[str, ...] = ()
    deleted: tuple[str, ...] = ()


@dataclass(frozen=True)
class Correction:
    """An event: all that is true of a sample from then on, who said so, and from which model's answer it came.

    The newest is the truth. Events are added and never changed: what is undone or restored is a newer event.
    """
    id: str
    sample: str
    seq: int  # 1, 2, 3 … of its sample
    parent: str | None  # the event that its author saw and changed; None where it was the first
    author: str
    client: str  # the tab or program it came from
    key: str  # the same key again is the same event, sent twice
    created: float  # seconds since 1970
    task: str
    query: str
    truth: tuple[Annotation, ...] | None
    answer: str | None = None
    note: str = ""
    reviewed: bool = True  # a person looked; an answer that was only taken is not reviewed yet
    flagged: bool = False
    skipped: bool = False
    removed: bool = False  # the sample is out of its dataset, until a newer event brings it back
    changes: Changes = Changes()  # against the parent's truth
    prediction: str | None = None  # the answer that it came from, by id in the store
    model: str | None = None
    revision: str | None = None
    prompt: str | None = None
    restores: str | None = None  # the earlier event whose content this one repeats


@dataclass(frozen=True)
class Snapshot:
    """A version of a dataset that never changes. `digest` is equal for equal contents, wherever they are."""
    id: str
    dataset: str
    created: float
    digest: str
    samples: int
    purged: float | None = None  # when a person had some of it deleted for good; the digest is that of the whole
