"""What a family is: the language one kind of model speaks about places in a picture. Pure, no torch.

A family turns a request into a prompt, and a text into annotations in pixels of the upright original. Prompts,
training targets, parsing and evaluation all go through the same two methods, `format` and `parse`, which undo each
other. Nothing here raises on a model's text: what cannot be read is a status and a list of problems.
"""
from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from app.families.answer import THINK
from app.families.forms import JsonForm, LocForm
from app.geometry import smart_resize
from app.types import Annotation, Frame, Parsed, Pixels, Request


@dataclass(frozen=True)
class Example:
    """One answer that a real model gave: both halves of a codec can share a mistake, a real answer cannot."""
    request: Request
    frame: Frame
    text: str
    annotations: tuple[Annotation, ...]
    source: str


class Family:
    """Override `question`, `parse` and `format`; the rest has defaults that fit most."""

    name: str  # as its users would type it: "paligemma"
    title: str  # as its makers write it: "PaliGemma"
    aliases: tuple[str, ...] = ()
    model_types: tuple[str, ...] = ()  # `model_type` in the checkpoint's config.json
    tasks: frozenset[str] = frozenset()
    example: Example | None = None  # None where no real answer is public: a model that learns it by tuning
    # "local" writes text token by token with transformers' own code, "detector" gives scored boxes; "own code" comes
    # with code of its own, which runs only where the operator agreed to it; "remote" is only behind a server.
    backend: str = "local"
    thinks: bool = True  # whether it can be asked to think aloud before it answers
    pixels: Pixels = Pixels()  # the resize of its usual checkpoints
    padding: str | None = "left"  # the side on which a batch of texts is filled up; None: its answers come one by one
    language_layers: str = r".*language_model.*\.(q|k|v|o|gate|up|down)_proj"  # where LoRA goes; the tower stays
    trainable_by: tuple[str, ...] = ("sft", "grpo", "dpo")

    def question(self, request: Request) -> str:
        """The family's own wording of a request. Raises ValueError for a task it cannot do."""
        raise NotImplementedError

    def prompt(self, request: Request) -> str:
        """The words the model is asked: the user's edited prompt, else the family's own question."""
        self.check(request)
        if request.prompt is not None:
            return request.prompt
        return self.question(request) + (THINK if request.think else "")

    def check(self, request: Request) -> None:
        """Raises ValueError, with what would work, if this family cannot do what the request asks."""
        if request.task not in self.tasks:
            asked = "find the phrases of a caption" if request.phrases else request.task
            raise ValueError(f"{self.title} cannot {asked}; it can: {', '.join(sorted(self.tasks))}")
        if request.think and not self.thinks:
            raise ValueError(f"{self.title} cannot think before it answers: it completes a form; ask without thinking")

    def check_target(self, request: Request) -> None:
        """As `check`, and that an answer can be formatted at all."""
        self.check(request)
        if request.task == "ask":
            raise ValueError("the answer to a question is its own text; only places and counts are formatted")

    def messages(self, request: Request) -> list[dict]:
        """The conversation: the pictures, then the prompt. Pictures stand as {"type": "image"}, filled in later."""
        content = [{"type": "image"} for _ in request.images] + [{"type": "text", "text": self.prompt(request)}]
        return [{"role": "user", "content": content}]

    def frame(self, image_size: tuple[int, int], pixels: Pixels | None = None) -> Frame:
        """The frame a checkpoint with this resize will use for a picture of (width, height).

        A fixed one, or by Qwen's rule, which raises ValueError for a picture longer than 200:1, as its processor does.
        """
        rule = pixels or self.pixels
        fixed = rule.fixed or self.pixels.fixed
        return Frame(image_size, fixed or smart_resize(image_size, rule.factor, rule.min_pixels, rule.max_pixels))

    def parse(self, text: str, request: Request, frame: Frame) -> Parsed:
        """Read an answer. Never raises; boxes are ordered, clipped, in pixels of the upright original."""
        raise NotImplementedError

    def format(self, annotations: Sequence[Annotation], request: Request, frame: Frame) -> str:
        """The answer a perfect model would write: the training target, which `parse` reads back."""
        raise NotImplementedError

    def schema(self, request: Request) -> dict | None:
        """A JSON schema of the answer, or None where the answer is not JSON."""
        return None

    def form(self, request: Request) -> JsonForm | LocForm | None:
        """The form to which a backend can hold an answer; None where it is words, or has a form that nobody enforces.
        """
        return None
