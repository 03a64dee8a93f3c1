"""Packs many questions about one picture into one sequence: the picture is read once, each question sees only itself.

`[picture][question 1 → answer 1][question 2 → answer 2]…` with every question starting at the same position, right
after the picture. For a causal model this is exactly what it computes question by question (a test compares both).
PaliGemma's picture also looks at the question, so its last stage trains one question at a time, `alone=True`.
"""
from __future__ import annotations

import numpy as np
import torch

from trainer.demo import questions
from trainer.demo.build import PATCH, SIDE, Demo, answer
from trainer.demo.scenes import COLOURS, JOINTS, SHAPES, Scene, random_size, scene

NEVER = -100
KINDS = (*SHAPES, "person")
HUES = (*COLOURS, None)


def draw(rng, count: int, seed: int, start: int, sketch: bool = False) -> list[Scene]:
    """`count` training scenes of one size, so that their grids are equal."""
    size = random_size(rng)
    return [scene(seed, start + k, held_out=False, sketch=sketch, size=size) for k in range(count)]


def pixels(demo: Demo, scenes: list[Scene]) -> dict:
    return dict(demo.processor.image_processor(images=[s.picture for s in scenes], return_tensors="pt"))


def grid(demo: Demo, inputs: dict) -> tuple[int, int]:
    """Rows and columns of picture tokens."""
    if "image_grid_thw" in inputs:
        return tuple(int(v) for v in inputs["image_grid_thw"][0, 1:])
    return SIDE // PATCH, SIDE // PATCH


def packed(demo: Demo, rng, scenes: list[Scene], per_scene: int, alone: bool = False):
    """`per_scene` questions on each picture: inputs of the model's own forward, the token to predict at each position
    (NEVER where there is none), and which of those are coordinates, where a near miss is near.
    `alone`: a sequence for each question, so `per_scene` as many rows as there are pixels."""
    inputs = pixels(demo, scenes)
    head = _head(demo, int(np.prod(grid(demo, inputs))))
    asked = [(drawn, _questions(rng, drawn, per_scene)) for drawn in scenes]
    if alone:
        asked = [(drawn, [question]) for drawn, questions in asked for question in questions]
    rows = [_row(demo, head, questions, drawn.size, alone) for drawn, questions in asked]
    length = max(len(row["tokens"]) for row in rows)
    pad = demo.processor.tokenizer.pad_token_id
    tokens = _stack(rows, "tokens", length, pad)
    segment = _stack(rows, "segment", length, -1)
    prompt = _stack(rows, "prompt", length, 0).bool()
    inputs |= dict(input_ids=tokens, attention_mask=_mask(segment, prompt, demo.family.name == "paligemma"),
                   position_ids=_positions(demo, tokens, segment, len(head), inputs))
    return inputs, _stack(rows, "targets", length, NEVER), _stack(rows, "soft", length, 0).bool()


def patches(demo: Demo, scenes: list[Scene], shape: tuple[int, int]) -> dict[str, torch.Tensor]:
    """For the warm-up: which object each picture token lies on, its colour, kind, box and joints (0 to 1)."""
    rows, columns = shape
    x1, y1 = np.meshgrid(np.arange(columns) / columns, np.arange(rows) / rows)
    cells = np.stack([x1, y1, x1 + 1 / columns, y1 + 1 / rows], -1).reshape(-1, 4)
    out = dict(thing=np.zeros((len(scenes), len(cells)), bool), colour=np.zeros((len(scenes), len(cells)), int),
               kind=np.zeros((len(scenes), len(cells)), int), box=np.zeros((len(scenes), len(cells), 4), np.float32),
               joints=np.full((len(scenes), len(cells), 2 * len(JOINTS)), -1, np.float32))
    for row, drawn in enumerate(scenes):
        best = np.full(len(cells), 0.25)
        for thing in drawn.things:
            box = np.array(thing.box) / np.tile(drawn.size, 2)
            overlap = np.prod((np.minimum(cells[:, 2:], box[2:]) - np.maximum(cells[:, :2], box[:2])).clip(0), 1)
            share = overlap / min(np.prod(box[2:] - box[:2]), 1 / len(cells))
            on = share >= best
            best[on] = share[on]
            out["thing"][row, on] = True
            out["colour"][row, on], out["kind"][row, on] = HUES.index(thing.colour), KINDS.index(thing.shape)
            out["box"][row, on] = box
            joints = (np.array(thing.joints) / drawn.size).ravel() if thing.joints else -1
            out["joints"][row, on] = joints
    return {name: torch.from_numpy(values) for name, values in out.items()}


