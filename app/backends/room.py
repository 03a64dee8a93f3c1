"""The room that models have: who is in memory, who may come in, who has to go. Bookkeeping only; nothing here is torch.

A model that nobody asks goes first, the one that was asked longest ago; never one in the middle of an answer. Loads
come in in the order in which they were asked for, so that a large model is not overtaken for ever by small ones.
"""
from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import Future
from contextlib import contextmanager
from dataclasses import dataclass, field

from app.backends import ModelError
from app.types import ModelSpec

LOOK = 0.1  # seconds between looks at whether somebody still waits
GRACE = 1.0  # seconds without a question until a model counts as idle: between two pictures of a comparison it is not
PATIENCE = 20.0  # seconds after which a load does not wait for idleness: the next one asked goes after its answer


@dataclass(eq=False)
class Resident:
    """A model that is in memory, or on its way there. `users` are the questions that wait for it or are answered."""
    spec: ModelSpec
    load: Future = field(default_factory=Future)
    device: str | None = None
    bytes: int = 0
    users: int = 0
    used: float = 0.0  # when it was last asked
    leaving: bool = False  # no new question comes to it; it goes with its last answer
    worn: set[str] = field(default_factory=set)  # the adapters on it
    note: str = ""  # what its load is doing, for the person who waits


log = logging.getLogger(__name__)


class Unwanted(Exception):
    """Nobody waits for this load any more."""


