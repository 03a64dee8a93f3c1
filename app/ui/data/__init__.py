"""The Data tab: datasets, what is in them, and the ways in and out. Long work is a job; the tab follows it."""
from __future__ import annotations

import gradio as gr

from app import formats, tasks
from app.store.browsing import Only
from app.store.errors import NotFound
from app.types import Dataset
from app.ui import access, words
from app.ui.component import HIDDEN, classes, present, seen
from app.ui.data import forms, reports
from app.ui.data.parts import Grid, Page, Report, Shelf, cut
from app.ui.data.saying import hint_of
from app.ui.data.sources import source
from app.ui.download import Download, fresh
from app.ui.events import AT_ONCE, STREAMED, brought, in_words
from app.ui.examples import Example
from app.ui.jobs import JobList, drawer
from app.ui.jobs import cards as jobs_words
from app.ui.overlay import Overlay, View
from app.ui.panel import Notice
from app.ui.shown import displayable
from app.ui.words import counted
from app.workspace import Workspace

AT_A_TIME = 48  # samples on a page
INSIDE, LOOKED = "data-inside", "panels data-look"  # the classes of what is there while a dataset, a sample is open
KINDS = ("import", "export")
NO_JOBS = "What you import or export shows up here, and goes on when you leave."
NOTHING = ("No datasets yet. Import one: a COCO file, a YOLO folder, VOC files and many more, as a zip or by its path. "
           "Or take the examples.")
ALL = Only()


