"""What a run leaves: the best checkpoint's weights, the processor and a model card, read back before they count.

An adapter goes to adapter/ in PEFT's own files, so plain PEFT and vLLM load it; a fully tuned model to model/. Both
appear whole: they are written beside, compared with what was learnt, and renamed.
"""
from __future__ import annotations

import json
import os
import shutil
import time
from pathlib import Path

import torch
from safetensors.torch import load_file

from app.spec import TrainSpec
from trainer import card, checkpoints, evaluation
from trainer import data as lessons
from trainer import model as models
from trainer.push import push
from trainer.receipt import Before, Held, judged

COMPARED = 4  # samples that the merged model is asked
MERGED_ALIKE = 0.02  # of the largest logit: what merging in bfloat16 was seen to move, and more is a fault


def publish(run, spec: TrainSpec, known, trainer, learnt, held: Held, before: Before) -> dict:
    """The receipt. Raises ValueError where what would be published is not finite, or does not read back; Stopped."""
    trainer.accelerator.wait_for_everyone()
    best = _with_the_best(run, spec, trainer)
    after = _figures(run, trainer, best)
    told = judged(run, spec, trainer.accelerator.unwrap_model(trainer.model), trainer.measuring, held, before)
    receipt = {
        "model": spec.model, "base": {"source": spec.source, "revision": known.checkpoint.revision},
        "method": spec.method, "tune": spec.tune, "dataset": spec.dataset, "snapshot": spec.snapshot,
        "samples": len(learnt), "heldout": len(trainer.held), "steps": trainer.state.global_step, "best_step": best,
        "before": before.figures, "after": after, "comparison": told,
        "minutes": round((time.monotonic() - run.began) / 60, 2),
        "plan": vars(trainer.planned), "trained": models.trained(trainer.model), "spec": spec.to_json(),
        "vllm": models.vllm_limits(spec), "versions": card.versions(), "device": card.device(),
        "finished": round(time.time())}
    if trainer.is_world_process_zero():
        name = "model" if spec.tune == "full" else "adapter"
        receipt["folder"] = name
        run.progress(trainer.planned.steps, trainer.planned.steps, "saving the tuned model")
        _write(run.folder / name, spec, known, trainer, receipt)
        if spec.merge and spec.tune != "full":
            run.progress(trainer.planned.steps, trainer.planned.steps, "merging")
            some = trainer.held[:COMPARED] or learnt[:COMPARED]
            receipt["merged"] = merge(run.folder / "merged", spec, known, trainer.accelerator.unwrap_model(
                trainer.model), some, receipt)
        if spec.push:
            receipt["pushed"] = _pushed(run.folder / name, spec.push)
    trainer.accelerator.wait_for_everyone()
    return receipt


def _with_the_best(run, spec: TrainSpec, trainer) -> int:
    """Puts the best checkpoint's weights into the model; the last ones stay where that is damaged, or there is none."""
    best, last = trainer.state.best_global_step, trainer.state.global_step
    if not best or best == last:
        return last
    folder = Path(trainer.args.output_dir) / f"{checkpoints.NAME}{best}"
    if wrong := checkpoints.damage(folder):
        run.event("checkpoint_damaged", checkpoint=folder.name, why=wrong)
        return last
    model = trainer.accelerator.unwrap_model(trainer.model)
    weights = {name: value for file in folder.glob("*.safetensors") for name, value in load_file(file).items()}
    if spec.tune == "full":
        model.load_state_dict(weights, strict=False)  # tied weights are written once
        model.tie_weights()
    else:
        from peft import set_peft_model_state_dict
        set_peft_model_state_dict(model, weights)
    return best


def _figures(run, trainer, best: int) -> dict:
    """Of the published weights: those of the evaluation at that step."""
    told = [entry for entry in trainer.state.log_history if entry.get("step") == best and "eval_score" in entry]
    return {name.removeprefix("eval_"): value for name, value in (told[-1] if told else {}).items()
            if name.startswith("eval_")}


