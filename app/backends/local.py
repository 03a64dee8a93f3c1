"""Asks a transformers checkpoint on this machine, token by token: CPU in float32, CUDA in bfloat16.

The pictures are upright and capped; decoding is greedy unless a temperature is asked for; between two tokens it can be
stopped. A tuned model is its base with an adapter switched on: the base's weights are in memory once for both.
"""
from __future__ import annotations

import queue
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import replace
from pathlib import Path

import torch
import transformers
from transformers import AutoModelForImageTextToText, StoppingCriteria, StoppingCriteriaList

from app import families, pictures
from app.backends import Step
from app.backends.checkpoint import LOADING, check_safetensors, explained, folder_of, revision_of, within_memory
from app.backends.processors import load_processor
from app.backends.typed import control_tokens, without_control_tokens
from app.backends.writing import Writing
from app.types import Frame, Generation, ModelSpec, Pixels, Request

MAX_PATCHES = 1280  # about a megapixel. Qwen2.5-VL allows itself 12.8: 278 TFLOP for one photo of a phone
THREADS = torch.get_num_threads()
# A model this small gains nothing from a second thread, and loses much where the cores are busy: 60 tokens of 5 million
# weights took 0.24 s on one thread and 3.7 s on two beside two other programs, because the threads wait for each other.
SMALL = 50_000_000
PAUSE = 0.05  # seconds between two Steps: nobody reads faster, and each is parsed and drawn


def load(spec: ModelSpec) -> LocalModel:
    """The model of a spec, with its adapter if it names one. Raises ModelError."""
    with explained(spec):
        model = LocalModel(spec, Checkpoint(spec))
        return model.adapted(spec) if spec.adapter else model


class Checkpoint:
    """Weights and processor in memory. `lock` is held while it writes and while an adapter is added."""

    def __init__(self, spec: ModelSpec) -> None:
        folder = folder_of(spec.source, spec.revision)
        cuda = torch.cuda.is_available()
        self.device = "cuda:0" if cuda else "cpu"
        with LOADING:
            self.processor = load_processor(str(folder), local_files_only=True)
            self.model = AutoModelForImageTextToText.from_pretrained(
                folder, dtype=torch.bfloat16 if cuda else torch.float32, use_safetensors=True,
                trust_remote_code=False, local_files_only=True).to(self.device).eval()
        self.revision = revision_of(folder)
        self.threads = 1 if self.model.num_parameters() < SMALL else THREADS
        self.lock = threading.Lock()
        self.tuned = None  # the PeftModel around `model`, once there is an adapter

    def add(self, adapter: str) -> None:
        with LOADING, self.lock:
            import peft
            if self.tuned is None:
                self.tuned = peft.PeftModel.from_pretrained(self.model, adapter, adapter_name=adapter)
            elif adapter not in self.tuned.peft_config:
                self.tuned.load_adapter(adapter, adapter_name=adapter)
            self.tuned.eval()

    @contextmanager
    def wearing(self, adapter: str | None) -> Iterator:
        """The transformers model with that adapter, or with none, for as long as the lock is held."""
        with self.lock:
            if adapter:
                self.tuned.set_adapter(adapter)
            with self.tuned.disable_adapter() if self.tuned is not None and adapter is None else nullcontext():
                yield self.model


