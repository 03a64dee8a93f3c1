"""Supervised fine-tuning, top to bottom: check, load, plan, see the pictures once, learn, keep the best, publish.

TRL's SFTTrainer does the learning. What is ours around it: rows in an order that a kill cannot change, answers instead
of losses to judge by, checkpoints that count only when they are whole, and an end within a step where a number is no
number any more.
"""
from __future__ import annotations

import gc
import os
import shutil
import time
from pathlib import Path

import torch
from accelerate import PartialState
from datasets import Dataset
from torch.utils.data import SequentialSampler
from transformers import set_seed
from trl import SFTConfig, SFTTrainer

from app.spec import TrainSpec, from_json
from app.types import Sample
from trainer import checkpoints, evaluation, plan, preflight, publish
from trainer import data as lessons
from trainer import model as models
from trainer import receipt as receipts
from trainer.events import Stopped, Watch, running_out
from trainer.receipt import Held
from trainer.vision_cache import VisionCache

KEEP = 2  # checkpoints beside the best one: the newest may be damaged


def train(run) -> dict | None:
    """The whole run of a folder. Returns the receipt; None where it was told to stop. Raises ValueError in words."""
    spec = from_json(run.spec)
    os.environ.setdefault("TENSORBOARD_LOGGING_DIR", str(run.folder / "reports"))
    PartialState(cpu=not torch.cuda.is_available())  # who else is in this run, before anything asks
    known = models.asked(spec)
    learnt, held = preflight.data(run.folder, spec)
    report = preflight.checked(run.folder, spec, known, learnt, held, borrows=True)
    wanted, free = (report.get("memory", {}).get(name, 0) for name in ("wanted", "free"))
    if wanted:
        run.borrow(wanted, free)
    if wanted > free:  # once more, with what there is now
        report = preflight.checked(run.folder, spec, known, learnt, held)
    PartialState().wait_for_everyone()
    if run.cancelled:
        return None
    if report["refusals"]:
        raise ValueError("; ".join(report["refusals"]))
    chosen = [sample for number, sample in enumerate(learnt) if number not in set(report["left_out"])]
    held = receipts.held_out(spec, held, preflight.general(run.folder, spec))
    while True:
        try:
            return _attempt(run, spec, known, chosen, held)
        except Stopped:
            return None
        except Exception as problem:
            if not running_out(problem):
                raise
            _halve(run, problem)
        gc.collect()
        torch.cuda.empty_cache()


def _attempt(run, spec: TrainSpec, known, learnt: list[Sample], held: Held) -> dict | None:
    run.progress(0, None, "loading the model")
    model = models.load(spec, known)
    collator, cache = _collator(run, spec, known, model, learnt)
    measuring = lessons.collator(known, held.asked, spec)
    before = receipts.asked_before(run, spec, model, measuring, held)
    asking = before.seconds(held, spec.evaluations)
    planned = _planned(run, spec, model, collator, learnt, time.monotonic() - run.began + asking)
    trainer = Learner(run, spec, planned, model, collator, measuring, held)
    resumed = _resumed(run, trainer)
    set_seed(spec.seed)
    trainer.train(resume_from_checkpoint=resumed)
    if run.cancelled:
        return None
    receipt = publish.publish(run, spec, known, trainer, learnt, held, before)
    if cache is not None and trainer.is_world_process_zero():
        cache.remove()
    return receipt


class Learner(SFTTrainer):
    """TRL's trainer with our rows, our evaluation and our checkpoints."""

    def __init__(self, run, spec: TrainSpec, planned: plan.Plan, model, collator, measuring, held) -> None:
        self.run, self.spec, self.planned = run, spec, planned
        self.measuring, self.held = measuring, held.choosing
        self.watch = Watch(run, planned, spec)
        rows = Dataset.from_dict({"row": range(planned.steps * spec.batch)})
        settings = _settings(run.folder, spec, planned, bool(self.held))
        super().__init__(model=model, args=settings, data_collator=collator, train_dataset=rows,
                         eval_dataset=Dataset.from_dict({"row": range(max(1, len(self.held)))}),
                         processing_class=measuring.processor, callbacks=[self.watch])

    def _get_train_sampler(self, *_):
        return SequentialSampler(self.train_dataset)  # the order is the collator's, by the number of the row

    def evaluate(self, *_, metric_key_prefix: str = "eval", **__) -> dict:
        """The figures are those of all processes."""
        found = evaluation.evaluate(self.accelerator.unwrap_model(self.model), self.measuring, self.held,
                                    self.spec.max_tokens, self.watch.answering)
        figures = {f"{metric_key_prefix}_{name}": value for name, value in evaluation.figures(found).items()}
        self.watch.evaluated(self.state, figures, found)
        if self.state.best_metric == 0:  # nothing was right until now: of those that learnt, the longest is the best
            self.state.best_metric = None
        self.log(dict(figures))
        self.control = self.callback_handler.on_evaluate(self.args, self.state, self.control, figures)
        return figures

    def _save_checkpoint(self, model, trial) -> None:
        """All of it, or a sentence; then the manifest, and only then the older ones go."""
        root = Path(self.args.output_dir)
        folder = root / f"{checkpoints.NAME}{self.state.global_step}"
        if self.is_world_process_zero():
            self.watch.room_for(root)
            shutil.rmtree(folder, ignore_errors=True)
        self.accelerator.wait_for_everyone()
        try:
            super(SFTTrainer, self)._save_checkpoint(model, trial)
            self.accelerator.wait_for_everyone()
            if self.is_world_process_zero():
                checkpoints.seal(folder)
        except Exception as problem:
            if not self.watch.full(problem):
                raise
            shutil.rmtree(folder, ignore_errors=True)
            raise ValueError(self.watch.full(problem)) from problem
        if self.is_world_process_zero():
            checkpoints.tidy(root, KEEP, self.state.best_global_step)
            self.watch.saved(folder)


