"""What a person typed is text: control tokens in it are written apart, so that they steer no model."""
from __future__ import annotations

import re
from dataclasses import replace

from app.families import Family
from app.types import Request

# A server's tokens are not known here; these are how the families of today spell those that steer.
REMOTE_CONTROL = re.compile(r"<\|[^|<>\s]{1,40}\|>|<[｜|][^<>]{1,40}[｜|]>|</?(?:s|bos|eos|pad|image|img|IMG_CONTEXT|"
                            r"image_soft_token|start_of_image|end_of_image|start_of_turn|end_of_turn)>|"
                            r"<(?:loc|seg)\d{3,4}>|\[/?INST\]", re.IGNORECASE)


def control_tokens(tokenizer) -> re.Pattern:
    """Matches the added tokens that steer a model: special ones, and those in brackets, such as <loc0001>."""
    special = set(tokenizer.all_special_tokens)
    steering = [token for token in tokenizer.get_added_vocab()
                if len(token.strip()) > 1 and (token in special or token[0] + token[-1] in ("<>", "[]"))]
    longest_first = sorted(steering, key=len, reverse=True)
    return re.compile("|".join(map(re.escape, longest_first)) or r"(?!)")


def own_tags(family: Family, control: re.Pattern) -> frozenset[str]:
    """The control tokens in a family's own wordings, such as Kosmos-2's <grounding>: an edited prompt keeps them."""
    asked = (Request((), task, names=("x",), caption="x") for task in family.tasks)
    return frozenset(tag for request in asked for tag in control.findall(family.question(request)))


def without_control_tokens(request: Request, control: re.Pattern, own: frozenset[str] = frozenset()) -> Request:
    """`<|im_end|>` becomes `< |im_end|>`, which is no token and still says to the model what was typed.

    Only the person's words are touched, before they enter the prompt, so the marks of the chat template and of the
    pictures stay what they are. An edited prompt keeps the tags of `own`.
    """
    def apart(words: str, kept: frozenset[str] = frozenset()) -> str:
        before = ""
        while words != before:  # again, should the space have made another one
            before = words
            words = control.sub(lambda tag: tag[0] if tag[0] in kept else f"{tag[0][0]} {tag[0][1:]}", words)
        return words

    return replace(request, names=tuple(map(apart, request.names)), caption=apart(request.caption),
                   prompt=None if request.prompt is None else apart(request.prompt, own))
