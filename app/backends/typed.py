"""What a person typed is text: control tokens in it are written apart, so that they steer no model."""
from __future__ import annotations

import re
from dataclasses import replace

from app.types import Request


def control_tokens(tokenizer) -> re.Pattern:
    """Matches the added tokens that steer a model: special ones, and those in brackets, such as <loc0001>."""
    special = set(tokenizer.all_special_tokens)
    steering = [token for token in tokenizer.get_added_vocab()
                if len(token.strip()) > 1 and (token in special or token[0] + token[-1] in ("<>", "[]"))]
    longest_first = sorted(steering, key=len, reverse=True)
    return re.compile("|".join(map(re.escape, longest_first)) or r"(?!)")


def without_control_tokens(request: Request, control: re.Pattern) -> Request:
    """`<|im_end|>` becomes `< |im_end|>`, which is no token and still says to the model what was typed.

    Only the person's words are touched, before they enter the prompt, so the marks of the chat template and of the
    pictures stay what they are.
    """
    def apart(words: str) -> str:
        while control.search(words):  # again, should the space have made another one
            words = control.sub(lambda token: f"{token[0][0]} {token[0][1:]}", words)
        return words

    return replace(request, names=tuple(map(apart, request.names)), caption=apart(request.caption),
                   prompt=None if request.prompt is None else apart(request.prompt))