def _settings(folder: Path, spec: TrainSpec, planned: plan.Plan, measured: bool) -> SFTConfig:
    cuda, every = torch.cuda.is_available(), max(1, planned.steps // max(1, spec.evaluations))
    evaluates = measured and spec.evaluations > 0
    return SFTConfig(
        output_dir=str(folder / "checkpoints"), run_name=folder.name,
        max_steps=planned.steps, per_device_train_batch_size=planned.micro_batch,
        gradient_accumulation_steps=planned.accumulation, gradient_checkpointing=planned.checkpointing,
        gradient_checkpointing_kwargs={"use_reentrant": False} if planned.checkpointing else None,
        learning_rate=planned.learning_rate, warmup_steps=int(spec.warmup * planned.steps),
        lr_scheduler_type=spec.schedule if spec.schedule != "constant" else "constant_with_warmup",
        weight_decay=spec.weight_decay, max_grad_norm=spec.max_grad_norm, seed=spec.seed,
        bf16=models.dtype(spec) == torch.bfloat16, use_cpu=not cuda,
        # TRL's own: nothing is cut off (its default of 1024 gave a silent loss of 0.0), and our collator makes the rows
        max_length=None, dataset_kwargs={"skip_prepare_dataset": True}, remove_unused_columns=False,
        # An average instead of a NaN was reported as success, with a NaN adapter saved
        logging_nan_inf_filter=False, logging_steps=1, logging_first_step=True,
        eval_strategy="steps" if evaluates else "no", eval_steps=every,
        save_strategy="steps", save_steps=every if evaluates else max(1, planned.steps // 4), save_total_limit=None,
        metric_for_best_model="eval_score" if evaluates else None, greater_is_better=True,
        dataloader_num_workers=_workers(spec, cuda), dataloader_pin_memory=cuda,
        ddp_find_unused_parameters=False, disable_tqdm=True, report_to=list(spec.reporting) or "none")


def _collator(run, spec: TrainSpec, known, model, learnt: list[Sample]):
    """Lessons from pictures, or from what the frozen tower saw in them."""
    plain = lessons.collator(known, learnt, spec)
    if not spec.cache_vision or not models.pictures_are_constant(model, spec):
        return plain, None
    cache = VisionCache(plain, run.folder / "features")
    with PartialState().main_process_first():
        why = cache.fill(model, lambda done, of: run.progress(done, of, "looking at the pictures once"))
    if why:
        run.event("vision_cache_off", why=why)
        return plain, None
    run.event("vision_cache", pictures=len(learnt))
    return cache, cache


def _planned(run, spec: TrainSpec, model, collator, learnt: list[Sample], besides: float) -> plan.Plan:
    """`besides`: seconds that go into anything but updates."""
    processes = PartialState().num_processes
    found = plan.saved(run.folder)
    with PartialState().main_process_first():
        found = found or plan.saved(run.folder)
        if found is None:
            some = collator([{"row": row} for row in range(min(8, len(learnt)))])
            found = plan.made(model, spec, len(learnt), some["input_ids"].shape[1], processes)
            if spec.minutes:
                rows = [{"row": row} for row in range(found.micro_batch)]
                took = plan.seconds_of_a_step(model, collator, rows, spec, found.accumulation,
                                              _workers(spec, torch.cuda.is_available()))
                found = plan.in_minutes(found, spec, took, besides)
            found.save(run.folder)
    run.event("plan", **vars(found), trained=models.trained(model))
    return found


def _resumed(run, trainer: Learner) -> str | None:
    """The newest whole checkpoint. Damaged ones are removed: they would only be met again."""
    root = Path(trainer.args.output_dir)
    root.mkdir(parents=True, exist_ok=True)
    with trainer.accelerator.main_process_first():
        found, damaged = checkpoints.newest(root)
        for name, why in damaged if trainer.is_world_process_zero() else ():
            run.event("checkpoint_damaged", checkpoint=name, why=why)
            checkpoints.remove(root / name)
    if found is not None:
        run.event("resumed", step=checkpoints.step(found))
    return None if found is None else str(found)


def _halve(run, problem: BaseException) -> None:
    """The same update from half as many samples at a time. Raises ValueError where that was tried enough."""
    before = plan.saved(run.folder)
    after = before and before.after_running_out()
    why = str(problem).strip().splitlines()[0][:160] if str(problem).strip() else type(problem).__name__
    if after is None:
        raise ValueError("the memory is not enough, also with fewer samples at a time: lower max_pixels or rank, set "
                         f"checkpointing=on, or put other models aside ({why})") from None
    after.save(run.folder)
    words = (f"out of memory with {before.micro_batch} samples at a time: {after.micro_batch} from now on, "
             f"{after.accumulation} times an update")
    run.event("out_of_memory", micro_batch=after.micro_batch, accumulation=after.accumulation, words=words)
    if PartialState().num_processes > 1:  # the others wait in the middle of an update
        raise ValueError(f"{words}; resume the run")


def _workers(spec: TrainSpec, cuda: bool) -> int:
    if spec.workers >= 0:
        return spec.workers
    return min(8, max(1, (os.cpu_count() or 2) - 1)) if cuda else 0