def tab(here: gr.Tab, workspace: Workspace, examples: list[Example]) -> None:
    """Lays the tab out inside `here`."""
    store, jobs = workspace.store, workspace.jobs

    # Handlers. `chosen` is a dataset's id, `at` the number of the first sample on the page.

    def arrive(chosen: str):
        """The tab was opened: the dataset that was looked at before, or the first one."""
        known = [dataset.id for dataset in store.datasets.all()]
        yield from shown(chosen if chosen in known else known[0] if known else "")

    def shown(chosen: str, only: Only = ALL, at: int = 0, **said):
        """Everything about a dataset."""
        datasets = store.datasets.all()
        now = next((dataset for dataset in datasets if dataset.id == chosen), None)
        gone = store.browsing.removed()
        changes = {
            memory: now.id if now else "", offset: at, notice: words.sentence(**said),
            shelf: ([(each, store.browsing.page(each.id, limit=4)) for each in datasets], now.id if now else ""),
            empty: words.sentence("" if datasets else NOTHING), take_examples: gr.update(visible=not datasets),
            inside: present(now is not None, INSIDE), looked: present(False, LOOKED), overlay: None,
            bring_back: gr.update(visible=bool(gone)),
            removed: gr.update(choices=[(each.name, each.id) for each in gone], value=gone[0].id if gone else None),
            into: gr.update(choices=[each.name for each in datasets]),
        }
        if now is None:
            yield changes | {grid: Page()}
            return
        yield changes | described(now, only) | {grid: page(now, only, at)}

    def described(now: Dataset, only: Only) -> dict:
        """The words about a dataset, and what its menus offer."""
        choices, last = store.browsing.choices(now.id), store.relabelling.last(now.id)
        parts = [counted(now.samples, "sample"), counted(len(choices.labels), "label")]
        parts += [f"{number:,} {'held out' if split == 'val' else 'to train on'}" for split, number in choices.splits]
        kept = store.snapshots.of(now.id)
        return {
            title: {"title": now.name, "status": " · ".join(parts), "kind": "done", "note": ""},
            **{menu: forms.menu(getattr(choices, f"{name}s"), getattr(only, name), name)
               for name, menu in menus.items()},
            old_name: gr.update(choices=forms.named(choices.labels), value=None),
            new_name: gr.update(choices=[label for label, _ in choices.labels], value=None),
            undo: gr.update(visible=last is not None, value=f"Undo: {last.words} ({counted(last.samples, 'sample')})"
                            if last else ""),
            versions: forms.versions(kept),
            version: gr.update(choices=[("as it is now", ""), *((forms.when(each), each.id) for each in kept)],
                               value=""),
        }

    def page(now: Dataset, only: Only, at: int) -> Page:
        found = store.browsing.page(now.id, only, offset=at, limit=AT_A_TIME)
        number = store.browsing.count(now.id, only)
        said = f"{at + 1:,}–{at + len(found):,} of {number:,}" if found else "No sample is like this; change a filter."
        return Page(tuple(found), said, at > 0, at + len(found) < number)

    def turn(chosen: str, at: int, *chosen_values: str, step: int = 0):
        """Another page, or other filters. What is looked at stays: a menu that loses the focus may say so once more."""
        now, only = store.datasets.find(chosen), Only(**{name: value or None for name, value in
                                                         zip(menus, chosen_values)})
        at = max(0, at + step * AT_A_TIME) if step else 0
        return {grid: page(now, only, at), offset: at, notice: words.sentence()}

    def step(event: gr.EventData, chosen: str, at: int, *values: str):
        return turn(chosen, int(at or 0), *values, step=1 if brought(event).get("step") == 1 else -1)

    def look(event: gr.EventData):
        sample = store.datasets.sample(drawer.heard(event, "id"))
        image = sample.images[0]
        said = [image.name, f"{tasks.TASKS[sample.task].title}: {sample.query}", sample.answer,
                forms.SPLITS.get(image.split), f"from {sample.source}" if sample.source else None]
        return {overlay: View(displayable(image), image.size, sample.truth or ()), looked: present(True, LOOKED),
                facts: {"text": cut(" · ".join(filter(None, said)), 2_000), "problem": False}}

    def example_dataset(visitor: gr.Request):
        access.require(workspace, visitor, "add a dataset")
        made = store.datasets.open("Examples")
        store.datasets.add(made.id, [each.sample() for each in examples])
        yield from shown(made.id, text="The examples are a dataset now: browse it, rename a class, export it.")

    def bring_in(name: str, format: str, split: str, pictures: str, boxes: str, family: str, path: str, files, chosen,
                 visitor: gr.Request):
        access.require(workspace, visitor, "import data")
        named = " ".join((name or "").split())
        if not named:
            raise ValueError("Give the dataset a name: a new one, or one that is to grow.")
        known = formats.find(format or "", "read").name
        spec = {"path": source(workspace, files, path), "format": known, "dataset": named, "split": split or None,
                "pictures": (pictures or "").strip(), "boxes": boxes or "", "family": (family or "").strip()}
        job = jobs.submit("import", spec)
        return following(job.id) | {uploads: None, path_box: "", form_said: words.sentence(
            "The import has begun. Its report follows below.")}

    def take_out(chosen: str, format: str, split: str, version: str, family: str, visitor: gr.Request):
        access.require(workspace, visitor, "export data")
        spec = {"dataset": store.datasets.find(chosen).name, "format": formats.find(format or "", "write").name,
                "split": split or None, "snapshot": version or None, "family": (family or "").strip()}
        job = jobs.submit("export", spec)
        return following(job.id) | {export_said: words.sentence("The export has begun. Save it below when it is done.")}

    def following(job: str) -> dict:
        """The card of a job that has just begun is open."""
        return {listed: drawer.told(workspace, KINDS, job), job_id: job, report: {}, save: seen(False)}

    def outcome(event: gr.EventData, visitor: gr.Request):
        """A card was opened or closed, or its job has ended."""
        opened = drawer.heard(event, "open") or drawer.heard(event, "ended")
        if not opened or not access.is_operator(workspace, visitor):
            return {report: {}, save: seen(False), job_id: ""}
        job, named = jobs.find(opened), ""
        try:
            named = jobs_words.title(jobs, job)
            spec, told = jobs.spec(opened), jobs.result(opened) if job.status == "done" else None
        except ValueError:
            spec, told = {}, None
        if told is None:
            return {report: reports.failed(named, job), save: seen(False), job_id: ""}
        words_of = reports.imported if job.kind == "import" else reports.exported
        return {report: words_of(spec, told), save: seen(job.kind == "export"), job_id: opened}

    def ended(event: gr.EventData, chosen: str, visitor: gr.Request):
        """A job has ended while one looked: its report, and its dataset on the shelf."""
        changes = outcome(event, visitor) | {form_said: words.sentence(), export_said: words.sentence()}
        job = jobs.find(drawer.heard(event, "ended"))
        if job.kind == "import":
            try:
                chosen = store.datasets.find(str(jobs.spec(job.id).get("dataset"))).id
            except ValueError:  # nothing was kept, so there is no such dataset
                chosen = chosen or ""
            for each in shown(chosen):
                yield changes | each
        else:
            yield changes

    def saved(job: str, visitor: gr.Request):
        from app.exporting import PACKED
        access.require(workspace, visitor, "take an export")
        spec = jobs.spec(job)
        packed = jobs.folder(job) / PACKED
        if not packed.is_file():
            raise ValueError("This export is not there any more; export again.")
        try:
            name = store.datasets.find(str(spec.get("dataset"))).name
        except NotFound:
            name = "dataset"
        return forms.linked(packed, fresh(f"{name}-{spec.get('format')}.zip"))

    def rename(chosen: str, old: str, new: str, visitor: gr.Request):
        access.require(workspace, visitor, "rename a class")
        if not old:
            raise ValueError("Choose the class that is to get another name.")
        yield from relabelled(chosen, store.relabelling.rename(chosen, old, new or ""), f"“{old}” is “{new}” now")

    def unrename(chosen: str, visitor: gr.Request):
        access.require(workspace, visitor, "undo a renaming")
        last = store.relabelling.last(chosen)
        if last is None:
            raise ValueError("There is nothing to undo: the samples were changed since.")
        yield from relabelled(chosen, store.relabelling.undo(chosen, last.client), f"Undone: {last.words}")

    def relabelled(chosen: str, steps, said: str):
        now = None
        for now in steps:
            yield {notice: words.sentence(f"{now.done:,} of {counted(now.total, 'sample')} renamed…")}
        left = f"; {counted(now.left, 'sample')} stayed, because somebody changed them meanwhile" if now.left else ""
        yield from shown(chosen, text=f"{said}, in {counted(now.done, 'sample')}{left}.")

    def keep_version(chosen: str, visitor: gr.Request):
        access.require(workspace, visitor, "keep a version")
        made = store.datasets.snapshot(chosen)
        yield from shown(chosen, text=f"This version is kept: {counted(made.samples, 'sample')}, {made.digest[:12]}.")

    def delete(chosen: str, visitor: gr.Request):
        access.require(workspace, visitor, "delete a dataset")
        name = store.datasets.find(chosen).name
        store.datasets.remove(chosen)
        for each in arrive(""):
            yield each | {notice: words.sentence(f"“{name}” was deleted. “Bring back” on the left undoes it.")}

    def restore(gone: str, visitor: gr.Request):
        access.require(workspace, visitor, "bring back a dataset")
        if not gone:
            raise ValueError("Choose the dataset that is to come back.")
        name = store.datasets.restore(gone).name
        yield from shown(gone, text=f"“{name}” is back, as it was.")

    def choose(event: gr.EventData):
        yield from shown(store.datasets.find(drawer.heard(event, "id")).id)

    # Layout.

    memory = gr.BrowserState("", storage_key="boxloop-data", secret=workspace.secret)
    offset, job_id = gr.State(0), gr.State("")
    with gr.Row(elem_classes="data"):
        with gr.Column(scale=0, min_width=300, elem_classes="data-side"):
            shelf = Shelf(elem_id="shelf")
            with gr.Row(visible=False, elem_classes="data-line") as bring_back:
                removed = gr.Dropdown([], label="Deleted", elem_id="removed", scale=1, min_width=100)
                restore_button = gr.Button("Bring back", size="sm", elem_id="restore", scale=0, min_width=90)
            into, files_in = forms.importing()
            (uploads, path_box, format_in, hint_in, split_in, pictures_in, boxes_in, family_in, import_button,
             form_said) = files_in
        with gr.Column(elem_classes="data-main"):
            notice = Notice(elem_id="data-said")
            empty = Notice(elem_id="data-empty")
            take_examples = gr.Button("Take the examples", elem_id="take-examples", visible=False, size="sm")
            with gr.Column(elem_classes=classes(False, INSIDE)) as inside:
                title, menus, grid = forms.browsing(Grid)
                with gr.Column(elem_classes=classes(False, LOOKED), elem_id="data-look") as looked:
                    overlay = Overlay(hint="")
                    facts = Notice(elem_id="data-facts")
                    close = gr.Button("Close", size="sm", elem_id="data-close")
                (old_name, new_name, rename_button, undo, version_button, versions, format_out, hint_out, split_out,
                 version, family_out, export_button, export_said, delete_button) = forms.changing()
            with gr.Column(elem_classes="data-jobs"):
                listed = JobList(empty=NO_JOBS, elem_id="data-jobs")
                report = Report(elem_id="report")
                save = Download("Save the zip", elem_id="save-export", visible=HIDDEN)

    # Wiring.

    everything = [memory, offset, notice, shelf, empty, take_examples, inside, looked, overlay, bring_back, removed,
                  into, title, *menus.values(), grid, facts, old_name, new_name, undo, versions, version, report, save,
                  job_id]
    filters = [memory, offset, *menus.values()]
    stream = {**STREAMED, "trigger_mode": "once"}
    here.select(arrive, [memory], everything, **STREAMED)
    shelf.select(in_words(choose, notice), None, everything, **STREAMED)
    grid.input(in_words(step, notice), filters, everything, **AT_ONCE)
    grid.select(in_words(look, notice), None, everything, **AT_ONCE)
    for menu in menus.values():
        menu.input(in_words(turn, notice), filters, everything, **AT_ONCE)
    close.click(lambda: present(False, LOOKED), None, [looked], **AT_ONCE)
    take_examples.click(in_words(example_dataset, notice), None, everything, **stream)
    restore_button.click(in_words(restore, notice), [removed], everything, **stream)
    rename_button.click(in_words(rename, notice), [memory, old_name, new_name], everything, **stream)
    undo.click(in_words(unrename, notice), [memory], everything, **stream)
    version_button.click(in_words(keep_version, notice), [memory], everything, **stream)
    delete_button.click(in_words(delete, notice), [memory], everything, **stream)
    format_in.input(in_words(hint_of("read", hint_in), hint_in), [format_in], [hint_in], **AT_ONCE)
    format_out.input(in_words(hint_of("write", hint_out), hint_out), [format_out], [hint_out], **AT_ONCE)
    import_button.click(in_words(bring_in, form_said), [into, format_in, split_in, pictures_in, boxes_in, family_in,
                                                        path_box, uploads, memory],
                        [listed, job_id, report, save, uploads, path_box, form_said], **AT_ONCE)
    export_button.click(in_words(take_out, export_said), [memory, format_out, split_out, version, family_out],
                        [listed, job_id, report, save, export_said], **AT_ONCE)
    drawer.wire(workspace, listed, KINDS)
    listed.select(in_words(outcome, notice), None, [report, save, job_id, notice], **AT_ONCE)
    listed.end(in_words(ended, notice), [memory], [*everything, form_said, export_said], **STREAMED)
    save.prepares(saved, [job_id])
