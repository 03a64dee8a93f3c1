"""The demo models are trained on the very tokens that the backend will ask them with; anything else costs accuracy."""
from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from app import pictures
from app.backends import local
from app.backends.typed import without_control_tokens
from app.types import Generation, ModelSpec
from trainer.demo import batches, questions
from trainer.demo.build import save, untrained
from trainer.demo.scenes import scene


@pytest.mark.parametrize("kind", ["tiny-paligemma", "tiny-qwen3-vl"])
def test_training_and_serving_write_the_same_prompt(kind, tmp_path):
    demo = untrained(kind)
    save(demo, str(tmp_path / kind))
    model = local.load(ModelSpec(kind, demo.family.name, "local", str(tmp_path / kind)))
    tokenizer, compared = demo.processor.tokenizer, 0
    for index in range(3):
        drawn = scene(1, index, held_out=False)
        drawn.picture.save(tmp_path / "scene.png")
        image = pictures.read(tmp_path / "scene.png")
        for task in ("detect", "ground", "keypoints", "count"):
            question = questions.ask(np.random.default_rng(index), drawn, task, held_out=False)
            if question is None:
                continue
            request = replace(question.request, images=(image,))
            assert without_control_tokens(request, model.control) == request
            served = model.inputs(request, [pictures.pixels(image)], Generation())["input_ids"][0].tolist()
            head = batches._head(demo, served.count(demo.processor.image_token_id))
            tail = tokenizer(batches._tail(demo, question.request), add_special_tokens=False).input_ids
            assert served == head + tail
            compared += 1
    assert compared >= 6