class Room:
    """`budgets()` gives the bytes of each device and is asked once, with the first load: it imports torch."""

    def __init__(self, budgets: Callable[[], Mapping[str, int]], released: Callable[[], None],
                 grace: float = GRACE, patience: float = PATIENCE) -> None:
        self.changed = threading.Condition(threading.RLock())
        self.residents: list[Resident] = []
        self.grace, self.patience = grace, patience
        self._ask_budgets, self._released = budgets, released
        self._budgets: Mapping[str, int] | None = None
        self._line: list[Resident] = []  # loads that wait for memory
        self._lent: set[str] = set()
        self._reserved: dict[str, int] = {}  # bytes that are no model's, by device
        self._litter = False  # somebody went, and the memory may not be free yet

    @property
    def budgets(self) -> Mapping[str, int]:
        if self._budgets is None:
            self._budgets = dict(self._ask_budgets())
        return self._budgets

    @property
    def known(self) -> Mapping[str, int]:
        """The budgets, if they were asked for already."""
        return self._budgets or {}

    def wanted(self, resident: Resident) -> None:
        """Raises Unwanted if nobody waits for it; then nobody will, a new question loads anew."""
        with self.changed:
            if not resident.users:
                resident.leaving = True
                raise Unwanted

    def taken(self, device: str) -> int:
        """Bytes of the models that are on a device, or have been let in."""
        with self.changed:
            return sum(each.bytes for each in self.residents if each.device == device)

    def let_in(self, resident: Resident, needed: int) -> str:
        """The device that now has room for it, with as much free as there is. Waits until others went.

        Raises ModelError where no device could ever hold it, Unwanted if nobody waits for it any more.
        """
        largest = max(self.budgets.values(), default=0)
        if needed > largest:
            raise ModelError(
                f"{resident.spec.id} needs {_gb(needed)} GB of memory, and models may take {_gb(largest)} GB here; "
                "raise the budget ([memory] in models.toml), or choose a smaller model")
        began = time.monotonic()
        with self.changed:
            self._line.append(resident)
        try:
            while (device := self._place(resident, needed, began)) is None:
                pass
            return device
        finally:
            with self.changed:
                self._line.remove(resident)
                resident.note = ""
                self.changed.notify_all()

    def _place(self, resident: Resident, needed: int, began: float) -> str | None:
        """One try: a device, or None after somebody was sent away or a while was waited."""
        with self.changed:
            self.wanted(resident)
            litter = self._litter and self._line[0] is resident
            self._litter = self._litter and not litter
        if litter:
            self._released()
        with self.changed:
            here = [device for device in self.budgets if device not in self._lent]
            if self._line[0] is resident:
                free = {device: self._most(device) - self.taken(device) for device in here}
                device = max(free, key=free.get, default=None)
                if device is not None and free[device] >= needed and not self._litter:
                    resident.device, resident.bytes = device, needed
                    return device
                here = [each for each in here if self._most(each) >= needed]
                self._send_away(here, began)
            if not self._litter:
                lent = ", ".join(sorted(self._lent | self._reserved.keys()))
                resident.note = "waiting for memory" if here else f"waiting: {lent} is lent"
                self.changed.wait(LOOK)
            return None

    def _send_away(self, devices: list[str], began: float) -> None:
        """The model that was asked longest ago goes; it is only marked while it still answers."""
        now = time.monotonic()
        there = sorted((each for each in self.residents if each.device in devices and each.load.done()),
                       key=lambda each: each.used)
        idle = [each for each in there if not each.users and (each.leaving or now - each.used >= self.grace)]
        impatient = now - began > self.patience and not any(each.leaving for each in there)
        if idle or (impatient and there):
            self.leave((idle or there)[0])

    def leave(self, resident: Resident) -> None:
        """No question comes to it any more; it goes now, or with the end of its last answer."""
        with self.changed:
            resident.leaving = True
            if not resident.users and resident.load.done():
                self._gone(resident)
            self.changed.notify_all()

    def _gone(self, resident: Resident) -> None:
        if resident in self.residents:
            self.residents.remove(resident)
            close = None if resident.load.exception() else getattr(resident.load.result(), "close", None)
            if close:  # it may ask a server, which takes a while
                threading.Thread(target=_closed, args=(close,), daemon=True).start()
            resident.load = Future()  # whoever still knows the resident does not hold the model
            self._litter = True

    @contextmanager
    def used_by(self, resident: Resident) -> Iterator[None]:
        """Nobody sends it away inside. `users` was counted up by who found it, in the same breath."""
        try:
            yield
        finally:
            with self.changed:
                resident.users -= 1
                resident.used = time.monotonic()
                if resident.leaving and not resident.users and resident.load.done():
                    self._gone(resident)
                self.changed.notify_all()

    def cleared(self, device: str) -> None:
        """Idle models of a device go, to make room for an answer that ran out of memory."""
        with self.changed:
            for each in [each for each in self.residents if each.device == device and not each.users]:
                self.leave(each)
            self._litter = False
        self._released()

    def _most(self, device: str) -> int:
        """Bytes that models may take there now."""
        return max(0, self.budgets[device] - self._reserved.get(device, 0))

    @contextmanager
    def reserved(self, device: str, needed: int) -> Iterator[None]:
        """Inside, models leave so many bytes of the device alone. Those that have to go end their answers first."""
        with self.changed:
            self._reserved[device] = self._reserved.get(device, 0) + needed
        try:
            if self._made_room(device):
                self._released()
            yield
        finally:
            with self.changed:
                self._reserved[device] -= needed
                if not self._reserved[device]:
                    del self._reserved[device]
                self.changed.notify_all()

    def _made_room(self, device: str) -> bool:
        """Whether anybody had to go. Without a model on the device nothing is asked, and no torch is imported."""
        gone = False
        with self.changed:
            while there := [each for each in self.residents if each.device == device]:
                leaving = sum(each.bytes for each in there if each.leaving)
                if self.taken(device) <= self._most(device):
                    break
                if self.taken(device) - leaving > self._most(device):
                    staying = sorted((each for each in there if not each.leaving), key=lambda each: each.used)
                    self.leave(next((each for each in staying if not each.users), staying[0]))
                    gone = True
                    continue
                self.changed.wait(LOOK)
        return gone

    @contextmanager
    def lent(self, device: str) -> Iterator[None]:
        """Inside, no model is on the device and none comes to it."""
        with self.changed:
            self._lent.add(device)
            try:
                while there := [each for each in self.residents if each.device == device]:
                    for each in there:
                        self.leave(each)
                    if any(each in self.residents for each in there):
                        self.changed.wait(LOOK)
            except BaseException:
                self._lent.discard(device)
                raise
        self._released()
        try:
            yield
        finally:
            with self.changed:
                self._lent.discard(device)
                self.changed.notify_all()


def _closed(close: Callable[[], None]) -> None:
    try:
        close()
    except ModelError as problem:  # nobody waits for it
        log.warning("%s", problem)


def _gb(size: int) -> str:
    return f"{size / 1e9:.3g}"
