"""Runs a transformers model in a thread of its own and hands every new token on: of one answer, or of a whole batch."""
from __future__ import annotations

import queue
import threading
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager

import torch
import transformers
from transformers import StoppingCriteria, StoppingCriteriaList

from app.backends.structure import Guide
from app.types import Generation

Row = list[tuple[int, float]]  # one step: the new token of each answer, with its log-probability


def steps(dressed: Callable[[], AbstractContextManager], inputs: Callable[[], dict], generation: Generation,
          stops: Sequence[threading.Event], threads: int, name: str, guide: Guide | None = None) -> Iterator[Row]:
    """The tokens of a batch, step by step. Closing the iterator ends the thread and waits for it.

    `dressed()` gives (model, its generate function) for as long as the model is ours; `inputs()` is called inside, in
    the thread, since the picture's features depend on what the model wears. `guide` leads a single answer through its
    form. Raises what the thread raised.
    """
    closed, rows = threading.Event(), queue.SimpleQueue()
    thread = threading.Thread(target=_run, args=(dressed, inputs, generation, (*stops, closed), threads, rows, guide),
                              name=name, daemon=True)
    thread.start()
    try:
        while (row := rows.get()) is not None:
            if isinstance(row, BaseException):
                raise row
            yield row
    finally:
        closed.set()
        thread.join()


def _run(dressed, inputs, generation: Generation, stops: tuple[threading.Event, ...], threads: int,
         rows: queue.SimpleQueue, guide: Guide | None) -> None:
    """Puts each step's row, then None, or the exception that ended it."""
    warm = generation.temperature > 0
    choice = {"do_sample": True, "temperature": generation.temperature} if warm else {
        "do_sample": False, "temperature": None, "top_p": None, "top_k": None}
    try:
        torch.set_num_threads(threads)  # of this thread's work, and of threads begun after it
        streamer = _Tokens(rows)
        with dressed() as (model, generate), torch.inference_mode():
            given = inputs() | {"max_new_tokens": generation.max_tokens, "num_beams": 1, **choice,
                                "stopping_criteria": StoppingCriteriaList([_Stopped(stops)])}
            if warm:
                torch.manual_seed(generation.seed)
            if guide is not None:
                generate(**given, custom_generate=guide.writing(rows))
            else:
                with _writer(model).register_forward_hook(streamer.look):
                    generate(**given, streamer=streamer)
        rows.put(None)
    except BaseException as problem:  # raised again by the thread that reads the rows
        rows.put(problem)


def ends(model, tokenizer) -> frozenset[int]:
    """The tokens that end an answer, or fill up behind its end."""
    found = model.generation_config.eos_token_id
    found = found if isinstance(found, list) else [found]
    return frozenset(end for end in (*found, tokenizer.eos_token_id, tokenizer.pad_token_id) if end is not None)


def _writer(model):
    """The part whose logits the tokens are chosen from: Kosmos-2 hands the writing over to its text model."""
    inner = getattr(model, "text_model", None)
    return inner if hasattr(inner, "generate") else model


class _Tokens(transformers.generation.streamers.BaseStreamer):
    """Hands each step's tokens on with their log-probabilities; what `generate` puts first is the prompt.

    A hook looks at the model's own logits, before a temperature or a checkpoint's repetition penalty changes them, and
    keeps them until their tokens come: on Apple's GPUs that is a step later.
    """

    def __init__(self, rows: queue.SimpleQueue) -> None:
        self.rows, self.prompt_came = rows, False
        self.sure: deque[torch.Tensor] = deque()

    def look(self, model, arguments, output) -> None:
        self.sure.append(torch.log_softmax(output.logits[:, -1].float(), dim=-1))

    def put(self, value: torch.Tensor) -> None:
        if self.prompt_came:
            sure = self.sure.popleft()
            tokens = value.reshape(-1)
            chosen = sure.gather(1, tokens[:, None].to(sure.device))[:, 0]
            self.rows.put(list(zip(tokens.tolist(), chosen.tolist(), strict=True)))
        self.prompt_came = True

    def end(self) -> None:
        pass


class _Stopped(StoppingCriteria):
    def __init__(self, stops: tuple[threading.Event, ...]) -> None:
        self.stops = stops

    def __call__(self, input_ids, scores, **kwargs):
        stopped = any(stop.is_set() for stop in self.stops)
        return torch.full((input_ids.shape[0],), stopped, dtype=torch.bool, device=input_ids.device)
