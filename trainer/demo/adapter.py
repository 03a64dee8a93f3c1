"""Tunes a demo model on sketches with LoRA: the adapter that ships beside its base.

The tower is tuned too: what the base cannot do is see pencil, and that is not in the language layers.
"""
from __future__ import annotations

import json
import math
import time
from pathlib import Path

import numpy as np
import peft
import torch

from trainer.demo import batches
from trainer.demo.build import loaded
from trainer.demo.train import talked

SEED = 23  # of the sketches; measurements use others
SCENES, QUESTIONS, RATE, RANK = 8, 3, 1.5e-3, 16
PLAIN = 0.15  # share of batches with coloured scenes, so that they are not forgotten
LAYERS = (r".*(language_model|vision_tower|visual)\..*layers.*\."
          r"(q_proj|k_proj|v_proj|o_proj|out_proj|gate_proj|up_proj|down_proj|fc1|fc2)")


def tune(base: Path, folder: Path, minutes: float, threads: int) -> None:
    """`minutes` of LoRA on sketches; writes a PEFT adapter that names its base by its folder's name."""
    torch.set_num_threads(threads)
    torch.manual_seed(0)
    demo = loaded(str(base))
    demo.model.add_adapter(peft.LoraConfig(r=RANK, lora_alpha=2 * RANK, target_modules=LAYERS))
    learnt = [p for p in demo.model.parameters() if p.requires_grad]
    print(f"{sum(p.numel() for p in learnt):,} weights are tuned", flush=True)
    optimiser = torch.optim.AdamW(learnt, lr=0, weight_decay=0.0)
    demo.model.train()
    started, steps = time.monotonic(), 0
    while (share := (time.monotonic() - started) / (60 * minutes)) < 1:
        rng = np.random.default_rng((SEED, steps))
        scenes = batches.draw(rng, SCENES, SEED, steps * SCENES, sketch=rng.random() > PLAIN)
        with torch.autocast("cpu", torch.bfloat16):
            inputs, targets, soft = batches.packed(demo, rng, scenes, QUESTIONS, alone=True)
            picture = demo.model.model.get_image_features(
                **{name: inputs.pop(name) for name in ("pixel_values", "image_grid_thw") if name in inputs})
            picture.pooler_output = torch.stack(list(picture.pooler_output)).repeat_interleave(QUESTIONS, 0)
            losses = talked(demo, inputs, picture, targets, soft)
        sum(losses.values()).backward()
        torch.nn.utils.clip_grad_norm_(learnt, 1.0)
        for group in optimiser.param_groups:
            group["lr"] = RATE * min(1, steps / 20) * (0.5 * (1 + math.cos(math.pi * share)) * 0.97 + 0.03)
        optimiser.step()
        optimiser.zero_grad()
        steps += 1
        if steps % 20 == 0:
            print(steps, round(share, 3), {name: round(float(loss), 3) for name, loss in losses.items()}, flush=True)
    demo.model.save_pretrained(folder)
    _name_base(folder, base.name)


def _name_base(folder: Path, name: str) -> None:
    """By its name, not by the path it had on this machine."""
    written = folder / "adapter_config.json"
    config = json.loads(written.read_text(encoding="utf-8"))
    config["base_model_name_or_path"] = name
    written.write_text(json.dumps(config, indent=2, sort_keys=True) + "\n", encoding="utf-8")
