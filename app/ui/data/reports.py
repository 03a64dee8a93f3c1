"""What came of an import or an export, in words and tables. Pure: the result of the job is handed over."""
from __future__ import annotations

from collections.abc import Mapping, Sequence

from app import formats
from app.types import Job
from app.ui.component import printable
from app.ui.data.parts import cut
from app.ui.words import counted

SHOWN = 200  # rows of one table
LONGEST = 500  # characters of one cell
DRAWN = {"drawn": "drawn by lot, because the files say none"}


def imported(spec: Mapping, told: Mapping) -> dict:
    """A Report of an import: kept, repaired, refused with row and reason, split conflicts, what there is."""
    name = cut(str(spec.get("dataset", "")))
    refused, repaired = told.get("refused_rows", 0), told.get("repaired_rows", 0)
    kept, already = told.get("kept", 0), told.get("already", 0)
    facts = [f"{counted(told.get('samples', 0), 'sample')} read, {kept:,} kept, {refused:,} refused, "
             f"{repaired:,} repaired."]
    facts += [f"{already:,} of the kept were in the dataset already, and are there once."] if already else []
    splits = {DRAWN.get(name, name): number for name, number in (told.get("splits") or {}).items()}
    facts += _counts("Classes", told.get("classes")) + _counts("Splits", splits)
    facts += _counts("Sizes", told.get("sizes"))
    conflicts = told.get("split_conflicts") or []
    tables = [_table("Refused", ("row", "why"), told.get("refused"), refused),
              _table("Repaired", ("row", "how"), told.get("repaired"), repaired),
              _table("Split conflicts: the split that a picture has already stays", tuple(conflicts[0]) if conflicts
                     else (), conflicts, len(conflicts))]
    return {"title": f"Imported into {name}", "facts": facts, "tables": [each for each in tables if each]}


def exported(spec: Mapping, told: Mapping) -> dict:
    """A Report of an export: how many, and what the format cannot carry."""
    title = formats.find(str(spec.get("format", "")), "write").title
    lost = [{"what": each} for each in told.get("lost") or []]
    facts = [f"{counted(told.get('samples', 0), 'sample')} written."]
    facts += [] if lost else ["All that the dataset holds went along."]
    table = _table("Left behind, because the format has no place for it", ("what",), lost, len(lost))
    return {"title": f"{cut(str(told.get('dataset', '')))} as {title}", "facts": facts,
            "tables": [table] if table else []}


def failed(title: str, job: Job) -> dict:
    """A Report of a job that came to nothing, or has not ended."""
    facts = [text(job.problem)] if job.problem else []
    if job.status in ("queued", "running"):
        facts += ["The report follows when it has ended."]
    elif job.status == "cancelled":
        facts += ["What it kept before it was cancelled stays. Resume goes on from there."]
    return {"title": f"{title}: {job.status}", "facts": facts, "tables": []}


def text(value: object) -> str:
    plain = printable(str(value))
    return plain if len(plain) <= LONGEST else plain[:LONGEST] + "…"


def _counts(title: str, counts: Mapping | None) -> list[str]:
    if not counts:
        return []
    shown = [f"{text(name)} {number:,}" for name, number in list(counts.items())[:20]]
    more = f", and {len(counts) - 20} more" if len(counts) > 20 else ""
    return [f"{title}: {', '.join(shown)}{more}."]


def _table(title: str, columns: Sequence[str], rows: Sequence[Mapping] | None, number: int) -> dict | None:
    if not rows:
        return None
    shown = [[text(row.get(column, "")) for column in columns] for row in rows[:SHOWN]]
    more = f"{number - len(shown):,} more stand in the run folder of the job." if number > len(shown) else ""
    return {"title": f"{title} ({number:,})", "columns": [column.replace("_", " ") for column in columns],
            "rows": shown, "more": more}
