"""Trains a demo model in pieces: looks first, then talks. `python -m trainer.demo train --model M --minutes 60`.

Three stages, by the share of the time budget that is spent:
1. The vision tower alone learns what lies under each of its tokens (kind, colour, box, joints), through throw-away
   heads; the boxes are read with the language model's own coordinate embeddings. From scratch, a language loss alone
   teaches a tower very slowly: a dense target gives it 144 lessons a picture.
2. Everything, many questions packed on each picture (`batches.py`); the dense lesson goes on, fading.
3. PaliGemma only: one question in a sequence, because there the picture looks at the question too.
Coordinates are learnt with a soft target over their neighbours: 411 instead of 412 is almost right.
The matrices are learnt by Muon, everything else by AdamW: after 200 steps of the first stage the kinds were at 1.47
instead of 1.57, the boxes at 0.23 instead of 0.28.

State (weights, optimiser, seconds spent, scenes seen) is saved every few minutes and at the end; the same command
goes on from there. The learning rate follows the share of the budget.
"""
from __future__ import annotations

import json
import math
import time
from pathlib import Path

import numpy as np
import torch
from torch.nn import functional as F

from trainer.demo import batches
from trainer.demo.build import WIDTH, Demo, save, untrained
from trainer.demo.scenes import JOINTS

LOOK, ALONE = 0.26, 0.70  # shares of the budget at which stage 2 and stage 3 begin
SEED = 11  # of the training scenes; measurements use others
SCENES = {"look": 16, "talk": 10, "alone": 10}  # in one update
QUESTIONS = {"talk": 7, "alone": 3}  # on each of them: packed in one sequence, or each in its own
RATE = {"look": 1.2e-3, "talk": 1.0e-3, "alone": 5e-4}  # of AdamW
MUON = 4.0  # times that for Muon, whose steps are scaled to the size of AdamW's
SPREAD = torch.exp(-0.5 * (torch.arange(-6, 7) / 2.0) ** 2)  # of a coordinate's soft target, in bins


class Heads(torch.nn.Module):
    """What stage 1 reads off the picture tokens; not part of the model."""

    def __init__(self):
        super().__init__()
        self.flat = torch.nn.Linear(WIDTH, 1 + len(batches.HUES) + len(batches.KINDS) + 4 + 2 * len(JOINTS))
        self.sides = torch.nn.Linear(WIDTH, 4 * WIDTH)


def train(kind: str, folder: Path, minutes: float, piece: float, threads: int) -> None:
    """Goes on with `folder`'s state for `piece` minutes, or until `minutes` are spent in all."""
    torch.set_num_threads(threads)
    demo, heads = untrained(kind), Heads()
    demo.model.set_attn_implementation("eager")  # on a CPU 1.3 times as fast as flash attention, which goes back slowly
    optimisers = _optimisers(demo, heads)
    state = dict(spent=0.0, scenes=0, steps=0, words=len(demo.processor.tokenizer))
    folder.mkdir(parents=True, exist_ok=True)
    saved = folder / "state.pt"
    if saved.exists():
        found = torch.load(saved, weights_only=True)
        if found["state"]["words"] != state["words"]:
            raise SystemExit(f"{saved} was trained with {found['state']['words']} tokens, this code builds "
                             f"{state['words']}: start in a new folder")
        demo.model.load_state_dict(found["model"])
        heads.load_state_dict(found["heads"])
        for optimiser, before in zip(optimisers, found["optimisers"]):
            optimiser.load_state_dict(before)
        state = found["state"]
    demo.model.train()
    started, last_save, before = time.monotonic(), time.monotonic(), state["spent"]
    averages: dict[str, float] = {}
    while state["spent"] < 60 * minutes and state["spent"] - before < 60 * piece:
        share = state["spent"] / (60 * minutes)
        losses = step(demo, heads, optimisers, state, share)
        for name, value in losses.items():
            averages[name] = 0.95 * averages.get(name, value) + 0.05 * value
        state["spent"] = before + time.monotonic() - started
        state["steps"] += 1
        if state["steps"] % 50 == 0:
            line = dict(state, share=share, **averages)
            print(json.dumps({key: round(value, 4) for key, value in line.items()}), flush=True)
        if time.monotonic() - last_save > 240:
            last_save = time.monotonic()
            _keep(saved, demo, heads, optimisers, state)
    _keep(saved, demo, heads, optimisers, state)
    save(demo, str(folder / "checkpoint"))


def step(demo: Demo, heads: Heads, optimisers, state: dict, share: float) -> dict[str, float]:
    """One update in the stage that `share` says; returns its losses."""
    rng = np.random.default_rng((SEED, state["steps"], 5))
    stage = "look" if share < LOOK else "alone" if share >= ALONE and demo.family.name == "paligemma" else "talk"
    scenes = batches.draw(rng, SCENES[stage], SEED, state["scenes"])
    state["scenes"] += len(scenes)
    with torch.autocast("cpu", torch.bfloat16):
        if stage == "look":
            inputs = batches.pixels(demo, scenes)
        else:
            inputs, targets, soft = batches.packed(demo, rng, scenes, QUESTIONS[stage], alone=stage == "alone")
            mask = inputs["attention_mask"]
            inputs["attention_mask"] = torch.zeros(mask.shape, dtype=torch.bfloat16).masked_fill(~mask, -1e9)
        where = batches.grid(demo, inputs)
        picture = demo.model.model.get_image_features(
            **{name: inputs.pop(name) for name in ("pixel_values", "image_grid_thw") if name in inputs})
        losses = seen(demo, heads, picture.pooler_output, scenes, where)
        if stage != "look":
            losses = {name: 0.4 * (1 - share) * loss for name, loss in losses.items()}
            if stage == "alone":  # each picture once for every question on it
                picture.pooler_output = torch.stack(list(picture.pooler_output)).repeat_interleave(QUESTIONS[stage], 0)
            losses |= talked(demo, inputs, picture, targets, soft)
    total = sum(losses.values())
    total.backward()
    torch.nn.utils.clip_grad_norm_([*demo.model.parameters(), *heads.parameters()], 1.0)
    for optimiser, times in zip(optimisers, (MUON, 1.0)):
        for group in optimiser.param_groups:
            group["lr"] = times * rate(stage, share)
        optimiser.step()
        optimiser.zero_grad()
    return {name: float(loss.detach()) for name, loss in losses.items()}


