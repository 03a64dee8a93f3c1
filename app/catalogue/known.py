"""Well-known models of the Hub. Their commit is fixed when they are downloaded."""
from __future__ import annotations

from app.types import ModelSpec


def _hub(source: str, family: str, download_gb: float, gpu_gb: float, backend: str = "local", **needs) -> ModelSpec:
    return ModelSpec(id=source, family=family, backend=backend, source=source, revision="main",
                     title=source.split("/")[1], needs={"download_gb": download_gb, "gpu_gb": gpu_gb, **needs})


# Sizes follow from parameters: two bytes each for the language models, four for the detectors. On the GPU the answer's
# cache and the picture come on top.
HUB = (
    _hub("google/paligemma2-3b-mix-448", "paligemma", 6.1, 8,
         token="accept the licence at https://huggingface.co/google/paligemma2-3b-mix-448 and set HF_TOKEN"),
    _hub("Qwen/Qwen2.5-VL-3B-Instruct", "qwen2.5-vl", 7.5, 10),
    _hub("Qwen/Qwen3-VL-4B-Instruct", "qwen3-vl", 8.9, 12),
    _hub("IDEA-Research/grounding-dino-tiny", "grounding-dino", 0.7, 2, "detector"),
    _hub("openmmlab-community/mm_grounding_dino_tiny_o365v1_goldg_v3det", "grounding-dino", 0.7, 2, "detector"),
    _hub("google/owlv2-base-patch16-ensemble", "owlv2", 0.6, 2, "detector"),
    _hub("omlab/omdet-turbo-swin-tiny-hf", "omdet-turbo", 0.5, 2, "detector"),
    _hub("usyd-community/vitpose-base-simple", "vitpose", 1.1, 3, "detector",
         detector="IDEA-Research/grounding-dino-tiny"),
)
