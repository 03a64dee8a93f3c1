"""Samples a second, memory and model FLOPs utilisation of LoRA training: ours, the cookbook recipe's, plain TRL's.

On a GPU with PaliGemma2-3B at 448 pixels and Qwen2.5-VL-3B, built from their configs with random weights: nothing is
downloaded, and the arithmetic is that of the real ones. Without a GPU the same code runs at toy size: its ratios say
that everything works, its utilisation says nothing. Each way has a process of its own, so that its memory is its own.

    boxloop    LoRA of rank 16 on the language layers, pictures seen once before, no gradient checkpointing
    unkept     the same, the tower looking at each picture each time
    recipe     rank 8 on q, v, fc1, fc2, linear, gate, up, down of tower, projector and language; 2 samples at a time
    trl        rank 16 on every linear layer, TRL's default settings (gradient checkpointing)
"""
from __future__ import annotations

import json
import resource
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass

UPDATES, WARM = 6, 2  # that are timed, and before them
RECIPE = r".*\.(q_proj|v_proj|fc1|fc2|linear|gate_proj|up_proj|down_proj)"
LANGUAGE = r".*language_model.*\.(q|k|v|o|gate|up|down)_proj"
WAYS = {"boxloop": (LANGUAGE, 16, False), "unkept": (LANGUAGE, 16, False), "recipe": (RECIPE, 8, False),
        "trl": ("all-linear", 16, True)}
PEAKS = {"H200": 989e12, "H100": 989e12, "A100": 312e12, "L40S": 362e12, "A10G": 125e12, "L4": 121e12}  # dense bfloat16


@dataclass(frozen=True)
class Size:
    """Of a model and its rows. `grid`: patches of a picture, rows and columns."""
    width: int
    middle: int
    layers: int
    heads: int
    groups: int
    head: int
    words: int
    seeing: int
    seeing_middle: int
    seeing_layers: int
    seeing_heads: int
    grid: tuple[int, int]
    batch: int


FULL = {"paligemma2-3b-448": Size(2304, 9216, 26, 8, 4, 256, 257216, 1152, 4304, 27, 16, (32, 32), 16),
        "qwen2.5-vl-3b": Size(2048, 11008, 36, 16, 2, 128, 151936, 1280, 3420, 32, 16, (48, 86), 16)}
TOY = {"paligemma2-3b-448": Size(64, 256, 3, 4, 2, 16, 3000, 48, 128, 3, 4, (8, 8), 8),
       "qwen2.5-vl-3b": Size(64, 256, 3, 4, 2, 16, 3000, 48, 128, 4, 4, (8, 12), 8)}


def run() -> dict:
    import torch
    found: dict = {"device": torch.cuda.get_device_name(0) if torch.cuda.is_available() else
                   f"CPU, {torch.get_num_threads()} threads, toy sizes", "models": {}}
    for name in FULL:
        told = {way: _apart(name, way) for way in WAYS}
        for way in told:
            told[way]["times_the_recipe"] = round(told[way]["samples_a_second"] / told["recipe"]["samples_a_second"], 2)
        found["models"][name] = told
    return found


def _apart(name: str, way: str) -> dict:
    done = subprocess.run([sys.executable, "-m", "benchmarks.train", name, way], capture_output=True, text=True)
    if done.returncode:
        raise RuntimeError(f"{name}, {way}: {done.stderr.strip().splitlines()[-1]}")
    return json.loads(done.stdout.strip().splitlines()[-1])


