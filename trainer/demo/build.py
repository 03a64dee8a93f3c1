"""Builds the two demo models untrained: their tokenizers, processors and configs, all of known families.

Nothing of them is special: a tokenizer with byte fallback (any label in any script can be written), the full 1024
location tokens or Qwen's JSON with numbers 0–1000, and the processor classes of the 3B models. Sizes are chosen so
that a checkpoint stays under 9 MB in bfloat16 and two CPU cores can train it.
"""
from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import torch
import transformers
from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, pre_tokenizers, trainers
from transformers import PreTrainedTokenizerFast

from app.backends.processors import image_text_processor, load_processor
from app.families import find, for_model_type
from trainer.demo import questions
from trainer.demo.scenes import scene

SIDE, PATCH, WIDTH = 192, 16, 192  # input pixels a side, pixels a patch, hidden size
CROSS, CORNERS = ((0, -1), (0, 1), (-1, 0), (1, 0)), ((-1, -1), (1, 1), (-1, 1), (1, -1))
NEIGHBOURS = (CROSS, CORNERS, CROSS, tuple((2 * row, 2 * column) for row, column in CROSS))  # of each vision layer
PIECES = r" ; $| ;|\d{1,4}| ?\p{L}+|\s+| ?[^\s\p{L}\d]+"
JSON_PIECES = ("```json\n[", "\n]\n```", '\n\t{"bbox_2d": [', '\n\t{"point_2d": [', '], "label": "', '"}', '"},', ", ",
               '", "keypoints": {"', '": [', '], "', "]}}", "]}},", "assistant",
               "Locate every instance that belongs to the following categories: '",
               "'. Report bbox coordinates in JSON format.", ", output its bbox coordinates using JSON format.",
               ", output its coordinates in JSON format.", " of each person, output the keypoints in JSON format.",
               " are there? Answer in JSON format.")
CHAT = (
    "{% for m in messages %}<|im_start|>{{ m['role'] }}\n{% if m['content'] is string %}{{ m['content'] }}"
    "{% else %}{% for c in m['content'] %}{% if c['type'] == 'image' %}<|vision_start|><|image_pad|><|vision_end|>"
    "{% elif c['type'] == 'text' %}{{ c['text'] }}{% endif %}{% endfor %}{% endif %}<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}")


@dataclass
class Demo:
    """A model under construction. `numbers[v]` is the token of coordinate v in the family's own scale."""
    family: object
    model: torch.nn.Module
    processor: object
    numbers: np.ndarray


def untrained(kind: str) -> Demo:
    """`tiny-paligemma` or `tiny-qwen3-vl` with fresh weights; the same ones every time."""
    torch.manual_seed(0)
    return {"tiny-paligemma": _paligemma, "tiny-qwen3-vl": _qwen3_vl}[kind]()


def loaded(folder: str) -> Demo:
    """A saved demo model, in float32 for training."""
    model = transformers.AutoModelForImageTextToText.from_pretrained(folder, dtype=torch.float32)
    family, processor = for_model_type(model.config.model_type), load_processor(folder)
    names = [f"<loc{v:04}>" for v in range(1024)] if family.name == "paligemma" else [str(v) for v in range(1001)]
    return Demo(family, model, processor, np.array(processor.tokenizer.convert_tokens_to_ids(names)))


def save(demo: Demo, folder: str) -> None:
    """The checkpoint as it ships: bfloat16 safetensors, processor and tokenizer."""
    demo.model.to(torch.bfloat16).save_pretrained(folder, max_shard_size="8500KB")
    demo.model.float()
    demo.processor.save_pretrained(folder)


