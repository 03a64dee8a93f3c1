"""Data in and out: `import PATH`, `export`."""
from __future__ import annotations

import hashlib
import shutil
import sys
from dataclasses import asdict
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import filelock
import typer

from app import formats
from app.cli.common import AsJson, Home, commands, fail, failing_in_one_line, print_json
from app.formats.base import CONVENTIONS
from app.workspace import Workspace

FormatOption = Annotated[str, typer.Option("--format", help="Such as coco, yolo, voc, refcoco, jsonl, trl, datasets.")]
Name = Annotated[str, typer.Option("--dataset", help="Its name; an import makes it if it is not there.")]
Part = StrEnum("Part", {name: name for name in ("train", "val")})
Split = Annotated[Part | None, typer.Option("--split", help="val is what is held out.")]
Boxes = StrEnum("Boxes", {name: name for name in CONVENTIONS})
FamilyOption = Annotated[str, typer.Option("--family", help="Whose language answers are in (trl).")]
FEW = 5  # rows that are shown to a person; --json has them all


@commands.command("import")
def import_(
    path: Annotated[str, typer.Argument(help="A file, folder or zip, as the format has it; for hub owner/name.")],
    format: FormatOption,
    dataset: Name,
    split: Split = None,
    pictures: Annotated[str, typer.Option("--pictures", help="A folder of the pictures, or a mirror's URL.")] = "",
    urls: Annotated[bool, typer.Option("--urls", help="Fetch pictures from the addresses in the rows.")] = False,
    boxes: Annotated[Boxes | None, typer.Option("--boxes", help="Against what the format declares.")] = None,
    classes: Annotated[str, typer.Option("--classes", help="Only pictures with these, separated by ;")] = "",
    count: Annotated[int | None, typer.Option("--count", min=1, help="Only so many samples.")] = None,
    family: FamilyOption = "",
    revision: Annotated[str, typer.Option("--revision", help="Of a dataset on the Hub.")] = "",
    home: Home = None,
    as_json: AsJson = False,
) -> None:
    """Bring a dataset in; what is wrong with a row costs that row and is reported."""
    _check(format, "read")
    with failing_in_one_line():
        from app.importing import Import, import_into  # brings SQLAlchemy
        workspace = Workspace(home)
        if workspace.ephemeral:
            print(workspace.ephemeral, file=sys.stderr)
        wanted = Import(str(Path(path).absolute()) if Path(path).exists() else path, format, dataset,
                        split and split.value, pictures, urls, boxes.value if boxes else "", family, revision,
                        tuple(filter(None, (" ".join(each.split()) for each in classes.split(";")))), count).checked()
        # The same import again finds the folder of one that was killed, and goes on there.
        folder = workspace.scratch / f"import-{hashlib.sha256(repr(asdict(wanted)).encode()).hexdigest()[:16]}"
        folder.mkdir(parents=True, exist_ok=True)
        try:
            with filelock.FileLock(folder / "lock", timeout=0):
                report = import_into(workspace.store, wanted, folder).to_json()
        except filelock.Timeout:
            raise ValueError("another process imports this at the moment; wait for it to end") from None
        except ValueError:
            if not (folder / "import.json").exists():  # nothing to go on from
                shutil.rmtree(folder, ignore_errors=True)
            raise
        shutil.rmtree(folder, ignore_errors=True)
    print_json(report) if as_json else print(_readable(report, dataset))
    if not report["kept"]:
        fail("nothing was imported" + (f": {report['refused'][0]['row']} {report['refused'][0]['why']}"
                                       if report["refused"] else ""))


@commands.command()
def export(
    dataset: Annotated[str, typer.Option("--dataset", help="Its name or id.")],
    format: FormatOption,
    out: Annotated[str, typer.Option("--out", help="A new folder, or a .zip; for hub owner/name.")],
    split: Split = None,
    snapshot: Annotated[str | None, typer.Option("--snapshot", help="A version of it, by id.")] = None,
    augment: Annotated[str, typer.Option("--augment", help="More questions from the same boxes: count, enclosed, "
                                         "partial, empty, separated by commas.")] = "",
    family: FamilyOption = "",
    home: Home = None,
    as_json: AsJson = False,
) -> None:
    """Take a dataset away; what the format cannot carry is named."""
    _check(format, "write")
    with failing_in_one_line():
        from app.exporting import export as export_to  # brings SQLAlchemy
        more = [each.strip() for each in augment.split(",") if each.strip()]
        told = export_to(Workspace(home).store, dataset, format, out, split=split and split.value, snapshot=snapshot,
                         family=family, augment=more)
    if as_json:
        print_json(told)
        return
    print("\n".join([f"{told['samples']:,} samples of {told['dataset']} as {told['format']}: {told['path']}",
                     *(f"  not carried: {each}" for each in told["lost"])]))


def _check(format: str, able: str) -> None:
    try:
        formats.find(format, able)
    except ValueError as problem:
        raise typer.BadParameter(str(problem), param_hint="--format") from problem


def _readable(report: dict, dataset: str) -> str:
    lines = [f"{report['kept']:,} of {report['samples']:,} samples are in {dataset}"
             + (f", {report['already']:,} of them before" if report["already"] else "")]
    for kind, word in (("repaired", "how"), ("refused", "why")):
        shown = report[kind][:FEW]
        lines += [f"  {kind} {each['row']}: {each[word]}" for each in shown]
        if more := report[f"{kind}_rows"] - len(shown):
            lines.append(f"  and {more:,} more were {kind}; --json lists them")
    lines += [f"  split: {each['name']} was said to be {each['said']}, and is {each['split']}: {each['why']}"
              for each in report["split_conflicts"][:FEW]]
    if more := len(report["split_conflicts"]) - FEW:
        lines += [f"  and {more:,} more conflicts of splits; --json lists them"] if more > 0 else []
    return "\n".join(lines)
