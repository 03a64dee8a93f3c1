"""What a family is: the language one kind of model speaks about places in a picture. Pure, no torch.

A family turns a request into a prompt, and a text into annotations in pixels of the upright original. Prompts,
training targets, parsing and evaluation all go through the same two methods, `format` and `parse`, which undo each
other. Nothing here raises on a model's text: what cannot be read is a status and a list of problems.
"""
from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

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
    example: Example
    backend: str = "local"  # "local" writes text token by token, "detector" gives scored boxes
    pixels: Pixels = Pixels()  # the resize of its usual checkpoints
    padding: str = "left"
    language_layers: str = r".*language_model.*\.(q|k|v|o|gate|up|down)_proj"  # where LoRA goes; the tower stays
    trainable_by: tuple[str, ...] = ("sft", "grpo", "dpo")

    def question(self, request: Request) -> str:
        """The family's own wording of a request. Raises ValueError for a task it cannot do."""
        raise NotImplementedError

    def prompt(self, request: Request) -> str:
        """The words the model is asked: the user's edited prompt, else the family's own question."""
        self.check(request)
        return request.prompt if request.prompt is not None else self.question(request)

    def check(self, request: Request) -> None:
        """Raises ValueError, with what would work, if this family cannot do the request's task."""
        if request.task not in self.tasks:
            raise ValueError(f"{self.title} cannot {request.task}; it can: {', '.join(sorted(self.tasks))}")

    def messages(self, request: Request) -> list[dict]:
        """The conversation: the pictures, then the prompt. Pictures stand as {"type": "image"}, filled in later."""
        content = [{"type": "image"} for _ in request.images] + [{"type": "text", "text": self.prompt(request)}]
        return [{"role": "user", "content": content}]

    def frame(self, image_size: tuple[int, int], pixels: Pixels | None = None) -> Frame:
        """The frame a checkpoint with this resize will use for a picture of (width, height)."""
        raise NotImplementedError

    def parse(self, text: str, request: Request, frame: Frame) -> Parsed:
        """Read an answer. Never raises; boxes are ordered, clipped, in pixels of the upright original."""
        raise NotImplementedError

    def format(self, annotations: Sequence[Annotation], request: Request, frame: Frame) -> str:
        """The answer a perfect model would write: the training target, which `parse` reads back."""
        raise NotImplementedError

    def schema(self, request: Request) -> dict | None:
        """A JSON schema of the answer, or None where the answer is not JSON."""
        return None
