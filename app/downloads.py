"""What a person takes away from a comparison: a contact sheet, JSON, the command that does the same, a zip of it all.

Names of pictures and models come from anywhere, so every file's name is made safe here; and no path of this machine
leaves with them.
"""
from __future__ import annotations

import json
import math
import re
import shlex
import unicodedata
import zipfile
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path, PurePosixPath

import PIL.Image
from PIL import ImageDraw

from app import tasks
from app.drawing import annotated, fitted, font, one_line
from app.pictures import PictureError
from app.predict import GREEDY, prediction_json
from app.types import Annotation, Comparison, Generation, Image, Prediction, Sample

LONGEST_SIDE = 4000  # pixels of a sheet: what browsers and chat programs still show
CELLS = 480, 1200  # pixels: the least and the most of a picture's longer side on a sheet, where there is room
LONGEST_NAME = 120  # bytes of a file's name without its ending: file systems take 255, and we add to it
RESERVED = {"con", "prn", "aux", "nul", *(f"{port}{n}" for port in ("com", "lpt") for n in range(1, 10))}  # Windows
FOLDERS = re.compile(r"(?<![\w:/.])(?:[A-Za-z]:)?(?:[/\\][^\s/\\:'\"]+)+(?=[/\\])[/\\]")  # of a path in a sentence
INK = "#111827"
WORDS = {"ok": "answered", "empty": "nothing found", "truncated": "cut off", "unreadable": "could not be read",
         "refused": "refused"}