class LocalModel:
    """One model one can ask: a checkpoint, perhaps with an adapter."""

    def __init__(self, spec: ModelSpec, checkpoint: Checkpoint, adapter: str | None = None) -> None:
        self.spec, self.checkpoint, self.adapter = spec, checkpoint, adapter
        self.family = families.find(spec.family)
        self.device = checkpoint.device
        self.revision = revision_of(Path(adapter)) if adapter else checkpoint.revision
        self.control = control_tokens(checkpoint.processor.tokenizer)

    def adapted(self, spec: ModelSpec) -> LocalModel:
        """The same weights with the adapter of `spec` switched on."""
        with explained(spec):
            check_safetensors(Path(spec.adapter), spec.adapter)
            self.checkpoint.add(spec.adapter)
            return LocalModel(spec, self.checkpoint, spec.adapter)

    def pixels(self, max_pixels: int | None = None) -> Pixels:
        """How this checkpoint resizes, within a budget of pixels; `Family.frame` predicts the frame from it."""
        images = self.checkpoint.processor.image_processor
        size = images.size
        if getattr(size, "height", None):
            return Pixels(fixed=(size.width, size.height))
        factor = images.patch_size * images.merge_size
        most = max(factor**2, min(size["longest_edge"], max_pixels or MAX_PATCHES * factor**2))
        return Pixels(factor=factor, min_pixels=min(size["shortest_edge"], most), max_pixels=most)

    def generate(self, request: Request, generation: Generation, stop: threading.Event) -> Iterator[Step]:
        """The answer as it is written, a Step every PAUSE seconds and the last one with `finished` set.

        Raises ModelError, or PictureError for a picture that cannot be read. Closing the iterator stops the writing.
        """
        began = time.monotonic()
        request = without_control_tokens(request, self.control)
        prompt = self.family.prompt(request)
        images = [pictures.pixels(image) for image in request.images]
        with within_memory(self.spec):
            inputs = self._inputs(request, images, generation)
            frame = _frame_used(inputs, images[0].size, self.checkpoint.processor)
            closed = threading.Event()
            tokens: queue.SimpleQueue = queue.SimpleQueue()
            thread = threading.Thread(target=self._write, args=(inputs, generation, (stop, closed), tokens),
                                      name=f"write {self.spec.id}", daemon=True)
            thread.start()
            try:
                yield from self._steps(tokens, generation, stop, Step("", 0, prompt, frame), began)
            finally:
                closed.set()
                thread.join()

    def _inputs(self, request: Request, images: list, generation: Generation):
        """Token ids and pixels, on the device. Processors with a chat template get it, PaliGemma gets its prompt."""
        processor = self.checkpoint.processor
        pixels = self.pixels(generation.max_pixels)
        budget = {} if pixels.fixed else {
            "images_kwargs": {"size": {"shortest_edge": pixels.min_pixels, "longest_edge": pixels.max_pixels}}}
        if processor.chat_template:
            messages = self.family.messages(request)
            begun = messages[-1]["role"] == "assistant"  # a prefill, such as an opened <think>
            text = processor.apply_chat_template(messages, tokenize=False, add_generation_prompt=not begun,
                                                 continue_final_message=begun)
        else:
            text = processor.image_token * len(images) + self.family.prompt(request)
        inputs = processor(images=[images], text=[text], return_tensors="pt", **budget)
        inputs.pop("labels", None)  # PaliGemma's processor always gives them; they are for training
        return inputs.to(self.checkpoint.device, self.checkpoint.model.dtype)

    def _write(self, inputs, generation: Generation, stops: tuple[threading.Event, ...],
               tokens: queue.SimpleQueue) -> None:
        """Runs the model in its own thread: puts each token's number, then None, or the exception that ended it."""
        warm = generation.temperature > 0
        choice = {"do_sample": True, "temperature": generation.temperature} if warm else {
            "do_sample": False, "temperature": None, "top_p": None, "top_k": None}
        try:
            torch.set_num_threads(self.checkpoint.threads)  # of this thread's work, and of threads begun after it
            with self.checkpoint.wearing(self.adapter) as model, torch.inference_mode():
                if warm:
                    torch.manual_seed(generation.seed)
                model.generate(**inputs, max_new_tokens=generation.max_tokens, num_beams=1, streamer=_Tokens(tokens),
                               stopping_criteria=StoppingCriteriaList([_Stopped(stops)]), **choice)
            tokens.put(None)
        except BaseException as problem:  # raised again by the thread that reads the tokens
            tokens.put(problem)

    def _steps(self, tokens: queue.SimpleQueue, generation: Generation, stop: threading.Event, step: Step,
               began: float) -> Iterator[Step]:
        tokenizer = self.checkpoint.processor.tokenizer
        writing = Writing(tokenizer, _ends(self.checkpoint.model, tokenizer))
        shown = 0.0
        while (token := tokens.get()) is not None:
            if isinstance(token, BaseException):
                raise token
            writing.take(token)
            if step.seconds_to_first is None:
                step = replace(step, seconds_to_first=time.monotonic() - began)
            if time.monotonic() - shown >= PAUSE:
                yield replace(step, text=writing.so_far, tokens=writing.tokens)
                shown = time.monotonic()  # after the reader is done with it, so a slow reader gets fewer
        if writing.ended:
            finished = "stop"
        elif stop.is_set():
            finished = "cancelled"
        else:
            finished = "length" if writing.tokens >= generation.max_tokens else "stop"
        yield replace(step, text=writing.whole(), tokens=writing.tokens, finished=finished)


class _Tokens(transformers.generation.streamers.BaseStreamer):
    """Hands each new token on; what `generate` puts first is the prompt."""

    def __init__(self, tokens: queue.SimpleQueue) -> None:
        self.tokens, self.prompt_came = tokens, False

    def put(self, value: torch.Tensor) -> None:
        if self.prompt_came:
            self.tokens.put(int(value.reshape(-1)[0]))
        self.prompt_came = True

    def end(self) -> None:
        pass


class _Stopped(StoppingCriteria):
    def __init__(self, stops: tuple[threading.Event, ...]) -> None:
        self.stops = stops

    def __call__(self, input_ids, scores, **kwargs):
        stopped = any(stop.is_set() for stop in self.stops)
        return torch.full((input_ids.shape[0],), stopped, dtype=torch.bool, device=input_ids.device)


def _ends(model, tokenizer) -> frozenset[int]:
    """The tokens that end an answer, or fill up behind its end."""
    ends = model.generation_config.eos_token_id
    ends = ends if isinstance(ends, list) else [ends]
    return frozenset(end for end in (*ends, tokenizer.eos_token_id, tokenizer.pad_token_id) if end is not None)


def _frame_used(inputs, image_size: tuple[int, int], processor) -> Frame:
    """The frame of the first picture, read from what really goes into the model."""
    if "image_grid_thw" in inputs:
        _, rows, columns = inputs["image_grid_thw"][0].tolist()
        patch = processor.image_processor.patch_size
        return Frame(image_size, (columns * patch, rows * patch))
    height, width = inputs["pixel_values"].shape[-2:]
    return Frame(image_size, (width, height))
