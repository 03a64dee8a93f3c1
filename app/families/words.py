"""What models say in words instead of an answer: a refusal, "there is none", or a number.

Each list holds openings that were seen in real answers. They are tried on short texts only: a long text is an
attempt at an answer, and calling it a refusal would hide it.
"""
from __future__ import annotations

import re

LONGEST = 400  # characters; refusals and denials are a sentence or two

REFUSAL = re.compile(
    r"\W*(?:(?:i'?m|i am) (?:really |very |so )?sorry|sorry\b|(?:i )?apologi[sz]e|unfortunately,? i|"
    r"(?:i|we) (?:can(?:no|')?t|can not|am unable|am not able|won'?t|will not|do not|don'?t) "
    r"(?:to )?(?:help|assist|identify|provide|do|process|see|view|have|answer|comply|locate|detect|recogni[sz]e|"
    r"analy[sz]e|fulfil)|i'?m (?:unable|not able)|i must decline|as an ai\b|unanswerable\W*$|"
    r"很?抱歉|对不起|我(?:无法|不能))", re.IGNORECASE)

NOTHING = re.compile(
    r"\W*(?:(?:there (?:is|are|were|was)|there'?s|i (?:see|find|detect)|we see|it shows) "
    r"(?:no\b|none\b|not any\b|nothing\b)|"
    r"(?:none|nothing|no objects?|empty|n/a)\W*$|none of (?:the|them)\b|"
    r"no [^.;,\n]{1,60}(?:found|visible|detected|present|shown|here|in (?:the|this) (?:image|picture|photo|scene))|"
    r"(?:i|we) (?:do not|don'?t|did not|didn'?t|cannot|can'?t) (?:see|find|detect) (?:any|an?)\b"
    r"(?! (?:image|picture|photo))|"
    r"the (?:image|picture|photo) (?:does not|doesn'?t) (?:contain|show|have)|没有|图中没有)", re.IGNORECASE)

NUMBERS = ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve",
           "thirteen", "fourteen", "fifteen", "sixteen", "seventeen", "eighteen", "nineteen", "twenty")
SPELT = {word: value for value, word in enumerate(NUMBERS)} | {"no": 0, "none": 0}
MOST_COUNTED = 1_000  # as many as are kept; a larger count is no reading of a picture


def refused(text: str) -> bool:
    """Whether the model declined to answer. "I can't see any cats" is an answer: none."""
    return len(text) <= LONGEST and bool(REFUSAL.match(_straight(text))) and not denied(text)


def denied(text: str) -> bool:
    """Whether the model said in words that nothing of the kind is there."""
    return len(text) <= LONGEST and bool(NOTHING.match(_straight(text)))


def number(text: str) -> int | None:
    """A whole number written alone, in digits or as an English word; None for anything else."""
    plain = text.strip().strip(".!").strip().lower()
    if plain in SPELT:
        return SPELT[plain]
    return int(plain) if re.fullmatch(r"[0-9]{1,5}", plain) and int(plain) <= MOST_COUNTED else None


def number_within(text: str) -> int | None:
    """The one number in a short sentence ("There are three cats."); None if there is none, or more than one."""
    if len(text) > LONGEST:
        return None
    words = re.findall(r"-?[0-9][0-9.,]*|[^\W\d_]+", text.lower())
    found = {number(word.rstrip(".,")) for word in words if word[0] in "-0123456789" or word in SPELT}
    return found.pop() if len(found) == 1 else None


def _straight(text: str) -> str:
    return text[:LONGEST + 1].replace("’", "'")
