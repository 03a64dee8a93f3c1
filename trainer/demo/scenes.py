"""Draws the scenes of SCENES.md: pictures whose every object is known. Same seed and index, same scene."""
from __future__ import annotations

import colorsys
import math
from dataclasses import dataclass

import numpy as np
from PIL import Image, ImageDraw, ImageFilter

COLOURS = {"red": 0.0, "orange": 0.08, "yellow": 0.155, "green": 0.36, "blue": 0.6, "purple": 0.79}  # hue, 0 to 1
SHAPES = ("circle", "square", "triangle", "star", "ring", "cross")
JOINTS = ("head", "neck", "hip", "left hand", "right hand", "left foot", "right foot")
BONES = ((0, 1), (1, 2), (1, 3), (1, 4), (2, 5), (2, 6))
HELD_OUT = {("red", "star"), ("blue", "ring"), ("yellow", "cross"), ("green", "square")}
SCALE = 2  # drawn twice as large and shrunk, so that edges are smooth


@dataclass(frozen=True)
class Thing:
    """One drawn object: pixels of the picture. `colour` is None for a person, `joints` is empty for a shape."""
    colour: str | None
    shape: str
    box: tuple[float, float, float, float]
    joints: tuple[tuple[float, float], ...] = ()

    @property
    def centre(self) -> tuple[float, float]:
        return (self.box[0] + self.box[2]) / 2, (self.box[1] + self.box[3]) / 2

    @property
    def side(self) -> float:
        return max(self.box[2] - self.box[0], self.box[3] - self.box[1])

    @property
    def held_out(self) -> bool:
        return (self.colour, self.shape) in HELD_OUT


@dataclass(frozen=True)
class Scene:
    picture: Image.Image
    things: tuple[Thing, ...]

    @property
    def size(self) -> tuple[int, int]:
        return self.picture.size


def scene(seed: int, index: int, held_out: bool, sketch: bool = False, size: tuple[int, int] | None = None) -> Scene:
    """Scene `index` of a seed. `held_out` allows the combinations that training never sees; `size` fixes the size."""
    rng = np.random.default_rng((seed, index))
    size = size or random_size(rng)
    things = place(rng, size, held_out)
    big = tuple(SCALE * v for v in size)
    picture = paper(rng, big) if sketch else background(rng, big)
    drawing = ImageDraw.Draw(picture)
    for thing in things:
        if thing.shape == "person":
            draw_person(drawing, rng, thing, picture)
        elif sketch:
            draw_sketch(drawing, rng, thing)
        else:
            draw_shape(drawing, rng, thing)
    picture = picture.resize(size, Image.Resampling.BOX)
    return Scene(noisy(rng, picture), things)


def random_size(rng) -> tuple[int, int]:
    ratio = 2 ** rng.uniform(-1, 1)
    area = rng.uniform(190, 260) ** 2
    sides = math.sqrt(area * ratio), math.sqrt(area / ratio)
    return tuple(int(min(320, max(160, side))) for side in sides)


def place(rng, size, held_out: bool) -> tuple[Thing, ...]:
    """1 to 8 things, in drawing order; of two boxes neither hides more than 30% of the other."""
    things: list[Thing] = []
    wanted, short = int(rng.integers(1, 9)), min(size)
    persons = int(rng.choice(3, p=(0.55, 0.3, 0.15)))
    for k in range(wanted):
        for _ in range(30):
            thing = person(rng, size, short) if k < persons else shape(rng, size, short, held_out)
            if thing and all(_cover(thing.box, other.box) < 0.3 for other in things):
                things.append(thing)
                break
    order = rng.permutation(len(things))
    return tuple(things[k] for k in order)


def shape(rng, size, short, held_out: bool) -> Thing | None:
    kind, colour = SHAPES[rng.integers(len(SHAPES))], list(COLOURS)[rng.integers(len(COLOURS))]
    if (colour, kind) in HELD_OUT and not held_out:
        return None
    side, stretch = rng.uniform(0.04, 0.40) * short, rng.uniform(0.8, 1.25)
    w, h = (side, side / stretch) if stretch > 1 else (side * stretch, side)
    x, y = rng.uniform(0, size[0] - w), rng.uniform(0, size[1] - h)
    return Thing(colour, kind, (x, y, x + w, y + h))