def _write(folder: Path, spec: TrainSpec, known, trainer, receipt: dict) -> None:
    part = folder.with_name(f"{folder.name}.part")
    shutil.rmtree(part, ignore_errors=True)
    model = trainer.accelerator.unwrap_model(trainer.model)
    wrong = [name for name, weight in model.named_parameters() if weight.requires_grad and not _finite(weight)]
    if wrong:
        raise ValueError(f"{len(wrong)} of the tuned weights are not finite ({wrong[0]}): nothing is published")
    if spec.tune == "full":
        model.to(models.dtype(spec)).save_pretrained(part)
    else:
        model.save_pretrained(part, save_embedding_layers=False)
        _name_base(part, spec)
        _same_as_learnt(part, model)
    known.checkpoint.processor.save_pretrained(part)
    (part / "README.md").write_text(card.card(spec, known, receipt), "utf-8")
    for file in part.rglob("*"):
        if file.is_file():
            with file.open("rb+") as opened:
                os.fsync(opened.fileno())
    shutil.rmtree(folder, ignore_errors=True)
    os.replace(part, folder)


def _same_as_learnt(folder: Path, model) -> None:
    from peft import get_peft_model_state_dict
    read = load_file(folder / "adapter_model.safetensors")
    learnt = get_peft_model_state_dict(model, save_embedding_layers=False)
    if read.keys() != learnt.keys() or any(not torch.equal(read[name], value.cpu()) for name, value in learnt.items()):
        raise ValueError("the adapter on the disk is not the one that was learnt: nothing is published")


def _name_base(folder: Path, spec: TrainSpec) -> None:
    """By its name where it has one: a path on this machine means nothing on another."""
    written = folder / "adapter_config.json"
    config = json.loads(written.read_text("utf-8"))
    config |= {"base_model_name_or_path": spec.model or spec.source, "revision": spec.revision}
    written.write_text(json.dumps(config, indent=2, sort_keys=True) + "\n", "utf-8")


def merge(folder: Path, spec: TrainSpec, known, model, some, receipt: dict) -> dict:
    """The base with the adapter in its weights. Raises ValueError if it answers `some` samples differently."""
    collator, model = lessons.collator(known, some, spec), model.eval()
    before, texts_before = _said(model, collator, some)
    merged = model.merge_and_unload(safe_merge=True)
    after, texts_after = _said(merged, collator, some)
    moved = float((before - after).abs().max() / before.abs().max().clamp(min=1e-6))
    if not moved <= MERGED_ALIKE:
        raise ValueError(f"the merged model is not the tuned one: its logits differ by {moved:.1%}; it was not kept, "
                         "the adapter was")
    part = folder.with_name(f"{folder.name}.part")
    shutil.rmtree(part, ignore_errors=True)
    merged.save_pretrained(part)
    known.checkpoint.processor.save_pretrained(part)
    (part / "README.md").write_text(card.card(spec, known, receipt, merged=True), "utf-8")
    shutil.rmtree(folder, ignore_errors=True)
    os.replace(part, folder)
    return {"folder": folder.name, "logits_moved": moved,
            "same_answers": sum(a == b for a, b in zip(texts_before, texts_after)), "of": len(some)}


@torch.no_grad()
def _said(model, collator, some) -> tuple[torch.Tensor, list[str]]:
    """The logits along the first sample's answer, and the answers to all."""
    inner = [collator.plain(sample) for sample in some]
    batch = {name: value for name, value in collator.batch(inner[:1]).items() if name not in ("labels", "shift_labels")}
    with models.computing(collator.spec):
        logits = model(**models.moved(batch), use_cache=False).logits.float().cpu()
    return logits, evaluation.texts(model, collator, inner, 32)


def _pushed(folder: Path, repo: str) -> str:
    """What goes wrong there is said and does not undo the run."""
    try:
        return push(folder, repo)
    except ValueError as problem:
        return f"not uploaded: {problem}; the tuned model is in the run's folder"


def _finite(weight: torch.Tensor) -> bool:
    return bool(torch.isfinite(weight).all())

