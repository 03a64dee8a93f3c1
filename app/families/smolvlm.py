"""SmolVLM, SmolVLM2 and Idefics3: Qwen3-VL's JSON in thousandths, once they are tuned; before, they find nothing.

Their makers document no boxes, so there is no public answer to be held to. A picture is cut into square tiles with a
small copy of the whole, so the answer counts in the whole picture.
"""
from __future__ import annotations

from app.families.chat import Chat
from app.types import Pixels


class SmolVLM(Chat):
    name = "smolvlm"
    title = "SmolVLM2"
    aliases = ("smolvlm2",)
    model_types = ("smolvlm",)
    pixels = Pixels(fixed=(512, 512))  # 384 in the 2.2B; the backend asks the processor
    language_layers = r".*text_model.*\.(q|k|v|o|gate|up|down)_proj"


class Idefics3(SmolVLM):
    name = "idefics3"
    title = "Idefics3"
    model_types = ("idefics3",)
    aliases = ()
    pixels = Pixels(fixed=(364, 364))


FAMILIES = (SmolVLM(), Idefics3())
