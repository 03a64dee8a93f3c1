"""Instruction messages of the Qwen2-VL project, its third step: the answer is in the language of Qwen2-VL.

    [{"messages": [{"role": "user", "content": "<image>Draw … ['person', 'car']"}, {"role": "assistant",
        "content": "<|object_ref_start|>person<|object_ref_end|><|box_start|>(1,2),(3,4)<|box_end|>"}],
      "images": ["a.jpg"]}]

Thousandths, so the size of the picture is not needed to read them, and a box moves by up to half a thousandth. Which
classes were looked for stands in the question, as a list.
"""
from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from app import families, tasks
from app.families import Family
from app.formats import listing
from app.formats.base import PLAIN, Format, Odd, Options, Row, Thing, Told
from app.formats.conversing import listed_names
from app.formats.writing import Folder, Lines, Lost, known, names_of
from app.types import Annotation, Frame, Image, Request, Sample

LIKE = '{"messages": [{"role": "user", "content": "…"}, {"role": "assistant", "content": "…"}], "images": ["a.jpg"]}'
QUESTION = "<image>Draw the bounding box of each object of these classes, and of no other: {}"
EXPRESSION = "<image>Draw the bounding box of this object: "
COUNT = "<image>Count the objects of each of these classes: {}"
COUNTED = re.compile(r"(?:[^:\n]+:\s*\d{1,5}\s*(?:\n|$))+")  # person:3, as its augmentation writes it
THOUSAND = (1_000, 1_000)
MARK = "<|box_start|>"


def read(path: Path, options: Options = PLAIN) -> Iterator[Row]:
    """A .json or .jsonl, or a folder or zip with such files. Raises Unreadable, Unclear."""
    return listing.read(path, options, _row, like=LIKE)


def turns(told: dict) -> tuple[str, str | None]:
    """The question and the answer of a row with `messages`; a system message is left aside. Raises Odd."""
    messages = told.get("messages")
    if not isinstance(messages, list) or not all(isinstance(each, dict) for each in messages):
        raise Odd(f"has no messages, as in {LIKE}")
    spoken = [each for each in messages if each.get("role") != "system"]
    if not 1 <= len(spoken) <= 2 or [each.get("role") for each in spoken] != ["user", "assistant"][:len(spoken)]:
        raise Odd("has other messages than one question and one answer")
    texts = [content(each.get("content")) for each in spoken]
    return texts[0], texts[1] if len(texts) > 1 else None


def content(told: object) -> str:
    """The words of a message, whether it is a text or a list of parts. Raises Odd."""
    if isinstance(told, str):
        return told
    if isinstance(told, list):
        return "".join(str(part.get("text") or "") for part in told if isinstance(part, dict)
                       and part.get("type", "text") == "text")
    raise Odd("has a message without words")


def _row(told: dict) -> Iterator[Told]:
    asked, said = turns(told)
    files = listing.pictures(told, "images", "image")
    asked = asked.replace("<image>", "").strip()
    names = listed_names(asked)
    expression = asked.removeprefix(EXPRESSION.removeprefix("<image>")).strip()
    ground = expression != asked
    if said is None:
        yield Told("", files, "ground" if ground else "detect" if names else "ask",
                   expression if ground else "; ".join(names) or asked, None)
        return
    if not said.strip() and (names or ground):
        yield Told("", files, "ground" if ground else "detect", expression if ground else _query(names), ())
        return
    if names and COUNTED.fullmatch(said):
        counts = [line.rpartition(":") for line in said.splitlines() if line.strip()]
        yield Told("", files, "count", _query(names), tuple(Thing(name.strip()) for name, _, count in counts
                                                            for _ in range(int(count))))
        return
    if MARK not in said or MARK in asked:  # a question about a region has an answer in words
        yield Told("", files, "ask", asked, None, answer=said)
        return
    parsed = families.find("qwen2-vl").parse(said, Request((Image("", THOUSAND),), "detect"), Frame(THOUSAND, THOUSAND))
    if parsed.status != "ok":
        raise Odd(f"has an answer that cannot be read ({'; '.join(parsed.problems)[:200] or parsed.status})")
    things = tuple(Thing(each.label or expression, tuple(value / 1_000 for value in each.box), "unit")
                   for each in parsed.annotations if each.box)
    names = names or list(dict.fromkeys(thing.label for thing in things))
    yield Told("", files, "ground" if ground else "detect", expression if ground else _query(names), things)


def _query(names: list[str]) -> str:
    return "; ".join(name.replace(";", ",") for name in names)


def written(annotations: Sequence[Annotation], request: Request, family: Family, lost: Lost) -> str:
    """What the family writes. A label that its parser does not give back as it was is counted in `lost`."""
    frame = family.frame(request.images[0].size)
    said = family.format(annotations, request, frame)
    found = {each.label for each in family.parse(said, request, frame).annotations}
    lost.add(f"labels that {family.title} writes otherwise", len({each.label for each in annotations} - found))
    return said


def write(samples: Iterable[Sample], out: Path) -> list[str]:
    """`data.json` and `images/`."""
    lost, family = Lost(), families.find("qwen2-vl")
    folder = Folder(out, lost)
    with Lines(out / "data.json", array=True) as lines:
        for sample in known(samples, ("detect", "ground", "count", "ask"), lost):
            image, = sample.images
            if sample.task == "ask":
                asked, said = f"<image>{sample.query}", sample.answer or ""
            elif sample.task == "count":
                counts = Counter(each.label for each in sample.truth)
                asked = COUNT.format(names_of(sample))
                said = "".join(f"{name}:{counts[name]}\n" for name in names_of(sample))
                for each in sample.truth:
                    lost.unsaid(each)
            else:
                request = tasks.request(sample.images, sample.task, sample.query)
                asked = QUESTION.format(list(request.names)) if request.names else EXPRESSION + sample.query
                boxed = [each for each in sample.truth if each.box]
                for each in sample.truth:
                    lost.unsaid(each, carried=("box",))
                if sample.task == "ground" and any(each.label != sample.query for each in boxed):
                    lost.add("labels of objects that an expression means")
                said = written(boxed, request, family, lost) if boxed else ""
            if image.split:
                lost.add("samples' splits")
            lines.add({"messages": [{"role": "user", "content": asked}, {"role": "assistant", "content": said}],
                       "images": [folder.place(image)]})
    return lost.sentences()


FORMAT = Format("instructions", "Instruction messages", "a .json of messages and images, answered in Qwen2-VL's "
                "language: the Qwen2-VL project's third step", read, write, aliases=("qwen2-vl", "qwen2vl-messages"))
