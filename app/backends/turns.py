"""A queue in front of a device or a server: who stands among the first `wide` may ask, the others see how many wait."""
from __future__ import annotations

import threading
from collections.abc import Callable, Iterator

LOOK = 0.1  # seconds between looks at a stop that was set while waiting


class Turns:
    """A device answers one question at a time, a server several."""

    def __init__(self, wide: int = 1) -> None:
        self.line: list[Turn] = []
        self.moved = threading.Condition()
        self.wide = wide

    def join(self) -> Turn:
        with self.moved:
            self.line.append(Turn(self))
            return self.line[-1]

    def leave(self, turn: Turn) -> None:
        with self.moved:
            self.line.remove(turn)
            self.moved.notify_all()


class Turn:
    def __init__(self, turns: Turns) -> None:
        self.turns = turns

    def waiting(self, ended: Callable[[], bool]) -> Iterator[int]:
        """How many stand before this one, whenever that changes, until it may go ahead or `ended()`."""
        told = None
        while not ended():
            with self.turns.moved:
                ahead = max(0, self.turns.line.index(self) - self.turns.wide + 1)
                if ahead and ahead == told:
                    self.turns.moved.wait(LOOK)
                    continue
            if not ahead:
                return
            told = ahead
            yield ahead