def measured(name: str, way: str) -> dict:
    import torch
    cuda = torch.cuda.is_available()
    size = (FULL if cuda else TOY)[name]
    torch.manual_seed(0)
    torch.set_default_dtype(torch.bfloat16 if cuda else torch.float32)
    with torch.device("cuda" if cuda else "cpu"):
        model = (_paligemma if name.startswith("paligemma") else _qwen)(size)
    torch.set_default_dtype(torch.float32)
    batch = _batch(model, size, name)
    if way == "boxloop":
        batch = _seen_once(model, batch)
    took, memory = _trained(model, batch, size, way, cuda)
    rate = size.batch / took
    flops = _flops(model, size, way, batch["input_ids"].shape[1])
    peak = next((value for key, value in PEAKS.items() if cuda and key in torch.cuda.get_device_name(0)), None)
    return {"samples_a_second": round(rate, 3), "memory_gb": round(memory / 1e9, 2),
            "tflop_a_sample": round(flops / 1e12, 5), "mfu": None if peak is None else round(flops * rate / peak, 3),
            "tokens": batch["input_ids"].shape[1], "batch": size.batch}


def _trained(model, batch: dict, size: Size, way: str, cuda: bool) -> tuple[float, int]:
    """Seconds of an update at the median, and the most memory."""
    import statistics

    import peft
    import torch
    from datasets import Dataset
    from transformers import TrainerCallback
    from trl import SFTConfig, SFTTrainer

    from app.backends.processors import load_processor
    from app.catalogue import SHIPPED

    times: list[float] = []

    class Clock(TrainerCallback):
        def on_step_begin(self, *_, **__):
            self.began = time.perf_counter()

        def on_step_end(self, *_, **__):
            if cuda:
                torch.cuda.synchronize()
            times.append(time.perf_counter() - self.began)

    layers, rank, checkpointing = WAYS[way]
    micro = 2 if way == "recipe" else size.batch
    part = {key: value[:len(value) * micro // size.batch] for key, value in batch.items()
            if key != "mm_encoder_outputs"}

    def collate(_):
        if "mm_encoder_outputs" not in batch:
            return dict(part)
        return part | {"mm_encoder_outputs": {"image": batch["mm_encoder_outputs"]}}
    with tempfile.TemporaryDirectory() as folder:
        settings = SFTConfig(
            output_dir=folder, max_steps=WARM + UPDATES, per_device_train_batch_size=micro,
            gradient_accumulation_steps=size.batch // micro, gradient_checkpointing=checkpointing, max_length=None,
            dataset_kwargs={"skip_prepare_dataset": True}, remove_unused_columns=False, report_to="none", bf16=cuda,
            use_cpu=not cuda, save_strategy="no", logging_steps=1000, disable_tqdm=True, dataloader_pin_memory=False)
        tuned = peft.get_peft_model(model, peft.LoraConfig(r=rank, lora_alpha=2 * rank, target_modules=layers,
                                                           exclude_modules="lm_head"))
        if checkpointing:
            tuned.enable_input_require_grads()
        words = load_processor(str(SHIPPED / "tiny-paligemma"))  # TRL wants one; the rows here need none
        rows = Dataset.from_dict({"row": list(range((WARM + UPDATES) * size.batch))})
        SFTTrainer(model=tuned, args=settings, train_dataset=rows, data_collator=collate, processing_class=words,
                   callbacks=[Clock()]).train()
    memory = torch.cuda.max_memory_allocated() if cuda else resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    return statistics.median(times[WARM:]), memory


def _batch(model, size: Size, name: str) -> dict:
    """Rows of one picture, a question of a few words and an answer of one box; on the CPU, as a collator gives them."""
    import torch
    rows, columns = size.grid
    pictures = rows * columns // (1 if name.startswith("paligemma") else 4)
    answer, words = (5, 12) if name.startswith("paligemma") else (30, 29)
    image = model.config.image_token_id
    ids = torch.randint(10, 100, (size.batch, pictures + words + answer))
    ids[:, 1:1 + pictures] = image
    labels = torch.full_like(ids, -100)
    labels[:, -answer:] = ids[:, -answer:]
    batch = {"input_ids": ids, "labels": labels, "attention_mask": torch.ones_like(ids)}
    if name.startswith("paligemma"):
        kinds = torch.zeros_like(ids)
        kinds[:, -answer:] = 1
        side = model.config.vision_config.image_size
        return batch | {"token_type_ids": kinds, "pixel_values": torch.randn(size.batch, 3, side, side)}
    return batch | {"mm_token_type_ids": (ids == image).int(),
                    "image_grid_thw": torch.tensor([[1, rows, columns]] * size.batch),
                    "pixel_values": torch.randn(size.batch * rows * columns, 3 * 2 * 14 * 14)}


def _seen_once(model, batch: dict) -> dict:
    import torch
    pixels = batch["pixel_values"].to(model.device, model.dtype)
    more = {"image_grid_thw": batch["image_grid_thw"].to(model.device)} if "image_grid_thw" in batch else {}
    with torch.no_grad():
        seen = model.model.get_image_features(pixel_values=pixels, **more, return_dict=True)
    return {name: value for name, value in batch.items() if name != "pixel_values"} | {"mm_encoder_outputs": seen}


def _flops(model, size: Size, way: str, tokens: int) -> float:
    """What the arithmetic of one row needs: forward, and back through frozen weights (no gradients of their own)."""
    def weights(word: str) -> int:
        return sum(weight.numel() for name, weight in model.named_parameters()
                   if word in name and weight.dim() >= 2 and "embed" not in name and "lora" not in name)
    patches = size.grid[0] * size.grid[1]
    language = 2 * weights("language_model") * tokens + 4 * tokens**2 * size.heads * size.head * size.layers
    seeing = 2 * (weights("vision_tower") + weights("visual")) * patches + 4 * patches**2 * size.seeing * (
        size.seeing_layers if weights("vision_tower") else size.seeing_layers // 8)  # Qwen's others look at windows
    looks = {"boxloop": 0, "unkept": 1}.get(way, 2)
    return 2 * language + looks * seeing


def _paligemma(size: Size):
    from transformers import PaliGemmaConfig, PaliGemmaForConditionalGeneration
    config = PaliGemmaConfig(
        vision_config=dict(model_type="siglip_vision_model", hidden_size=size.seeing, vision_use_head=False,
                           intermediate_size=size.seeing_middle, num_hidden_layers=size.seeing_layers,
                           num_attention_heads=size.seeing_heads, image_size=14 * size.grid[0], patch_size=14,
                           projection_dim=size.width),
        text_config=dict(model_type="gemma2", hidden_size=size.width, intermediate_size=size.middle,
                         num_hidden_layers=size.layers, num_attention_heads=size.heads,
                         num_key_value_heads=size.groups, head_dim=size.head, vocab_size=size.words),
        image_token_index=size.words - 1, vocab_size=size.words, projection_dim=size.width, hidden_size=size.width)
    return PaliGemmaForConditionalGeneration(config)


def _qwen(size: Size):
    from transformers import Qwen2_5_VLConfig, Qwen2_5_VLForConditionalGeneration
    sections = [size.head // 8, 3 * size.head // 16, 3 * size.head // 16]
    config = Qwen2_5_VLConfig(
        text_config=dict(hidden_size=size.width, intermediate_size=size.middle, num_hidden_layers=size.layers,
                         num_attention_heads=size.heads, num_key_value_heads=size.groups, vocab_size=size.words,
                         rope_parameters={"rope_type": "default", "rope_theta": 1e6, "mrope_section": sections}),
        vision_config=dict(depth=size.seeing_layers, hidden_size=size.seeing, intermediate_size=size.seeing_middle,
                           out_hidden_size=size.width, num_heads=size.seeing_heads, patch_size=14,
                           fullatt_block_indexes=list(range(7, size.seeing_layers, 8)) or [size.seeing_layers - 1]),
        tie_word_embeddings=True, image_token_id=size.words - 1, video_token_id=size.words - 2,
        vision_start_token_id=size.words - 3, vision_end_token_id=size.words - 4)
    return Qwen2_5_VLForConditionalGeneration(config)


if __name__ == "__main__":
    print(json.dumps(measured(*sys.argv[1:3])))