def person(rng, size, short) -> Thing | None:
    """A stick figure that faces the viewer, so its left hand is on the right of the picture."""
    height = rng.uniform(0.18, 0.40) * short
    limb, head = 0.33 * height, 0.11 * height
    lean = rng.normal(0, 0.08)
    neck = np.array((0.0, 0.0))
    top = neck + _turn((0, -0.16 * height), lean)
    hip = neck + _turn((0, 0.36 * height), lean)
    arms = [neck + _turn((0, limb), rng.uniform(*angles)) for angles in ((-2.6, -0.35), (0.35, 2.6))]
    legs = [hip + _turn((0, 0.45 * height), rng.uniform(*angles)) for angles in ((-0.8, -0.12), (0.12, 0.8))]
    joints = np.array((top, neck, hip, *arms, *legs))
    low = np.minimum(joints.min(0), top - head)
    high = np.maximum(joints.max(0), top + head)
    w, h = high - low
    if w > 0.6 * size[0] or h > 0.6 * size[1]:
        return None
    corner = np.array((rng.uniform(0, size[0] - w), rng.uniform(0, size[1] - h)))
    joints = joints - low + corner
    box = (*corner, *(corner + (w, h)))
    return Thing(None, "person", tuple(map(float, box)), tuple((float(x), float(y)) for x, y in joints))


def background(rng, size) -> Image.Image:
    """Flat, gradient, blotches or photo-like: never saturated enough to pass for an object."""
    kind, base = rng.integers(4), _grey(rng)
    if kind == 0:
        return Image.new("RGB", size, tuple(base))
    if kind == 1:
        pixels = np.linspace(base, _grey(rng), 32)[:, None].repeat(2, 1)
        pixels = pixels if rng.random() < 0.5 else pixels.transpose(1, 0, 2)
    else:
        scales = (3,) if kind == 2 else (3, 7, 24)
        pixels = np.zeros((32, 32, 3)) + base
        for cells in scales:
            blotch = Image.fromarray(rng.integers(0, 256, (cells, cells, 3), dtype=np.uint8))
            soft = np.asarray(blotch.resize((32, 32), Image.Resampling.BICUBIC), float) - 128
            pixels += (soft.mean(-1, keepdims=True) + 0.25 * soft) * rng.uniform(0.1, 0.4)
    return Image.fromarray(pixels.clip(0, 255).astype(np.uint8)).resize(size, Image.Resampling.BICUBIC)


