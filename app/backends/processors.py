"""Image-and-text processors: the ones of transformers without their video half, which needs torchvision.

transformers 5.23 cannot construct Qwen2-VL's, InternVL's and many other processors without torchvision, because each
holds a video processor, and torchvision has no build for many CPU machines. Boxloop asks about pictures only, so the
same processor classes are used with that half left out, with torchvision and without: one road, on every machine.
"""
from __future__ import annotations

import json
import sys
from functools import cache
from pathlib import Path

import transformers
from transformers import AutoConfig, AutoImageProcessor, AutoTokenizer, ProcessorMixin
from transformers.models.auto.processing_auto import PROCESSOR_MAPPING_NAMES

LEFT_OUT = ("video_processor", "feature_extractor", "audio_processor")
# They put the marks of a picture before the words themselves, and so take one picture with each text.
PLACES_PICTURES = ("Florence2Processor", "Kosmos2Processor")


def load_processor(source: str, **where):
    """The image+text processor of a checkpoint; `where` is what from_pretrained takes (revision, token, …)."""
    return image_text(_processor_class(source, where)).from_pretrained(source, **where)


def image_text_processor(processor_class: type, **parts):
    """Constructs a processor from image_processor=, tokenizer=, chat_template=, … without its video half."""
    for name in processor_class.get_attributes():
        if name in LEFT_OUT:
            parts.setdefault(name, None)
    return image_text(processor_class)(**parts)


def places_pictures(processor) -> bool:
    return type(processor).__name__ in PLACES_PICTURES


@cache
def image_text(processor_class: type) -> type:
    """The same class, under the same name (a checkpoint records it), with the parts of LEFT_OUT left out."""
    every = processor_class.get_attributes()
    kept = [name for name in every if name not in LEFT_OUT]
    if kept == every:
        return processor_class
    page = sys.modules[processor_class.__module__]
    if getattr(page, "num2words", str) is None:  # SmolVLM spells the number of a video's frames, and refuses without
        page.num2words = str
    return type(processor_class.__name__, (processor_class, _ImageText), {
        "__module__": processor_class.__module__, "every_attribute": every,
        "get_attributes": classmethod(lambda cls: list(kept)),
        # SmolVLM's own asks its video processor for a frame rate first.
        "apply_chat_template": ProcessorMixin.apply_chat_template})


class _ImageText(ProcessorMixin):
    """Stands between a processor class and ProcessorMixin, and drops what is left out on its way to the mixin."""
    every_attribute: list[str]

    def __init__(self, *args, **parts):
        parts |= zip(self.every_attribute, args, strict=False)
        super().__init__(**{name: part for name, part in parts.items() if name not in LEFT_OUT})

    @classmethod
    def _get_arguments_from_pretrained(cls, source, processor_dict=None, **where):
        where.pop("subfolder", None)
        load = {"image_processor": AutoImageProcessor, "tokenizer": AutoTokenizer}
        return [load[name].from_pretrained(source, **where) if name in load else None for name in cls.every_attribute]

    def save_pretrained(self, folder, **kwargs):
        """Also names the video processor that was left out: AutoProcessor on a machine with torchvision wants it."""
        super().save_pretrained(folder, **kwargs)
        written = Path(folder) / "processor_config.json"
        config = json.loads(written.read_text(encoding="utf-8"))
        config.setdefault("video_processor", {"video_processor_type": _video_name(type(self).__name__)})
        written.write_text(json.dumps(config, indent=2, sort_keys=True) + "\n", encoding="utf-8")


def _video_name(processor_name: str) -> str:
    """`Qwen3VLProcessor` → `Qwen3VLVideoProcessor`; those without one of their own (Qwen2.5-VL) use Qwen2-VL's."""
    own = processor_name.replace("Processor", "VideoProcessor")
    return own if own in dir(transformers) else "Qwen2VLVideoProcessor"


def _processor_class(source: str, where: dict) -> type:
    written, _ = ProcessorMixin.get_processor_dict(source, **where)
    name = written.get("processor_class")
    name = name or PROCESSOR_MAPPING_NAMES.get(AutoConfig.from_pretrained(source, **where).model_type)
    if name is None or not hasattr(transformers, name):
        raise ValueError(f"{source} names no processor that this transformers knows (processor_class: {name})")
    return getattr(transformers, name)