def sheet(sample: Sample, titles: Mapping[str, str], predictions: Sequence[Prediction]) -> PIL.Image.Image:
    """All answers to one question on one picture, a cell per model, in a grid that is as square as it can be.

    `titles` by model id; the id stands for itself where there is none. Raises PictureError.
    """
    longest = max(sample.images[0].size)
    rows = math.ceil(math.sqrt(max(1, len(predictions))))
    side = max(1, min(max(CELLS[0], longest), CELLS[1], LONGEST_SIDE // rows))
    cells = [_cell(sample, titles.get(each.model, each.model), each, side) for each in predictions]
    grid = _stacked(cells, gap=side // 30)
    title = f"{tasks.TASKS[sample.task].title}: {sample.query}" if sample.task in tasks.TASKS else sample.query
    head = _page([(_name(sample.images[0]), side // 18, "-Bold", 1), (title, side // 20, "", 6)], max(grid.width, side))
    whole = _column([head, grid], side // 30, side // 30)
    whole.thumbnail((LONGEST_SIDE, LONGEST_SIDE))
    return whole


def document(comparison: Comparison) -> dict:
    """The comparison as the commands would print it. "sample" of a prediction is a place in "samples", from 0."""
    samples = [{"picture": _name(sample.images[0]), "sha256": sample.images[0].sha256, "task": sample.task,
                "query": sample.query, "answer": sample.answer,
                "truth": None if sample.truth is None else [each.to_json() for each in sample.truth]}
               for sample in comparison.samples]
    return {"samples": samples, "predictions": [
        prediction_json(replace(prediction, problems=_without_paths(prediction.problems, sample)))
        | {"sample": number, "picture": _name(sample.images[0])}
        for number, sample, prediction in _answers(comparison)]}


def command(comparison: Comparison) -> str:
    """The `compare` lines that ask the same, one for each question and its settings, to be run beside the pictures."""
    names = _originals(comparison)
    lines: dict[tuple, list[str]] = {}
    for sample in comparison.samples:
        for settings, models in _by_settings(comparison, sample).items():
            asked = lines.setdefault((sample.task, sample.query, *settings, models), [])
            asked.append(names[_key(sample.images[0])])
    return "\n".join(_line(*question, pictures) for question, pictures in lines.items())


def archive(comparison: Comparison, titles: Mapping[str, str], path: str | Path) -> None:
    """A zip of everything: it is at `path` when it is whole, and not before. Raises PictureError, OSError."""
    path = Path(path)
    unfinished = path.with_name(path.name + ".part")
    try:
        with zipfile.ZipFile(unfinished, "w", strict_timestamps=False) as file:
            _fill(file, comparison, titles)
        unfinished.replace(path)
    finally:
        unfinished.unlink(missing_ok=True)


def file_name(text: str, otherwise: str = "picture") -> str:
    """A text as a file's name on any system: its letters kept, whatever a file system could stumble over not."""
    name = unicodedata.normalize("NFC", one_line(text.encode("utf-8", "ignore").decode("utf-8")))
    name = re.sub(r'[/\\:*?"<>|]+', "_", name).strip(". ")
    while len(name.encode("utf-8")) > LONGEST_NAME:
        name = name[:-1]
    name = name.strip(". ") or otherwise
    return f"_{name}" if name.split(".")[0].strip().lower() in RESERVED else name


def _answers(comparison: Comparison) -> Iterator[tuple[int, Sample, Prediction]]:
    """Each with the place of its sample: picture by picture, in the order of the models."""
    for number, sample in enumerate(comparison.samples):
        for model in comparison.models:
            if (sample.id, model) in comparison.answers:
                yield number, sample, comparison.answers[sample.id, model]


# The sheet

def _cell(sample: Sample, title: str, prediction: Prediction, side: int) -> PIL.Image.Image:
    picture = annotated(sample.images[0], prediction.annotations, longest=side)
    width = max(picture.width, side * 2 // 3)  # words need room beside a narrow picture too
    head = [(title, side // 24, "-Bold", 1), (_outcome(prediction), side // 28, "", 1)]
    # What takes more than a line stands below, so that the pictures of a row stand side by side.
    said = [(_said(prediction), side // 26, "", 8)]
    said += [(problem, side // 28, "", 3) for problem in _without_paths(prediction.problems[:1], sample)]
    return _column([_page(head, width), picture, _page(said, width)], 0, side // 80)


def _outcome(prediction: Prediction) -> str:
    if prediction.status == "failed":
        return "failed"
    words, found = WORDS[prediction.status], _amounts(prediction.annotations)
    if found:
        words = found if prediction.status == "ok" else f"{words}, {found}"
    return f"{words} · {prediction.seconds:.1f} s"


def _amounts(annotations: Sequence[Annotation]) -> str:
    boxes = sum(each.box is not None for each in annotations)
    points = sum(point.visibility != "absent" for each in annotations for point in each.points)
    told = [f"{boxes} box" + "es" * (boxes != 1)] if boxes else []
    return ", ".join(told + ([f"{points} point" + "s" * (points != 1)] if points else []))


def _said(prediction: Prediction) -> str:
    """What cannot be drawn: the answer to a question, and objects without a place, counted."""
    if prediction.request.task == "ask":
        return prediction.text
    bare = Counter(each.label or "object" for each in prediction.annotations if not each.box and not each.points)
    return " · ".join(f"{number} × {label}" for label, number in bare.items())


def _page(paragraphs: Iterable[tuple[str, int, str, int]], width: int) -> PIL.Image.Image:
    """(text, letters' size, weight, most lines) below each other, on white; of no height where there is no text."""
    lines = []
    for text, size, weight, most in paragraphs:
        text = one_line(text[:3000])
        writing = font(text, max(8, size), weight)
        lines += [(line, writing) for line in _wrapped(text, writing, width, most)]
    heights = [round(sum(writing.getmetrics()) * 1.15) for _, writing in lines]
    page = PIL.Image.new("RGB", (width, sum(heights)), "white")
    pen, y = ImageDraw.Draw(page), 0
    for (line, writing), height in zip(lines, heights):
        pen.text((0, y), line, INK, writing)
        y += height
    return page


def _wrapped(text: str, writing, width: int, most: int) -> list[str]:
    lines = []
    while len(lines) < most - 1 and writing.getlength(text) > width:
        room = max(1, len(fitted(text, writing, width)) - 1)
        cut = text.rfind(" ", 0, room + 1)
        cut = cut if cut > 0 else room  # a word longer than the line, or writing without spaces
        lines.append(text[:cut])
        text = text[cut:].lstrip()
    last = fitted(text, writing, width)
    return [*lines, last] if last else lines


def _column(parts: Sequence[PIL.Image.Image], margin: int, gap: int) -> PIL.Image.Image:
    height = sum(part.height for part in parts) + gap * (len(parts) - 1)
    whole = PIL.Image.new("RGB", (max(part.width for part in parts) + 2 * margin, height + 2 * margin), "white")
    y = margin
    for part in parts:
        whole.paste(part, (margin, y))
        y += part.height + gap
    return whole


def _stacked(cells: Sequence[PIL.Image.Image], gap: int) -> PIL.Image.Image:
    """Cells in rows, with as many columns as make the whole most nearly square."""
    if not cells:
        return PIL.Image.new("RGB", (1, 1), "white")
    width, height = (max(getattr(cell, side) for cell in cells) + gap for side in ("width", "height"))
    columns = min(range(1, len(cells) + 1),
                  key=lambda n: abs(math.log(n * width / (math.ceil(len(cells) / n) * height))))
    grid = PIL.Image.new("RGB", (columns * width - gap, math.ceil(len(cells) / columns) * height - gap), "white")
    for n, cell in enumerate(cells):
        grid.paste(cell, (n % columns * width, n // columns * height))
    return grid


# The command

def _by_settings(comparison: Comparison, sample: Sample) -> dict[tuple, tuple[str, ...]]:
    """(generation, what the command line cannot say) → the models that were asked so; as planned, where none was."""
    asked: dict[tuple, tuple[str, ...]] = {}
    for model in comparison.models:
        answer = comparison.answers.get((sample.id, model))
        settings = (answer.generation, _unsayable(answer)) if answer else (GREEDY, "")
        asked[settings] = (*asked.get(settings, ()), model)
    return asked


def _unsayable(answer: Prediction) -> str:
    request = answer.request
    parts = [("an edited prompt", request.prompt is not None), ("thinking", request.think),
             ("a description of whose points they are", request.task == "keypoints" and bool(request.caption))]
    return " and ".join(words for words, there in parts if there)


def _line(task: str, query: str, generation: Generation, unsayable: str, models: Sequence[str],
          pictures: Sequence[str]) -> str:
    # A name that begins with a dash would be taken for an option.
    files = [f"./{name}" if name.startswith("-") else name for name in dict.fromkeys(pictures)]
    words = ["python", "-m", "app", "compare", *files, "--models", ",".join(models), "--task", task, "--query", query]
    for option in ("max_tokens", "max_pixels", "temperature", "seed"):
        if (value := getattr(generation, option)) != getattr(GREEDY, option):
            words += [f"--{option.replace('_', '-')}", str(value)]
    words += ["--structure"] if generation.structure else []
    line = shlex.join(words)
    if not unsayable:
        return line
    return f"# The page asked this with {unsayable}, which the command line cannot give; without it:\n{line}"


# The zip

def _fill(file: zipfile.ZipFile, comparison: Comparison, titles: Mapping[str, str]) -> None:
    names = _Names()
    stems = {sample.id: names.new("", Path(file_name(_name(sample.images[0]))).stem) for sample in comparison.samples}
    _add_text(file, "comparison.json", json.dumps(document(comparison), ensure_ascii=False, indent=1))
    _add_text(file, "command.txt", f"# To be run in the folder `originals`.\n{command(comparison)}\n")
    for image, name in _pictures(comparison):
        if not Path(image.path).is_file():
            raise PictureError(f"{name} is no longer here; ask again without it")
        file.write(image.path, f"originals/{name}")  # stored: pictures do not get smaller
    for _, sample, prediction in _answers(comparison):
        if prediction.status == "failed":  # it did not get to answer, and comparison.json says why
            continue
        stem = names.new("answers", f"{stems[sample.id]}-{file_name(prediction.model, 'model')}")
        _add_text(file, f"answers/{stem}.txt", prediction.text)
        _add_picture(file, f"pictures/{stem}.png", annotated(sample.images[0], prediction.annotations))
    for number, sample in enumerate(comparison.samples):
        if answers := [prediction for place, _, prediction in _answers(comparison) if place == number]:
            _add_picture(file, f"sheets/{stems[sample.id]}.png", sheet(sample, titles, answers))


def _add_text(file: zipfile.ZipFile, name: str, text: str) -> None:
    file.writestr(name, text.encode("utf-8", "replace"), zipfile.ZIP_DEFLATED)


def _add_picture(file: zipfile.ZipFile, name: str, picture: PIL.Image.Image) -> None:
    with file.open(name, "w") as place:
        picture.save(place, "PNG", compress_level=1)  # 12 megapixels in 0.2 s; of a photo, 6 saves a few percent


def _originals(comparison: Comparison) -> dict[str, str]:
    return {_key(image): name for image, name in _pictures(comparison)}


def _pictures(comparison: Comparison) -> list[tuple[Image, str]]:
    """Every picture once, with the name of its file: its own, or one that is safe and not yet taken."""
    names, images = _Names(), {_key(sample.images[0]): sample.images[0] for sample in comparison.samples}
    found = []
    for image in images.values():
        own = PurePosixPath(file_name(_name(image)))
        ending = own.suffix or Path(image.path).suffix
        found.append((image, names.new("", own.stem, ending)))
    return found


class _Names:
    """Hands out names that no one has yet in a folder, whether or not a file system tells A from a."""

    def __init__(self):
        self._taken: set[str] = set()

    def new(self, folder: str, stem: str, ending: str = "") -> str:
        numbers = iter(range(2, 1_000_000))
        name = f"{stem}{ending}"
        while f"{folder}/{name}".casefold() in self._taken:
            name = f"{stem}-{next(numbers)}{ending}"
        self._taken.add(f"{folder}/{name}".casefold())
        return name


def _key(image: Image) -> str:
    return image.sha256 or image.path


def _name(image: Image) -> str:
    """The file's name as the person knows it, without the folders that it was dropped with."""
    return re.split(r"[/\\]", image.name or image.path)[-1] or "picture"


def _without_paths(problems: Sequence[str], sample: Sample) -> tuple[str, ...]:
    for image in sample.images:
        problems = [problem.replace(image.path, _name(image)) for problem in problems]
    return tuple(FOLDERS.sub("", problem) for problem in problems)
