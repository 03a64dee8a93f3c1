"""Training as a job, from the question whether it can begin to what becomes of the tuned model.

    check = preflight(workspace, "cells", "tiny-paligemma", ["preset=quick"])       # in a process of its own
    job = submit(workspace, "cells", "tiny-paligemma", ["preset=quick", "rank=8"])
    curve(workspace.jobs.folder(job.id)), shown(workspace.jobs.folder(job.id))      # while it learns
    tuned(workspace, job.id).id                          # "tuned-260102-120000-a1b2c3", in the catalogue by itself
    workspace.jobs.result(job.id)["comparison"]          # the receipt: base against tuned
    download(workspace, job.id)                          # a zip; merge, push and delete take the same

The work is done by `python -m trainer RUN_DIR`, which knows neither store nor page: it gets the samples as files.
"""
from app.training.checking import Check, preflight
from app.training.leaving import delete, download, merge, push
from app.training.submitting import command, new_corrections, prepared, settings_of, submit, tuned
from app.training.watching import curve, shown

__all__ = ["Check", "command", "curve", "delete", "download", "merge", "new_corrections", "preflight", "prepared",
           "push", "settings_of", "shown", "submit", "tuned"]
