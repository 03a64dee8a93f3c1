"""Plots as SVG text: lines over a grid, points with names, bars. They take the colours of the page around them.

A model has a colour and a shape, so that no plot needs colour to be read. Nothing is fetched, nothing is drawn twice.
"""
from __future__ import annotations

import math
from collections.abc import Sequence
from html import escape

COLOURS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#8c8c8c")
WIDTH, HEIGHT = 340, 250
LEFT, RIGHT, TOP, BOTTOM = 44, 12, 10, 38
LONGEST_NAME = 34  # characters

Point = tuple[float, float]
Range = tuple[float, float]


def lines(series: Sequence[tuple[int, str, Sequence[Point]]], x: str, y: str, *, diagonal: bool = False,
          dots: bool = False, title: str = "", fitting: bool = False) -> str:
    """(a model's number, its name, points from 0 to 1) each; `diagonal` is drawn where x and y should be equal.

    `fitting` ends the x axis where the points end, for scores that are all small.
    """
    most = max((point[0] for _, _, points in series for point in points), default=1) if fitting else 1
    span = (0.0, min(1.0, _round_up(most)))
    marks = [_line([(0, 0), (span[1], span[1])], span, (0, 1), "plot-ideal")] if diagonal else []
    for place, _, points in series:
        if len(points) > 1:
            marks.append(_line(points, span, (0, 1), "plot-line", place))
        if dots or len(points) == 1:
            marks += [shape(place, *_at(point, span, (0, 1))) for point in points]
    return _figure(_axes(span, (0, 1), x, y) + "".join(marks), f"{title}: {y} over {x}")


def scatter(points: Sequence[tuple[int, str, float, float]], x: str, y: str, *, title: str = "") -> str:
    """(a model's number, its name, x, y) each, with the Pareto front: nobody is better both ways (less x, more y)."""
    if not points:
        return ""
    most = max(point[2] for point in points) or 1
    span, height = (0.0, _round_up(most * 1.08)), (0.0, 1.0)
    front = [(px, py) for _, _, px, py in sorted(points, key=lambda p: (p[2], -p[3]))
             if not any((ox <= px and oy > py) or (ox < px and oy >= py) for _, _, ox, oy in points)]
    steps = [front[0]]
    for px, py in front[1:]:
        steps += [(px, steps[-1][1]), (px, py)]
    steps.append((span[1], steps[-1][1]))
    marks = [_line(steps, span, height, "plot-front")]
    marks += [shape(place, *_at((px, py), span, height)) for place, _, px, py in points]
    return _figure(_axes(span, height, x, y) + "".join(marks), f"{title}: {y} over {x}")


def legend(names: Sequence[str]) -> str:
    """Which model has which colour and shape."""
    items = "".join(f'<li><svg viewBox="0 0 14 14" width="14" height="14" aria-hidden="true">{shape(i, 7, 7)}</svg>'
                    f'<span>{escape(name)}</span></li>' for i, name in enumerate(names))
    return f'<ul class="plot-legend">{items}</ul>'


def whisker(value: float, interval: Sequence[float] | None, place: int) -> str:
    """A number from 0 to 1 as a dot on a line, with its interval: what stands beside it in a table."""
    low, high = (max(0.0, min(1.0, one)) for one in (interval or (value, value)))
    at = [round(4 + 92 * one, 1) for one in (low, max(0.0, min(1.0, value)), high)]
    return (f'<svg class="whisker" viewBox="0 0 100 12" width="100" height="12" aria-hidden="true">'
            f'<line class="plot-grid" x1="4" y1="6" x2="96" y2="6"/><line x1="{at[0]}" y1="6" x2="{at[2]}" y2="6" '
            f'stroke="{colour(place)}" stroke-width="3" stroke-linecap="round" opacity="0.45"/>'
            f'<circle cx="{at[1]}" cy="6" r="3.5" fill="{colour(place)}"/></svg>')


def colour(place: int) -> str:
    return COLOURS[place % len(COLOURS)]


def _figure(inside: str, told: str) -> str:
    return (f'<svg class="plot" viewBox="0 0 {WIDTH} {HEIGHT}" role="img" aria-label="{escape(told)}">{inside}</svg>')


def _axes(x_range: Range, y_range: Range, x: str, y: str) -> str:
    marks = []
    for i in range(5):
        share = i / 4
        px, py = _at((x_range[0] + share * (x_range[1] - x_range[0]), y_range[0] + share * (y_range[1] - y_range[0])),
                     x_range, y_range)
        marks += [f'<line class="plot-grid" x1="{px}" y1="{TOP}" x2="{px}" y2="{HEIGHT - BOTTOM}"/>',
                  f'<line class="plot-grid" x1="{LEFT}" y1="{py}" x2="{WIDTH - RIGHT}" y2="{py}"/>',
                  f'<text x="{px}" y="{HEIGHT - BOTTOM + 15}" text-anchor="middle">'
                  f'{_tick(x_range[0] + share * (x_range[1] - x_range[0]))}</text>',
                  f'<text x="{LEFT - 6}" y="{py + 4}" text-anchor="end">'
                  f'{_tick(y_range[0] + share * (y_range[1] - y_range[0]))}</text>']
    middle = (TOP + HEIGHT - BOTTOM) / 2
    return "".join(marks) + (
        f'<text class="plot-name" x="{(LEFT + WIDTH - RIGHT) / 2}" y="{HEIGHT - 6}" text-anchor="middle">{escape(x)}'
        f'</text><text class="plot-name" transform="translate(11 {middle}) rotate(-90)" text-anchor="middle">'
        f'{escape(y)}</text>')


def _at(point: Point, x_range: Range, y_range: Range) -> Point:
    share = [(value - low) / ((high - low) or 1) for value, (low, high) in zip(point, (x_range, y_range))]
    return (round(LEFT + share[0] * (WIDTH - LEFT - RIGHT), 1),
            round(HEIGHT - BOTTOM - share[1] * (HEIGHT - TOP - BOTTOM), 1))


def _line(points: Sequence[Point], x_range: Range, y_range: Range, kind: str, place: int | None = None) -> str:
    path = " ".join(f"{x},{y}" for x, y in (_at(point, x_range, y_range) for point in points))
    stroke = "" if place is None else f' stroke="{colour(place)}"'
    return f'<polyline class="{kind}"{stroke} points="{path}"/>'


def shape(place: int, x: float, y: float) -> str:
    """●, ■, ▲, ◆ in turn."""
    paint, kind = colour(place), place % 4
    if kind == 0:
        return f'<circle cx="{x}" cy="{y}" r="4.5" fill="{paint}"/>'
    corners = {1: ((-4, -4), (4, -4), (4, 4), (-4, 4)), 2: ((0, -5.5), (5, 4), (-5, 4)),
               3: ((0, -6), (6, 0), (0, 6), (-6, 0))}[kind]
    path = " ".join(f"{round(x + dx, 1)},{round(y + dy, 1)}" for dx, dy in corners)
    return f'<polygon points="{path}" fill="{paint}"/>'


def _round_up(value: float) -> float:
    """To 1, 2, 4, 5 or 8 times a power of ten, so that quarters of it are short numbers."""
    power = 10 ** math.floor(math.log10(value)) if value > 0 else 1
    return next(step * power for step in (1, 2, 4, 8, 10, 20) if step * power >= value)


def _tick(value: float) -> str:
    return f"{value:.3g}" if value < 10 else f"{value:.0f}"
