"""Confidence: how sure a model was of each object, from the log-probabilities of the tokens that it wrote it with.

    annotations = scored(parsed, text, tokens)

    score = geometric mean of p over the tokens of its coordinates × the same over the tokens of its label

Means, because a label of three tokens is no less sure than one of one, and "1000" no less than "7". Brackets, quotes,
keys and tags do not count: a model that sees nothing is sure of those too. No score stays None; it is never 1.0.

Why a product: it ranked right boxes (IoU ≥ 0.5) over wrong ones in the shipped models' answers about new scenes with
an AUC of 0.72 (Qwen, detect, 264 boxes), 0.75 (Qwen, ground, 131) and 0.78 (PaliGemma, detect, 35). The coordinates
alone had 0.68, 0.75, 0.59; the label alone, by which Pix2Seq ranks, 0.66, 0.61, 0.82; the least likely token 0.69,
0.73, 0.69. It ranks, and is no chance of being right: exactly these of a thousand bins are seldom likely.
"""
from __future__ import annotations

import json
import math
import re
from bisect import bisect_left, bisect_right
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from functools import cache
from statistics import fmean
from typing import NamedTuple

from app.families.keys_json import OTHER_KEYS
from app.types import Annotation, Parsed

Range = tuple[int, int]  # of characters, [start, end)

# A bin that is a token of its own, or a number that is no part of a word: the 2 of bbox_2d and the 1 of x1= are none.
# Numbers under keys such as "img_idx" are passed over.
PLACE = re.compile(rf"""["'](?:{"|".join(OTHER_KEYS)})["']\s*:\s*["']?[-+.\d]+"""
                   r"|(?P<place><(?:loc_?|patch_index_)?\d{1,4}>|(?<![\w.])[-+]?(?:\d++(?:\.\d*+)?+|\.\d++)(?!\w))")
DIGIT = re.compile(r"\d")


class Token(NamedTuple):
    """One token of an answer: it added text[start:end], and was this likely among all tokens that could stand there.

    The bytes of one character share its place. A log-probability that nobody knows is NaN.
    """
    start: int
    end: int
    log_probability: float


def scored(parsed: Parsed, text: str, tokens: Sequence[Token]) -> tuple[Annotation, ...]:
    """The annotations with a score and its source where there can be one: a box or points whose tokens are known.

    A score that the model gave itself, as detectors do, stays. What has no place in the picture (one of three counted
    cats) gets no score.
    """
    own = tuple(_sourced(annotation) for annotation in parsed.annotations)
    if not tokens or len(parsed.spans) != len(own):
        return own
    written = _Written(tokens)
    return tuple(annotation if annotation.score is not None else _scored(annotation, parts, written)
                 for annotation, parts in zip(own, _parts(parsed, text), strict=True))


def _sourced(annotation: Annotation) -> Annotation:
    if annotation.score is None or annotation.score_source:
        return annotation
    return replace(annotation, score_source="model")


def _scored(annotation: Annotation, parts: Parts, written: _Written) -> Annotation:
    places, label = written.mean(parts.places), written.mean(parts.label)
    if places is None:
        return annotation
    sure = places + (0.0 if label is None else label)  # a label that nobody wrote, since one thing was asked for
    if not math.isfinite(sure):
        return annotation
    return replace(annotation, score=min(1.0, round(math.exp(sure), 4)), score_source="tokens")


class _Written:
    """The tokens by their places."""

    def __init__(self, tokens: Sequence[Token]) -> None:
        self.tokens = [token for token in tokens if token.end > token.start]
        self.starts, self.ends = ([token[i] for token in self.tokens] for i in (0, 1))

    def mean(self, ranges: Iterable[Range]) -> float | None:
        """The mean log-probability of the tokens that touch the ranges; None where there are none."""
        touching = {i for start, end in ranges
                    for i in range(bisect_right(self.ends, start), bisect_left(self.starts, end))}
        return fmean(self.tokens[i].log_probability for i in touching) if touching else None


class Parts(NamedTuple):
    """Where an object's coordinates and its label stand in the text."""
    places: list[Range]
    label: list[Range]


def _parts(parsed: Parsed, text: str) -> Iterator[Parts]:
    """The parts of every annotation. Objects may share a span, or begin at one name: `wheel<4 bins><4 bins>`."""
    within = cache(lambda begin, span, label, names: _within(text, begin, span, label, names))
    sharing, turns, before = Counter(parsed.spans), Counter(), (0, 0)
    for annotation, span in zip(parsed.annotations, parsed.spans, strict=True):
        if annotation.box is None and not annotation.points:
            yield Parts([], [])
            continue
        start, end = span
        begin = before[1] if before[0] == start < before[1] < end else start
        numbered = tuple(point.name for point in annotation.points if DIGIT.search(point.name))
        places, label = within(begin, span, annotation.label, numbered)
        yield Parts(_turn(places, turns[span], sharing[span]), label)
        turns[span] += 1
        before = span


def _within(text: str, begin: int, span: Range, label: str, names: tuple[str, ...]) -> Parts:
    """What stands in a span: numbers from `begin` on which belong to no word, and the label."""
    written = _found(label, text, span)
    words = written + [place for name in names for place in _found(name, text, span)]
    numbers = (found.span("place") for found in PLACE.finditer(text, begin, span[1]) if found["place"])
    return Parts([place for place in numbers if not _meets(place, words)], written)


def _turn(places: list[Range], turn: int, sharing: int) -> list[Range]:
    """The places of one of several objects in one span, if they can be dealt out; else all of them."""
    each = len(places) // sharing
    if sharing == 1 or each not in (2, 4) or each * sharing != len(places):
        return places
    return places[turn * each:(turn + 1) * each]


def _found(label: str, text: str, within: Range) -> list[Range]:
    """Where a label is written: as a value in quotes or between tags, else as words. [] where it is not."""
    for spelling in dict.fromkeys((label, json.dumps(label, ensure_ascii=False)[1:-1], json.dumps(label)[1:-1])):
        words = r"\s+".join(map(re.escape, spelling.split()))
        for pattern in (rf"""(?<=["'>]){words}(?=["'<](?!\s*:))""", rf"(?<!\w){words}(?!\w)"):
            if words and (found := re.compile(pattern, re.IGNORECASE).search(text, *within)):
                return [found.span()]
    return []


def _meets(place: Range, words: list[Range]) -> bool:
    return any(place[0] < end and start < place[1] for start, end in words)
