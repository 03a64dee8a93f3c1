"""What is the same around the places in anybody's answer: thoughts, `<answer>`, a refusal, "there are none", the end.

A family hands its readers to `parse`; the first that finds its own syntax in the text reads the places.
"""
from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, replace

from app.families.reading import Reading
from app.families.words import denied, refused
from app.types import Parsed, Request

# VLM-R1's wording, which GRPO's format reward expects.
THINK = (" First output the thinking process in <think> </think> tags and then output the final answer in "
         "<answer> </answer> tags.")
# Gemma 4 has a channel for its thoughts, and opens it unasked at times.
THOUGHTS = (("<think>", "</think>"), ("<|channel>thought", "<channel|>"))
OPENING = "```json\n["
ENDING = re.compile(r"<\|(?:im_end|endoftext|eot_id|end|user|observation)\|>|</?s>|<｜end▁of▁sentence｜>|"
                    r"<(?:eos|pad|end_of_turn|end_of_utterance)>|<turn\|>")
# "<|box_st" while the rest is to come. A tag is short, and a `<` before a space or a digit is a comparison.
HALF_TAG = re.compile(r"<(?:[/|｜a-zA-Z][^<>\s]{0,40})?$")
TYPED_TAG = re.compile(r"<(?=[/|｜]?[\w▁]+[/|｜]?>)")


@dataclass(frozen=True)
class Found:
    """What a reader saw beside the places it added. `status` is set where it knows the status already."""
    cut: bool = False  # the text ends inside a place
    nothing: bool = False  # it says that nothing is there: an empty list, a null box
    status: str | None = None


Reader = Callable[[str, Reading], Found | None]  # None: its syntax is not in this text


def parse(text: str, reading: Reading, *readers: Reader) -> Parsed:
    """Reads an answer. The last reader always answers. Never raises; a megabyte is a matter of a second."""
    request = reading.request
    start, end, thinking = answer_part(text, request.think)
    said = text[start:end]
    if request.task == "ask":
        return reading.parsed("ok" if said.strip() else "truncated" if thinking else "empty")
    if thinking:
        reading.problem("the answer ends while the model is still thinking")
        return reading.parsed("truncated")
    reading.offset = start
    said = reading.short(said)
    found = next(found for reader in readers if (found := reader(said, reading)) is not None)
    if found.status:
        return reading.parsed(found.status)
    if found.cut:
        reading.problem("the answer ends in the middle of an object")
        return reading.parsed("truncated")
    return reading.parsed(_status(said, found.nothing, reading))


def answer_part(text: str, think: bool) -> tuple[int, int, bool]:
    """Where the answer stands in the text: after the thoughts, inside `<answer>`; and whether it is still thinking."""
    start, end = 0, len(text)
    closed = max(((text.rfind(tag), tag) for _, tag in THOUGHTS), key=lambda found: found[0])
    if closed[0] >= 0:
        start = closed[0] + len(closed[1])
    opened = text.find("<answer>", start)
    if closed[0] < 0 and opened < 0 and (think or text.lstrip().startswith(tuple(tag for tag, _ in THOUGHTS))):
        return start, end, True
    if opened >= 0:
        start = opened + len("<answer>")
        over = text.find("</answer>", start)
        end = over if over >= 0 else end
    return start, end, False


def apart(text: str) -> str:
    """`<image>` or `<loc0001>` in somebody's words, as `< image>`: a tokenizer would take it for the token itself."""
    return TYPED_TAG.sub("< ", text)


def tagless(request: Request) -> Request:
    """The request with its own words `apart`: they must not end the conversation, nor begin an answer."""
    return replace(request, names=tuple(map(apart, request.names)), caption=apart(request.caption))


def plain_label(label: str) -> str:
    """A label as it can stand between tags: on one line, with nothing in it that could be a tag."""
    return " ".join(re.sub(r"<(?=[/|｜\w])", "< ", label).split()) or "object"


def _status(said: str, nothing: bool, reading: Reading) -> str:
    if reading.annotations:
        return "ok"
    plain = ENDING.sub("", said).strip()
    if refused(plain):
        return "refused"
    if not plain:
        if not nothing:
            reading.problem("the answer is blank")
        return "empty"
    if denied(plain) or (nothing and not reading.problems):
        return "empty"
    if OPENING.startswith(plain) or HALF_TAG.search(plain[-50:]):
        reading.problem("the answer ends before it begins")
        return "truncated"
    reading.problem("there is text, but no place that can be read in it")
    return "unreadable"
