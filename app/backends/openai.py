"""Asks any OpenAI-compatible server (vLLM, SGLang, Inference Providers): also the way to other hardware than this one.

A server does not say how it resized a picture. So the picture is resized here, to a size that the family's rule leaves
as it is: what the server's processor does next changes nothing, and the answer's numbers mean what they mean locally.

The address comes from the operator alone (the catalogue), redirects are not followed, and the key is read from an
environment variable when it is needed, shown to nobody.
"""
from __future__ import annotations

import base64
import io
import queue
import threading
import time
from collections.abc import Iterator
from dataclasses import replace

from PIL import Image as Pillow

from app import families, pictures
from app.backends import ModelError, Step
from app.backends.exchange import Exchange, Piece, Post, listed
from app.backends.said import Said
from app.backends.typed import REMOTE_CONTROL, own_tags, without_control_tokens
from app.types import Frame, Generation, ModelSpec, Pixels, Request

PAUSE = 0.05  # seconds between two Steps, as locally
LARGEST = 4_000_000  # pixels that are sent to a model of one fixed size, which shrinks them by itself
LONGEST = 1_000_000  # characters of an answer, whatever a server sends


def load(spec: ModelSpec, device: str | None = None) -> RemoteModel:
    """The model of a spec, once its server said that it has it. Raises ModelError."""
    model = RemoteModel(spec)
    model.begin()
    return model


class RemoteModel:
    """One model of a server. `left_out` are optional fields of a question that this server refused."""
    memory = 0

    def __init__(self, spec: ModelSpec) -> None:
        self.spec, self.server = spec, spec.server
        self.family = families.find(spec.family)
        self.device, self.wide, self.revision = spec.source, spec.server.wide, spec.revision
        self.post = Post(spec)
        self.model = lora_name(spec) if spec.adapter else self.server.model
        self.own = own_tags(self.family, REMOTE_CONTROL)

    def begin(self) -> None:
        """Is it there? An adapter is loaded into the running server (vLLM's way)."""
        there = listed(self.post)
        if there and self.server.model not in there:
            raise ModelError(f"the server at {self.spec.source} has no model {self.server.model}; it has: "
                             f"{', '.join(sorted(there)[:10])}")
        if self.spec.adapter and self.model not in there:
            self.post.adapter("load_lora_adapter", lora_name=self.model, lora_path=self.spec.adapter)

    def close(self) -> None:
        """It left the list of loaded models: the server may forget its adapter."""
        if self.spec.adapter:
            self.post.adapter("unload_lora_adapter", lora_name=self.model)

    def pixels(self, max_pixels: int | None = None) -> Pixels:
        """How the served checkpoint resizes: as its family does, unless the catalogue knows better."""
        rule = self.server.pixels or self.family.pixels
        return replace(rule, max_pixels=min(rule.max_pixels, max_pixels)) if max_pixels else rule

    def generate(self, request: Request, generation: Generation, stop: threading.Event) -> Iterator[Step]:
        """The answer as it is written. Raises ModelError for whatever the server did, in one sentence."""
        began = time.monotonic()
        request = without_control_tokens(request, REMOTE_CONTROL, self.own)
        sent = [self._shown(pictures.pixels(image), generation) for image in request.images]
        step = Step("", 0, self.family.prompt(request), sent[0][1])
        said, pieces = Said(), queue.SimpleQueue()
        exchange = Exchange(self.post, self._question(request, generation, [url for url, _ in sent]), pieces)
        exchange.start()
        try:
            last, shown = time.monotonic(), ""
            while not stop.is_set():
                piece = _next(pieces)
                if isinstance(piece, BaseException):
                    raise piece
                if piece is not None:
                    said.take(piece)
                    if piece.text and step.seconds_to_first is None:
                        step = replace(step, seconds_to_first=time.monotonic() - began)
                    if piece.finish or len(said.text) > LONGEST:
                        yield replace(said.step(step), finished="length" if piece.finish == "length" else "stop")
                        return
                if said.text != shown and time.monotonic() - last >= PAUSE:
                    yield said.step(step)
                    last, shown = time.monotonic(), said.text
            yield replace(said.step(step), finished="cancelled")
        finally:
            exchange.close()

    def _shown(self, picture: Pillow.Image, generation: Generation) -> tuple[str, Frame]:
        """A picture as a data URL, lossless, and the frame in which it will be seen."""
        rule = self.pixels(generation.max_pixels)
        frame = self.family.frame(picture.size, rule)
        if not (rule.fixed or self.family.pixels.fixed):
            picture = picture.resize(frame.input_size, Pillow.Resampling.BICUBIC)
        elif picture.width * picture.height > (most := min(LARGEST, generation.max_pixels or LARGEST)):
            scale = (most / (picture.width * picture.height))**0.5
            picture = picture.resize((max(1, int(picture.width * scale)), max(1, int(picture.height * scale))),
                                     Pillow.Resampling.BICUBIC)
        written = io.BytesIO()
        picture.save(written, "PNG", compress_level=1)
        return f"data:image/png;base64,{base64.b64encode(written.getvalue()).decode()}", frame

    def _question(self, request: Request, generation: Generation, urls: list[str]) -> dict:
        left = iter(urls)

        def sent(part: dict) -> dict:
            return {"type": "image_url", "image_url": {"url": next(left)}} if part["type"] == "image" else part

        messages = [{**message, "content": [sent(part) for part in message["content"]]
                     if isinstance(message["content"], list) else message["content"]}
                    for message in self.family.messages(request)]
        question = {"model": self.model, "messages": messages, "stream": True, "max_tokens": generation.max_tokens,
                    "temperature": generation.temperature, "logprobs": True,
                    # vLLM and SGLang: without these the marks of places (<loc0001>, <|box_start|>) are left out.
                    "skip_special_tokens": False, "spaces_between_special_tokens": False,
                    "stream_options": {"include_usage": True}}
        if generation.temperature > 0:
            question["seed"] = generation.seed
        return question


def lora_name(spec: ModelSpec) -> str:
    """What the server is to call an adapter: the model's id, in letters that no address minds."""
    return "".join(letter if letter.isalnum() or letter in "-_." else "-" for letter in spec.id)


def _next(pieces: queue.SimpleQueue) -> Piece | BaseException | None:
    try:
        return pieces.get(timeout=PAUSE)
    except queue.Empty:
        return None
