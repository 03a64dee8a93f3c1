"""TRL: rows of pictures, a prompt and a completion in the language of one model family.

    {"images": ["images/a.jpg"],
     "prompt": [{"role": "user", "content": [{"type": "image"}, {"type": "text", "text": "…"}]}],
     "completion": [{"role": "assistant", "content": [{"type": "text", "text": "<loc0046>…"}]}],
     "task": "detect", "query": "cat; dog", "family": "paligemma"}

The completion is what the family's own codec writes, so the model is trained on what its parser reads. TRL leaves the
last three columns aside; they are what makes a row readable again. `messages` in the place of both is read as well.
"""
from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path

from app import families, tasks
from app.formats import conversing, listing
from app.formats.base import PLAIN, Format, Odd, Options, Row, Thing, Told, split_of
from app.formats.instructions import turns, written
from app.formats.writing import Folder, Lines, Lost, known, names_of
from app.types import Annotation, Image, Request, Sample

LIKE = '{"images": ["a.jpg"], "prompt": […], "completion": […], "task": "detect", "query": "cat", "family": "qwen3-vl"}'
FAMILY = "qwen3-vl"  # whose language is written, where nobody names another


def read(path: Path, options: Options = PLAIN) -> Iterator[Row]:
    """A .jsonl or .json, or a folder or zip with such files. `options.family` for rows that do not name theirs."""
    return listing.read(path, options, lambda told: row(told, options.family), like=LIKE)


def row(told: dict, family: str) -> Iterator[Told]:
    messages = told.get("messages")
    if messages is None:
        prompt, completion = told.get("prompt"), told.get("completion")
        messages = [*([{"role": "user", "content": prompt}] if isinstance(prompt, str) else prompt or []),
                    *([{"role": "assistant", "content": completion}] if isinstance(completion, str) else
                      completion or [])]
    asked, said = turns({"messages": messages})
    asked = asked.replace("<image>", "").strip()
    files = listing.pictures(told, "images", "image")
    task, query = told.get("task"), told.get("query")
    split = split_of(told.get("split"))
    if not isinstance(task, str) or not isinstance(query, str) or task not in tasks.TASKS:
        task, query, things, answer = conversing.understood(asked, said or conversing.NOTHING)
        yield Told("", files, task, query, things if said is not None else None, split=split, answer=answer)
        return
    if said is None or task == "ask":
        yield Told("", files, task, query, None, split=split, answer=said)
        return
    spoken = told.get("family") or family
    if not spoken or not isinstance(spoken, str):
        raise Odd("does not say in whose language its answer is; name the family")
    try:
        speaker = families.find(spoken)
        request = tasks.request((Image("", (1, 1)),), task, query)
        speaker.check_target(request)
    except ValueError as problem:
        raise Odd(f"cannot be read: {problem}") from problem
    yield Told("", files, task, query, lambda sizes: _things(speaker, said, request, sizes), split=split)


def _things(speaker: families.Family, said: str, request: Request, sizes: tuple) -> tuple[Thing, ...]:
    request = Request(tuple(Image("", size) for size in sizes), request.task, request.names, request.caption,
                      phrases=request.phrases)
    parsed = speaker.parse(said, request, speaker.frame(sizes[0]))
    if parsed.status not in ("ok", "empty"):
        raise Odd(f"has an answer that {speaker.title} does not write ({'; '.join(parsed.problems)[:200]})")
    return tuple(_thing(each) for each in parsed.annotations)


def _thing(annotation: Annotation) -> Thing:
    points = tuple((p.name, p.x, p.y, p.visibility) for p in annotation.points)
    return Thing(annotation.label, annotation.box, points=points, image=annotation.image)


def write(samples: Iterable[Sample], out: Path, family: str = FAMILY) -> list[str]:
    """`train.jsonl`, `val.jsonl` and `images/`. Raises ValueError for a family that nobody knows."""
    lost, speaker = Lost(), families.find(family)
    folder = Folder(out, lost)
    files = {split: Lines(out / f"{split}.jsonl") for split in ("train", "val")}
    for sample in known(samples, tuple(tasks.TASKS), lost):
        image, = sample.images
        try:
            request = tasks.request(sample.images, sample.task, sample.query)
            messages = speaker.messages(request)
            said = sample.answer or "" if sample.task == "ask" else written(sample.truth, request, speaker, lost)
        except ValueError as problem:
            lost.add(f"samples that {speaker.title} has no words for ({problem})")
            continue
        for each in sample.truth or ():
            lost.unsaid(each, carried=CARRIED.get(sample.task, ("box",)))
        if set(names_of(sample)) - set(request.names) and request.names:
            lost.add("samples with objects that they do not ask for")
        if image.split is None:
            lost.add("pictures that belong to no split: they stand in train")
        name = folder.place(image)
        files[image.split or "train"].add({
            "images": [name], "prompt": messages,
            "completion": [{"role": "assistant", "content": [{"type": "text", "text": said}]}],
            "task": sample.task, "query": sample.query, "family": speaker.name})
    for split, lines in files.items():
        with lines:
            pass
        if not lines.count:
            (out / f"{split}.jsonl").unlink()
    return lost.sentences()


CARRIED = {"point": ("box", "points"), "keypoints": ("box", "points", "visibility"), "count": ("box",)}

FORMAT = Format("trl", "TRL messages", "a .jsonl of images, prompt and completion in one family's language, ready for "
                "TRL's trainers", read, write, aliases=("trl-messages", "messages"))
