"""Gemma 3: PaliGemma's `<loc0046><loc0538><loc0795><loc1022> cat`, once it is tuned; before, it finds nothing.

Its makers document no boxes, and its tokenizer has no `<loc…>` tokens: each is written in several pieces, which works
(https://github.com/ariG23498/gemma3-object-detection, issue 38). There is no public answer to be held to; a tuned
model writes what PaliGemma writes.
"""
from __future__ import annotations

from app.families.paligemma import PaliGemma
from app.types import Pixels, Request


class Gemma3(PaliGemma):
    name = "gemma-3"
    title = "Gemma 3"
    aliases = ()
    model_types = ("gemma3",)
    pixels = Pixels(fixed=(896, 896))
    example = None

    def question(self, request: Request) -> str:
        """PaliGemma's, without its prefix for questions: this one talks."""
        return super().question(request).removeprefix("answer en ")


FAMILY = Gemma3()
