"""Buttons that hand something over: a file that Python prepares when it is wanted, a text for the clipboard.

    download = Download("All as zip")

    def pack(comparison: str) -> Path:
        path = fresh(f"{name}.zip")
        downloads.archive(store.comparison(comparison), titles, path)
        return path

    download.prepares(pack, [comparison_id])

Not `gr.DownloadButton`: its click downloads what it already holds, so the file that this click asked for comes with
the next one.
"""
from __future__ import annotations

import logging
import secrets
from collections.abc import Callable
from dataclasses import dataclass
from functools import wraps
from pathlib import Path

import gradio as gr
from gradio import utils
from gradio.data_classes import FileData, GradioModel

from app.downloads import file_name
from app.ui.component import parts, printable
from app.ui.events import QUIET

HERE = Path(__file__).parent
AT_ONCE = 2  # files being prepared: each may hold a decoded picture of 150 MB
# What the page says by itself where Gradio refuses the result, such as a file outside its cache. (After a lost
# connection Gradio starts the page anew.)
REFUSED = "() => ({file: null, problem: 'The file cannot be handed over.', ready: true, ticket: `${Date.now()}`})"

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Failure:
    """Why there is no file, in a sentence."""
    problem: str


class DownloadData(GradioModel):
    """What travels. A new `ticket` is news even if all else is the same, and ends the waiting."""
    file: FileData | None = None
    problem: str = ""
    ready: bool = True
    ticket: str = ""


class Download(gr.HTML):
    """Takes True (can be clicked), False (greyed out), a path (the browser saves it now), or a Failure."""
    data_model = DownloadData

    def __init__(self, label: str, value: bool = True, **rest):
        super().__init__(value=value, label=label, **parts(HERE, "download", **rest))

    def prepares(self, prepare: Callable[..., str | Path], inputs: list | None = None) -> None:
        """A click calls `prepare` with the inputs, and the browser saves the file whose path it returns.

        The file lies in Gradio's cache, where `fresh` makes a place for it. A ValueError is a sentence for the person.
        """
        asked = self.click(answered(prepare), inputs, [self], concurrency_limit=AT_ONCE, **QUIET)
        asked.failure(None, None, [self], js=REFUSED, **QUIET)

    def postprocess(self, value: bool | str | Path | Failure | None) -> DownloadData:
        if value is None or isinstance(value, bool):
            return DownloadData(ready=bool(value))
        ticket = secrets.token_hex(4)
        if isinstance(value, Failure):
            return DownloadData(problem=printable(value.problem), ticket=ticket)
        return DownloadData(file=FileData(path=str(value), orig_name=Path(value).name), ticket=ticket)


class WaysOut(Download):
    """Two buttons of a panel: `correct` fires for the way to the Correct tab, the other saves the picture."""

    def __init__(self, **rest):
        own = parts(HERE, "ways_out", [HERE / "download.js"], [HERE / "download.css", HERE / "ways_out.css"], **rest)
        own["html_template"] = own["html_template"].replace(
            "<!-- download -->", (HERE / "download.html").read_text("utf-8"))
        super(Download, self).__init__(value=True, label="Save this picture", **own)


class Copied(gr.HTML):
    """A button that puts its text on the clipboard and says so. Takes the text; without one it is greyed out."""

    def __init__(self, label: str, value: str = "", **rest):
        super().__init__(value=value, label=label, **parts(HERE, "copied", **rest))

    def postprocess(self, value: str | None) -> str:
        return printable(value or "")


def fresh(name: str) -> Path:
    """A path in a new folder of Gradio's cache, under a name like this one: the name that the browser saves it by."""
    folder = Path(utils.get_upload_folder()) / secrets.token_hex(16)
    folder.mkdir(parents=True)
    return folder / file_name(name, "download")


def answered(prepare: Callable[..., str | Path]) -> Callable[..., Path | Failure]:
    """`prepare`, with every failure as a Failure, so that no button waits for ever."""
    @wraps(prepare)
    def answered(*inputs):
        try:
            return Path(prepare(*inputs))
        except ValueError as problem:  # written for the person, PictureError among them
            return Failure(str(problem))
        except OSError as problem:
            log.exception("preparing a download")
            return Failure(f"The file could not be written: {problem.strerror or type(problem).__name__}.")
        except Exception as bug:  # ours: it crashes, beside one button, and the log has the way to it
            log.exception("preparing a download")
            return Failure(f"A fault in Boxloop: {type(bug).__name__}; the log has the details.")
    return answered
