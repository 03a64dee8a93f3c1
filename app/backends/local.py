"""Asks a transformers checkpoint on this machine, token by token: CPU in float32, CUDA in bfloat16.

The pictures are upright and capped; decoding is greedy unless a temperature is asked for; between two tokens it can be
stopped. A tuned model is its base with an adapter switched on: the base's weights are in memory once for both.
"""
from __future__ import annotations

import re
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, nullcontext
from functools import partial
from pathlib import Path

import torch
from transformers import AutoModelForImageTextToText

from app import families
from app.backends import ModelError, Step, batch, sizes
from app.backends.checkpoint import (
    LOADING,
    check_safetensors,
    explained,
    folder_of,
    needs,
    revision_of,
)
from app.backends.processors import load_processor, places_pictures
from app.backends.structure import Grammars
from app.backends.typed import control_tokens, own_tags
from app.backends.vision import Features
from app.types import Generation, ModelSpec, Pixels, Request

__all__ = ["Checkpoint", "LocalModel", "load", "needs"]
THREADS = torch.get_num_threads()
# A model this small gains nothing from a second thread, and loses much where the cores are busy: 60 tokens of 5 million
# weights took 0.24 s on one thread and 3.7 s on two beside two other programs, because the threads wait for each other.
SMALL = 50_000_000
WRITES = re.compile(r"(^|\.)(language_model|text_model|lm_head)(\.|$)")  # the parts of a model that see no picture


def load(spec: ModelSpec, device: str | None = None) -> LocalModel:
    """The model of a spec, with its adapter if it names one, on "cpu", "cuda:1" or the first GPU. Raises ModelError."""
    with explained(spec):
        model = LocalModel(spec, Checkpoint(spec, device))
        return model.adapted(spec) if spec.adapter else model


class Checkpoint:
    """Weights and processor in memory. `lock` is held while it writes and while an adapter is added."""

    def __init__(self, spec: ModelSpec, device: str | None = None) -> None:
        folder = folder_of(spec.source, spec.revision)
        self.device = device or ("cuda:0" if torch.cuda.is_available() else "cpu")
        cuda = self.device != "cpu"
        with LOADING:
            self.processor = load_processor(str(folder), local_files_only=True)
            self.model = AutoModelForImageTextToText.from_pretrained(
                folder, dtype=torch.bfloat16 if cuda else torch.float32, use_safetensors=True,
                trust_remote_code=False, local_files_only=True).to(self.device).eval()
        self.revision = revision_of(folder)
        self.threads = 1 if self.model.num_parameters() < SMALL else THREADS
        self.lock = threading.Lock()
        self.features = Features(self.model)
        self._grammars: Grammars | None = None
        self.tuned = None  # the PeftModel around `model`, once there is an adapter

    def add(self, adapter: str) -> None:
        with LOADING, self.lock:
            import peft
            if self.tuned is None:
                self.tuned = peft.PeftModel.from_pretrained(self.model, adapter, adapter_name=plain(adapter))
            elif plain(adapter) not in self.tuned.peft_config:
                self.tuned.load_adapter(adapter, adapter_name=plain(adapter))
            self.tuned.eval()

    def grammars(self, ends: frozenset[int]) -> Grammars:
        """What compiles the forms of answers for this tokenizer; made at the first one."""
        if self._grammars is None:
            vocabulary = self.model.config.get_text_config().vocab_size
            self._grammars = Grammars(self.processor.tokenizer, vocabulary, ends)
        return self._grammars

    @contextmanager
    def wearing(self, adapters: Sequence[str | None]) -> Iterator[tuple]:
        """(the transformers model, its generate) for as long as the lock is held: each answer of a batch by an adapter.

        None is the base alone. PEFT runs several in one batch where none of them changes how the picture is seen.
        """
        with self.lock:
            first, *others = dict.fromkeys(adapters)
            if others:
                names = [plain(adapter) if adapter else "__base__" for adapter in adapters]
                yield self.model, partial(self.tuned.generate, adapter_names=names)
                return
            if first:
                self.tuned.set_adapter(plain(first))
            with self.tuned.disable_adapter() if self.tuned is not None and first is None else nullcontext():
                yield self.model, self.model.generate

    def sees(self, adapter: str) -> bool:
        """Whether an adapter changes how a picture is seen: it is on the vision tower, or on what follows it."""
        name = plain(adapter)
        worn = (each for each, module in self.model.named_modules()
                if any(name in getattr(module, part, ()) for part in ("lora_A", "lora_embedding_A", "modules_to_save")))
        return any(not WRITES.search(each) for each in worn)