def paper(rng, size) -> Image.Image:
    """Off-white drawing paper with a little grain."""
    base = np.array((rng.uniform(225, 250),) * 3) - (0, rng.uniform(0, 4), rng.uniform(4, 16))
    grain = rng.normal(0, 4, (size[1] // 2, size[0] // 2, 1))
    return Image.fromarray((base + grain).clip(0, 255).astype(np.uint8)).resize(size, Image.Resampling.BILINEAR)


def outline(thing: Thing) -> list[tuple[float, float]]:
    """The corners of a shape in a unit square stretched to its box; round shapes as 40 corners."""
    if thing.shape in ("circle", "ring"):
        unit = [(0.5 + 0.5 * math.cos(t), 0.5 + 0.5 * math.sin(t)) for t in np.linspace(0, 2 * math.pi, 41)[:-1]]
    elif thing.shape == "square":
        unit = [(0, 0), (1, 0), (1, 1), (0, 1)]
    elif thing.shape == "triangle":
        unit = [(0.5, 0), (1, 1), (0, 1)]
    elif thing.shape == "star":
        radii = [1 if k % 2 == 0 else 0.42 for k in range(10)]
        unit = [(r * math.sin(k * math.pi / 5), -r * math.cos(k * math.pi / 5)) for k, r in enumerate(radii)]
        xs, ys = zip(*unit)
        unit = [((x - min(xs)) / (max(xs) - min(xs)), (y - min(ys)) / (max(ys) - min(ys))) for x, y in unit]
    else:
        a, b = 0.33, 0.67
        unit = [(a, 0), (b, 0), (b, a), (1, a), (1, b), (b, b), (b, 1), (a, 1), (a, b), (0, b), (0, a), (a, a)]
    x1, y1, x2, y2 = thing.box
    return [(x1 + u * (x2 - x1), y1 + v * (y2 - y1)) for u, v in unit]


def hole(thing: Thing) -> list[tuple[float, float]]:
    """The inside of a ring, half its size."""
    cx, cy = thing.centre
    return [(cx + (x - cx) * 0.52, cy + (y - cy) * 0.52) for x, y in outline(thing)]


def draw_shape(drawing, rng, thing: Thing) -> None:
    fill = paint(rng, thing.colour)
    edge = tuple(int(v * 0.45) for v in fill) if rng.random() < 0.33 else None
    corners = [(SCALE * x, SCALE * y) for x, y in outline(thing)]
    if thing.shape == "ring":  # a thick closed line: the background shows through
        inner = [(SCALE * x, SCALE * y) for x, y in hole(thing)]
        quads = zip(corners, corners[1:] + corners[:1], inner[1:] + inner[:1], inner)
        for quad in quads:
            drawing.polygon(quad, fill=fill, outline=fill)
        return
    drawing.polygon(corners, fill=fill)
    if edge:
        drawing.line([*corners, corners[0]], fill=edge, width=SCALE, joint="curve")


def draw_sketch(drawing, rng, thing: Thing) -> None:
    """Pencil: the outline drawn twice by a shaky hand, and hatching inside."""
    ink = tuple(int(0.55 * c + 45) for c in paint(rng, thing.colour))
    shake = 0.012 * thing.side * SCALE + 0.5
    outlines = [outline(thing)] + ([hole(thing)] if thing.shape == "ring" else [])
    for corners in outlines * 2:
        line = [(SCALE * x + rng.normal(0, shake), SCALE * y + rng.normal(0, shake)) for x, y in corners]
        drawing.line([*line, line[0]], fill=ink, width=SCALE)
    x1, y1, x2, y2 = (SCALE * v for v in thing.box)
    step = max(5.0, (x2 - x1 + y2 - y1) / 14)
    mask = Image.new("1", (int(x2 - x1) + 2, int(y2 - y1) + 2))
    cutter = ImageDraw.Draw(mask)
    cutter.polygon([(SCALE * x - x1, SCALE * y - y1) for x, y in outlines[0]], fill=1)
    if thing.shape == "ring":
        cutter.polygon([(SCALE * x - x1, SCALE * y - y1) for x, y in outlines[1]], fill=0)
    lines = Image.new("1", mask.size)
    pencil = ImageDraw.Draw(lines)
    for offset in np.arange(-mask.size[1], mask.size[0], step):
        pencil.line([(offset, mask.size[1]), (offset + mask.size[1], 0)], fill=1)
    drawing.bitmap((x1, y1), Image.fromarray(np.asarray(mask) & np.asarray(lines)), fill=ink)


def draw_person(drawing, rng, thing: Thing, picture) -> None:
    x, y = (min(int(SCALE * v), limit - 1) for v, limit in zip(thing.joints[2], picture.size))
    light = sum(picture.getpixel((x, y))) / 3
    ink = tuple(int(v) for v in (rng.uniform(0, 50, 3) if light > 118 else rng.uniform(215, 255, 3)))
    joints = [(SCALE * x, SCALE * y) for x, y in thing.joints]
    height = SCALE * (thing.box[3] - thing.box[1])
    for a, b in BONES:
        drawing.line([joints[a], joints[b]], fill=ink, width=max(2, int(0.035 * height)))
    radius = min(joints[0][1] - SCALE * thing.box[1], 0.12 * height)
    x, y = joints[0]
    drawing.ellipse([x - radius, y - radius, x + radius, y + radius], fill=ink)


def paint(rng, colour: str) -> tuple[int, int, int]:
    """A colour as it happens to look today: hue within 8 degrees, brightness and saturation within a quarter."""
    hue = (COLOURS[colour] + rng.uniform(-0.022, 0.022)) % 1
    value = rng.uniform(0.85, 1.0) if colour in ("yellow", "orange") else rng.uniform(0.68, 1.0)
    return tuple(int(255 * v) for v in colorsys.hsv_to_rgb(hue, rng.uniform(0.75, 1.0), value))


def noisy(rng, picture: Image.Image) -> Image.Image:
    if rng.random() < 0.15:
        picture = picture.filter(ImageFilter.GaussianBlur(rng.uniform(0.3, 0.9)))
    pixels = np.asarray(picture, np.float32)
    pixels = pixels + rng.standard_normal(pixels.shape, np.float32) * rng.uniform(0, 10)
    return Image.fromarray(pixels.clip(0, 255).astype(np.uint8))


def _grey(rng) -> np.ndarray:
    return (rng.uniform(40, 235) + rng.uniform(-14, 14, 3)).clip(0, 255).astype(int)


def _turn(vector, angle: float) -> np.ndarray:
    """Rotated so that a positive angle swings a hanging limb to the left of the picture: the figure's right."""
    x, y = vector
    return np.array((x * math.cos(angle) - y * math.sin(angle), x * math.sin(angle) + y * math.cos(angle)))


def _cover(a, b) -> float:
    """The larger share of either box that the other hides."""
    w, h = min(a[2], b[2]) - max(a[0], b[0]), min(a[3], b[3]) - max(a[1], b[1])
    areas = [(box[2] - box[0]) * (box[3] - box[1]) for box in (a, b)]
    return max(0.0, w) * max(0.0, h) / min(areas)