def rate(stage: str, share: float) -> float:
    """A short warm-up in each stage, then a cosine down to nearly nothing at the stage's end."""
    begin, end = {"look": (0, LOOK), "talk": (LOOK, 1.0), "alone": (ALONE, 1.0)}[stage]
    here = (share - begin) / (end - begin)
    return RATE[stage] * min(1, here / 0.02 + 0.02) * (0.5 * (1 + math.cos(math.pi * here)) * 0.97 + 0.03)


def seen(demo: Demo, heads: Heads, tokens, scenes, shape) -> dict[str, torch.Tensor]:
    """How well the picture tokens, as the language model gets them, know what lies under them."""
    tokens = torch.stack(list(tokens))  # pictures × tokens × width; Qwen gives a list
    truth = batches.patches(demo, scenes, shape)
    thing, hues, kinds, boxes, joints = heads.flat(tokens).split(
        [1, len(batches.HUES), len(batches.KINDS), 4, 2 * len(JOINTS)], -1)
    on = truth["thing"]
    chosen = torch.randperm(int(on.sum()))[:384]
    sides = heads.sides(tokens[on][chosen]).view(-1, 4, WIDTH)
    table = demo.model.get_input_embeddings().weight[torch.as_tensor(demo.numbers)]
    logits = sides @ F.normalize(table, dim=-1).T * 8
    target = (truth["box"][on][chosen] * len(demo.numbers)).long().clamp(0, len(demo.numbers) - 1)
    people = truth["joints"][..., 0] >= 0
    limbs = (joints.sigmoid() - truth["joints"]).abs()[people]
    return dict(
        thing=F.binary_cross_entropy_with_logits(thing[..., 0].float(), on.float()),
        hue=F.cross_entropy(hues[on].float(), truth["colour"][on]),
        kind=F.cross_entropy(kinds[on].float(), truth["kind"][on]),
        box=4 * (boxes.sigmoid() - truth["box"]).abs()[on].float().mean(),
        sides=0.5 * _soft(logits.float().flatten(0, 1), target.flatten()),
        joints=4 * (limbs.float().mean() if len(limbs) else joints.float().sum() * 0))


def talked(demo: Demo, inputs: dict, picture, targets, soft) -> dict[str, torch.Tensor]:
    """The language loss on the answers, with soft coordinates."""
    hidden = demo.model.model(**inputs, mm_encoder_outputs={"image": picture}, use_cache=False).last_hidden_state
    learn = targets != batches.NEVER
    logits = demo.model.lm_head(hidden[learn]).float()
    target, soft = targets[learn], soft[learn]
    exact = F.cross_entropy(logits[~soft], target[~soft], reduction="sum")
    numbers = torch.as_tensor(demo.numbers)
    value = torch.full((logits.shape[1],), -1)
    value[numbers] = torch.arange(len(numbers))
    logp = logits[soft].log_softmax(-1)
    near = (value[target[soft]][:, None] + torch.arange(-6, 7)).clamp(0, len(numbers) - 1)
    places = -(logp.gather(1, numbers[near]) * (SPREAD / SPREAD.sum())).sum()
    return dict(words=exact / len(target), places=places / len(target))


def _optimisers(demo: Demo, heads: Heads) -> tuple[torch.optim.Optimizer, torch.optim.Optimizer]:
    """Muon for the matrices inside the layers, AdamW for embeddings, norms, biases and heads."""
    inner = [weight for name, weight in demo.model.named_parameters()
             if weight.ndim == 2 and (".layers." in name or ".blocks." in name)]
    known = {id(weight) for weight in inner}
    rest = [weight for weight in (*demo.model.parameters(), *heads.parameters()) if id(weight) not in known]
    return (torch.optim.Muon(inner, lr=0, weight_decay=0.03, adjust_lr_fn="match_rms_adamw"),
            torch.optim.AdamW(rest, lr=0, weight_decay=0.03, betas=(0.9, 0.98)))


def _soft(logits: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
    near = (target[:, None] + torch.arange(-6, 7)).clamp(0, logits.shape[1] - 1)
    return -(logits.log_softmax(-1).gather(1, near) * (SPREAD / SPREAD.sum())).sum(-1).mean()


def _keep(path: Path, demo: Demo, heads: Heads, optimisers, state: dict) -> None:
    """Whole or not at all: a kill in the middle leaves the last state."""
    part = path.with_suffix(".part")
    torch.save(dict(model=demo.model.state_dict(), heads=heads.state_dict(), state=state,
                    optimisers=[optimiser.state_dict() for optimiser in optimisers]), part)
    part.replace(path)