def _questions(rng, drawn: Scene, count: int):
    """Mostly detecting and grounding; keypoints where somebody stands, and sometimes where nobody does."""
    found = []
    people = any(thing.shape == "person" for thing in drawn.things)
    while len(found) < count:
        task = str(rng.choice(questions.TASKS, p=(0.32, 0.28, 0.1, 0.14, 0.1, 0.06)))
        if task == "keypoints" and not people and rng.random() < 0.75:
            continue
        question = questions.ask(rng, drawn, task, held_out=False)
        if question:
            found.append(question)
    return found


def _head(demo: Demo, picture_tokens: int) -> list[int]:
    tokenizer = demo.processor.tokenizer
    if demo.family.name == "paligemma":
        return [demo.processor.image_token_id] * picture_tokens + [tokenizer.bos_token_id]
    head, _ = _chat(demo, "")
    return tokenizer(head.replace("<|image_pad|>", "<|image_pad|>" * picture_tokens)).input_ids


def _tail(demo: Demo, request) -> str:
    if demo.family.name == "paligemma":
        return demo.family.prompt(request) + "\n"
    return _chat(demo, demo.family.prompt(request))[1]


def _chat(demo: Demo, prompt: str) -> tuple[str, str]:
    """What comes up to the picture's end, and what follows it."""
    content = [{"type": "image"}, {"type": "text", "text": prompt}]
    text = demo.processor.tokenizer.apply_chat_template(
        [{"role": "user", "content": content}], chat_template=demo.processor.chat_template, tokenize=False,
        add_generation_prompt=True)
    head, mark, tail = text.partition("<|vision_end|>")
    return head + mark, tail


def _row(demo: Demo, head: list[int], asked, size, alone: bool) -> dict[str, list]:
    """One picture's tokens with, for each, its segment (0 the picture), whether it is prompt, and its target."""
    tokenizer, numbers = demo.processor.tokenizer, set(demo.numbers.tolist())
    row = dict(tokens=list(head), segment=[0] * len(head), prompt=[1] * len(head), targets=[NEVER] * len(head),
               soft=[0] * len(head))
    for index, question in enumerate(asked):
        before = tokenizer(_tail(demo, question.request), add_special_tokens=False).input_ids
        after = tokenizer(answer(demo.family, question, size), add_special_tokens=False).input_ids
        after.append(tokenizer.eos_token_id)
        places = question.request.task not in ("count", "ask")
        row["tokens"] += before + after
        row["segment"] += [0 if alone else index + 1] * (len(before) + len(after))
        row["prompt"] += [1] * len(before) + [0] * len(after)
        row["targets"] += [NEVER] * (len(before) - 1) + after + [NEVER]
        row["soft"] += [0] * (len(before) - 1) + [int(places and token in numbers) for token in after] + [0]
    return row


def _stack(rows, name: str, length: int, fill) -> torch.Tensor:
    return torch.tensor([row[name] + [fill] * (length - len(row[name])) for row in rows])


def _mask(segment: torch.Tensor, prompt: torch.Tensor, both_ways: bool) -> torch.Tensor:
    """True where a token (row) may look at another (column): the picture, and what came before in its own question.
    `both_ways`: prompt tokens of one segment also see what follows them (PaliGemma's prefix)."""
    length = segment.shape[1]
    same = segment[:, :, None] == segment[:, None, :]
    earlier = torch.ones(length, length, dtype=torch.bool).tril()
    allowed = earlier & (same | (segment == 0)[:, None, :])
    if both_ways:
        allowed = allowed | (same & prompt[:, :, None] & prompt[:, None, :])
    return allowed[:, None]


def _positions(demo: Demo, tokens, segment, head: int, inputs: dict) -> torch.Tensor:
    """Each question starts where the picture ends; Qwen's picture has rows and columns of its own."""
    length = tokens.shape[1]
    since = torch.arange(length).repeat(len(tokens), 1)
    for row in range(len(tokens)):
        for index in range(1, int(segment[row].max()) + 1):
            here = segment[row] == index
            since[row, here] = head + torch.arange(int(here.sum()))
    if demo.family.name == "paligemma":
        return since + 1  # its positions start at 1
    kinds = (tokens[:1, :head] == demo.model.config.image_token_id).int()
    picture, _ = demo.model.model.get_rope_index(tokens[:1, :head], kinds, inputs["image_grid_thw"][:1])
    positions = (since - head + int(picture.max()) + 1)[None].repeat(3, 1, 1)
    positions[:, :, :head] = picture
    return positions