def _paligemma() -> Demo:
    family = find("paligemma")
    locations = [f"<loc{v:04}>" for v in range(1024)]
    tokenizer = _tokenizer(family, ("<pad>", "<bos>", "<eos>"), ("<image>", *locations), (),
                           extra_special_tokens={"image_token": "<image>"})
    images = _class("SiglipImageProcessor")(size={"height": SIDE, "width": SIDE})
    images.image_seq_length = (SIDE // PATCH) ** 2
    processor = transformers.PaliGemmaProcessor(images, tokenizer)
    tokenizer = processor.tokenizer  # the class adds <seg000> to <seg127>
    ends = {f"{end}_token_id": getattr(tokenizer, f"{end}_token_id") for end in ("pad", "bos", "eos")}
    config = transformers.PaliGemmaConfig(
        text_config=dict(model_type="gemma", vocab_size=len(tokenizer), hidden_size=WIDTH, intermediate_size=512,
                         num_hidden_layers=5, num_attention_heads=4, num_key_value_heads=2, head_dim=48,
                         max_position_embeddings=1024, **ends),
        vision_config=dict(model_type="siglip_vision_model", hidden_size=WIDTH, intermediate_size=4 * WIDTH,
                           num_hidden_layers=6, num_attention_heads=4, image_size=SIDE, patch_size=PATCH,
                           projection_dim=WIDTH, vision_use_head=False),
        projection_dim=WIDTH, hidden_size=WIDTH, image_token_index=tokenizer.convert_tokens_to_ids("<image>"), **ends)
    model = transformers.PaliGemmaForConditionalGeneration(config)
    return _ordered(Demo(family, model, processor, np.array(tokenizer.convert_tokens_to_ids(locations))))


def _qwen3_vl() -> Demo:
    family = find("qwen3-vl")
    marks = ("<|im_start|>", "<|vision_start|>", "<|vision_end|>", "<|image_pad|>", "<|video_pad|>")
    tokenizer = _tokenizer(family, ("<|endoftext|>", "<|endoftext|>", "<|im_end|>"), marks, JSON_PIECES)
    images = _class("Qwen2VLImageProcessor")(
        patch_size=PATCH, merge_size=1, image_mean=[0.5] * 3, image_std=[0.5] * 3,
        size={"shortest_edge": (SIDE // 2) ** 2, "longest_edge": SIDE**2})
    processor = image_text_processor(transformers.Qwen3VLProcessor, image_processor=images, tokenizer=tokenizer,
                                     chat_template=CHAT)
    number = {mark: tokenizer.convert_tokens_to_ids(mark) for mark in marks}
    ends = dict(pad_token_id=tokenizer.pad_token_id, eos_token_id=tokenizer.eos_token_id)
    config = transformers.Qwen3VLConfig(
        text_config=dict(vocab_size=len(tokenizer), hidden_size=WIDTH, intermediate_size=512, num_hidden_layers=5,
                         num_attention_heads=4, num_key_value_heads=2, head_dim=48, max_position_embeddings=2048,
                         rope_parameters={"rope_type": "default", "mrope_section": [8, 8, 8], "rope_theta": 1e4},
                         **ends),
        vision_config=dict(depth=6, hidden_size=WIDTH, out_hidden_size=WIDTH, intermediate_size=4 * WIDTH, num_heads=4,
                           patch_size=PATCH, spatial_merge_size=1, num_position_embeddings=256,
                           deepstack_visual_indexes=[2]),
        image_token_id=number["<|image_pad|>"], video_token_id=number["<|video_pad|>"],
        vision_start_token_id=number["<|vision_start|>"], vision_end_token_id=number["<|vision_end|>"],
        tie_word_embeddings=True)
    model = transformers.Qwen3VLForConditionalGeneration(config)
    model.generation_config.eos_token_id = tokenizer.eos_token_id
    model.generation_config.pad_token_id = tokenizer.pad_token_id
    numbers = tokenizer.convert_tokens_to_ids([str(v) for v in range(1001)])
    return _ordered(Demo(family, model, processor, np.array(numbers)))


def _tokenizer(family, ends, special, pieces, **extra) -> PreTrainedTokenizerFast:
    """Byte-level BPE learnt on the questions and answers of the drawn world, so that its words are single tokens
    and any other text falls back to bytes. Numbers 0–1000 are single tokens where the family writes numbers."""
    pad, start, end = ends
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence([
        pre_tokenizers.Split(Regex(PIECES), "isolated"),
        pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)])
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(vocab_size=2400, min_frequency=2, show_progress=False,
                                  special_tokens=list(dict.fromkeys((pad, start, end))),
                                  initial_alphabet=pre_tokenizers.ByteLevel.alphabet())
    corpus = list(_corpus(family)) + [str(v) for v in range(1001) for _ in range(400)] * bool(pieces)
    tokenizer.train_from_iterator(corpus, trainer)
    tokenizer.add_special_tokens([AddedToken(mark, special=True, normalized=False) for mark in special])
    tokenizer.add_tokens([AddedToken(piece, special=False, normalized=False) for piece in pieces])
    return PreTrainedTokenizerFast(tokenizer_object=tokenizer, pad_token=pad, bos_token=start, eos_token=end,
                                   padding_side="left", **extra)


def _corpus(family):
    """Prompts and answers as the family writes them, of a few hundred scenes."""
    for index in range(400):
        rng = np.random.default_rng((7, index))
        drawn = scene(7, index, held_out=True)
        for task in questions.TASKS:
            question = questions.ask(rng, drawn, task, held_out=True)
            if question:
                yield family.question(question.request) + "\n"
                yield "\n" + answer(family, question, drawn.size)


def answer(family, question, size) -> str:
    """What a perfect model would write."""
    if question.request.task == "ask":
        return question.answer
    return family.format(question.truth, question.request, family.frame(size))


def _ordered(demo: Demo) -> Demo:
    """Start coordinates and picture positions as waves over their value: neighbours are near from the first step.
    With random positions the tower had not found out where its patches are after 400 steps (joints off by 0.2)."""
    with torch.no_grad():
        table = demo.model.get_input_embeddings().weight
        table[torch.as_tensor(demo.numbers)] = _waves(torch.linspace(0, 1, len(demo.numbers)), WIDTH, 96) * table.std()
        places = next(weight for name, weight in demo.model.named_parameters()
                      if name.endswith(("position_embedding.weight", "pos_embed.weight")))
        side = math.isqrt(len(places))
        along = _waves(torch.linspace(0, 1, side), WIDTH // 2, side)
        places.copy_(torch.cat([along.repeat_interleave(side, 0), along.repeat(side, 1)], 1))
        for layer, offsets in enumerate(NEIGHBOURS):
            _look_around(demo, layer, offsets)
    return demo


def _look_around(demo: Demo, layer: int, offsets) -> None:
    """Start each head of a vision layer as a look at one neighbour, like a convolution: rows down, columns right.
    After 200 steps the kinds were at 1.37 instead of 1.47, and twice as far after 50."""
    if demo.family.name == "paligemma":  # positions are part of the tokens: q is a wave turned by the offset
        block = demo.model.model.vision_tower.encoder.layers[layer]
        attention = block.self_attn
        attention.out_proj.weight *= 0.3  # as small as Qwen's start, or they drown the positions for later layers
        block.mlp.fc2.weight *= 0.3
        steps = torch.exp(torch.linspace(0, math.log(SIDE // PATCH), WIDTH // 4)) * math.pi / (SIDE // PATCH - 1)
        for head, offset in enumerate(offsets):
            query, key = 0.02 * torch.randn(2, WIDTH // 4, WIDTH)
            for axis, shift in enumerate(offset):
                for row, wave in enumerate(range(2, WIDTH // 4, 4)):
                    at, sine = 24 * axis + 2 * row, WIDTH // 2 * axis + wave
                    cosine, turn = sine + WIDTH // 4, steps[wave] * shift
                    key[at, sine] = key[at + 1, cosine] = 1.6
                    query[at, sine] = query[at + 1, cosine] = 1.6 * math.cos(turn)
                    query[at, cosine], query[at + 1, sine] = 1.6 * math.sin(turn), -1.6 * math.sin(turn)
            attention.q_proj.weight[48 * head:48 * head + 48] = query
            attention.k_proj.weight[48 * head:48 * head + 48] = key
        return
    bias = demo.model.model.visual.blocks[layer].attn.qkv.bias.view(3, 4, 48)  # positions turn q and k by themselves
    for head, offset in enumerate(offsets):
        for axis, shift in enumerate(offset):
            for wave in range(4):
                at, turn = 12 * axis + wave, 1e4 ** (-wave / 12) * shift
                bias[1, head, at] = 5.0
                bias[0, head, at], bias[0, head, at + 24] = 5.0 * math.cos(turn), 5.0 * math.sin(turn)


def _waves(value: torch.Tensor, width: int, fastest: float) -> torch.Tensor:
    """Sines and cosines of half a turn up to `fastest` half turns over 0 to 1: (values, width)."""
    rates = torch.exp(torch.linspace(0, math.log(fastest), width // 2))[None] * math.pi
    return torch.cat([torch.sin(value[:, None] * rates), torch.cos(value[:, None] * rates)], 1)


def _class(name: str):
    """The PIL form of an image processor where this transformers has one: it needs no torchvision."""
    return getattr(transformers, name + "Pil", None) or getattr(transformers, name)
