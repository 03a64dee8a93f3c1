"""What a run tells while it trains, and when it stops: progress, curves, a full disk, a number that is none, SIGTERM.

The folder itself, state.json and events.jsonl, is `app/jobs/run.py`'s; only the first of several processes has one.
"""
from __future__ import annotations

import errno
import math
import shutil
import time
from pathlib import Path

import psutil
import torch
from transformers import TrainerCallback

from app import rows
from app.backends.checkpoint import OUT_OF_MEMORY
from app.spec import TrainSpec
from trainer import checkpoints

MARGIN = 64 << 20  # bytes of the disk that stay free
MEASURED = 2.0  # seconds of training after which its speed and memory are told again
SHOWN = 3  # held-out samples whose answers go into the events: one sees the model learn
# As safetensors, tokenizers and torch say it, none of them by an OSError.
FULL = ("No space left", "File too large", "os error 28", "PytorchStreamWriter", "unexpected pos")


def shown(found: list) -> list[dict]:
    """The first answers of an evaluation, always of the same samples, as an event can hold them."""
    return [{"id": each.sample.id, "text": each.text, "status": each.parsed.status,
             "annotations": rows.write(each.parsed.annotations)} for each in found[:SHOWN]]


class Stopped(Exception):
    """The run was told to end while it asked."""


class Silent:
    """The run as the other processes of a torchrun have it: the first one speaks for all."""

    def __init__(self, folder: Path, spec: dict) -> None:
        self.folder, self.spec, self.cancelled, self.began = folder, spec, False, time.monotonic()

    def progress(self, *_) -> None:
        pass

    def event(self, *_, **__) -> None:
        pass

    def borrow(self, *_) -> bool:
        return True


def running_out(problem: BaseException) -> bool:
    """Whether an exception says that memory was not enough, of the GPU or of the machine."""
    return isinstance(problem, (MemoryError, torch.OutOfMemoryError)) or (
        isinstance(problem, RuntimeError) and bool(OUT_OF_MEMORY.search(str(problem))))


class Watch(TrainerCallback):
    """Looks at every step."""

    def __init__(self, run, planned, spec: TrainSpec) -> None:
        self.run, self.planned, self.spec = run, planned, spec
        self.saved_at, self.needs, self.waited, self.best = time.monotonic(), 0, 0, -math.inf
        self.step, self.began, self.busy, self.steps = 0, 0.0, 0.0, 0  # `steps` took `busy` seconds

    def on_pre_optimizer_step(self, args, state, control, model=None, **_) -> None:
        """Before the weights take a gradient: one that is not finite would be the end of them."""
        gradients = [weight.grad for weight in model.parameters() if weight.grad is not None]
        norms = torch.stack(torch._foreach_norm(gradients)) if gradients else torch.zeros(1)
        if not bool(torch.isfinite(norms).all()):
            raise ValueError(f"the gradient is not finite at step {state.global_step + 1}, so nothing of this step was "
                             "learnt and nothing is published; try a lower learning_rate, or look for a broken sample")

    def on_step_begin(self, args, state, control, **_) -> None:
        self.began = time.monotonic()

    def on_step_end(self, args, state, control, **_):
        self.step, self.steps = state.global_step, self.steps + 1
        self.busy += time.monotonic() - self.began
        self.run.progress(self.step, self.planned.steps, "training")
        if self._told_to_stop():
            control.should_training_stop = control.should_save = True
            control.should_evaluate = False
        elif time.monotonic() - self.saved_at > 60 * self.spec.save_minutes or self.step >= self.planned.steps:
            control.should_save = True
        if self.step >= self.planned.steps and self.spec.evaluations and args.eval_strategy != "no":
            control.should_evaluate = not self.run.cancelled
        return control

    def on_log(self, args, state, control, logs=None, **_) -> None:
        if state.is_world_process_zero and logs and "loss" in logs:
            told = {name: logs[name] for name in ("loss", "grad_norm", "learning_rate") if name in logs}
            self.run.event("step", step=state.global_step, **{name: round(float(value), 8)
                                                              for name, value in told.items()}, **self._speed())

    def _speed(self) -> dict[str, float]:
        """Samples a second and GB of memory, now and then; what answering takes is no part of it."""
        if self.busy < MEASURED and self.step > 1:
            return {}
        speed, self.busy, self.steps = self.steps * self.spec.batch / max(self.busy, 1e-9), 0.0, 0
        memory = torch.cuda.max_memory_allocated() if torch.cuda.is_available() else psutil.Process().memory_info().rss
        return {"samples_per_s": round(speed, 3), "memory_gb": round(memory / 1e9, 3)}

    def answering(self, done: int) -> None:
        self.run.progress(self.step, self.planned.steps, f"training: answering held-out samples, {done}")

    def evaluated(self, state, figures: dict, found: list) -> None:
        self.run.event("evaluation", step=state.global_step, answers=shown(found), **figures)
        self.waited = 0 if figures["eval_score"] > self.best else self.waited + 1
        self.best = max(self.best, figures["eval_score"])

    def on_evaluate(self, args, state, control, **_):
        if self.spec.patience and self.waited >= self.spec.patience:
            self.run.event("patience", step=state.global_step, evaluations=self.waited)
            control.should_training_stop = control.should_save = True
        return control

    def room_for(self, root: Path) -> None:
        """Raises ValueError while the disk still has what was saved before."""
        free = shutil.disk_usage(root).free
        if free < self.needs + MARGIN:
            raise ValueError(f"a checkpoint needs {(self.needs + MARGIN) / 1e6:.0f} MB and the disk has "
                             f"{free / 1e6:.0f} MB; free some and resume the job, it goes on from the last checkpoint")

    def saved(self, folder: Path) -> None:
        self.saved_at, self.needs = time.monotonic(), checkpoints.size(folder)
        self.run.event("checkpoint", step=checkpoints.step(folder), bytes=self.needs)

    def full(self, problem: BaseException) -> str:
        """A sentence where a checkpoint could not be written for want of room, else nothing."""
        no_room = isinstance(problem, OSError) and problem.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
        if no_room or any(words in str(problem) for words in FULL):
            return ("the disk became full while a checkpoint was written; free some and resume the job, it goes on "
                    "from the checkpoint before")
        return ""

    def _told_to_stop(self) -> bool:
        """All processes stop at the same step, whichever of them was told."""
        told = self.run.cancelled
        if torch.distributed.is_available() and torch.distributed.is_initialized():
            where = "cuda" if torch.distributed.get_backend() == "nccl" else "cpu"
            flag = torch.tensor(float(told), device=where)
            torch.distributed.all_reduce(flag, torch.distributed.ReduceOp.MAX)
            told = bool(flag.item())
        self.run.cancelled = told
        return told