def plain(adapter: str) -> str:
    """A name for an adapter inside the model: torch allows no dot in it, and folders have some."""
    return adapter.replace(".", "․")


class LocalModel:
    """One model one can ask: a checkpoint, perhaps with an adapter."""

    def __init__(self, spec: ModelSpec, checkpoint: Checkpoint, adapter: str | None = None) -> None:
        self.spec, self.checkpoint, self.adapter = spec, checkpoint, adapter
        self.family = families.find(spec.family)
        self.device = checkpoint.device
        self.revision = revision_of(Path(adapter)) if adapter else checkpoint.revision
        self.control = control_tokens(checkpoint.processor.tokenizer)
        self.own = own_tags(self.family, self.control)

    @property
    def memory(self) -> int:
        """Bytes of the weights, those of all adapters among them."""
        return self.checkpoint.model.get_memory_footprint()

    def adapted(self, spec: ModelSpec) -> LocalModel:
        """The same weights with the adapter of `spec` switched on."""
        with explained(spec):
            check_safetensors(Path(spec.adapter), spec.adapter)
            self.checkpoint.add(spec.adapter)
            return LocalModel(spec, self.checkpoint, spec.adapter)

    def pixels(self, max_pixels: int | None = None) -> Pixels:
        """How this checkpoint resizes, within a budget of pixels; `Family.frame` predicts the frame from it."""
        return sizes.pixels(self.checkpoint.processor.image_processor, max_pixels)

    def generate(self, request: Request, generation: Generation, stop: threading.Event) -> Iterator[Step]:
        """The answer as it is written, a Step every PAUSE seconds and the last one with `finished` set.

        Raises ModelError, or PictureError for a picture that cannot be read. Closing the iterator stops the writing.
        """
        steps = batch.stream([(self, request)], generation, stop)
        try:
            for [step] in steps:
                yield step
        finally:
            steps.close()

    def generate_many(self, requests: Sequence[Request], generation: Generation, stop: threading.Event,
                      models: Sequence[LocalModel] | None = None) -> Iterator[Step]:
        """One finished Step for each request, in their order, several written at the same time.

        `models` says which model of this checkpoint answers each of them, where that is not always this one.
        """
        return batch.answers(list(zip(models or [self] * len(requests), requests, strict=True)), generation, stop)

    def inputs(self, request: Request, images: list, generation: Generation):
        """Token ids and pixels of one question whose words are free of control tokens, as the processor makes them."""
        processor = self.checkpoint.processor
        text = self._text(request)
        options = {"images_kwargs": sizes.settings(processor.image_processor, generation.max_pixels),
                   # The templates of Gemma and others begin with <bos>, and so do their tokenizers.
                   "text_kwargs": {"add_special_tokens": False} if _begun(text, processor.tokenizer) else {}}
        inputs = processor(images=images if places_pictures(processor) else [images], text=[text], return_tensors="pt",
                           **{name: chosen for name, chosen in options.items() if chosen})
        inputs.pop("labels", None)  # PaliGemma's processor always gives them; they are for training
        return inputs

    def _text(self, request: Request) -> str:
        """The whole text: a conversation where there is a chat template, else the pictures' marks and the prompt."""
        processor = self.checkpoint.processor
        if processor.chat_template:
            messages = self.family.messages(request)
            begun = messages[-1]["role"] == "assistant"  # a prefill, such as an opened <think>
            return processor.apply_chat_template(messages, tokenize=False, add_generation_prompt=not begun,
                                                 continue_final_message=begun)
        if not places_pictures(processor):
            return processor.image_token * len(request.images) + self.family.prompt(request)
        if len(request.images) != 1:
            raise ModelError(f"{self.family.title} looks at one picture at a time, and here are "
                             f"{len(request.images)}; ask about each by itself")
        return self.family.prompt(request)


def _begun(text: str, tokenizer) -> bool:
    return bool(tokenizer.bos_token) and text.startswith(tokenizer.bos_token)
