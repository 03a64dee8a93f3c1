"""`python -m trainer.push RUN_DIR` sends a tuned model to the Hub: a job of its own, so that it can be tried again.

Needs HF_TOKEN. A new repository is private. No torch: the files are there already.
"""
from __future__ import annotations

import re
from pathlib import Path

from app.jobs.run import Run, work

NAME = re.compile(r"\w[\w.-]{0,95}/\w[\w.-]{0,95}")


def push(folder: Path, repo: str) -> str:
    """The address of the commit. Raises ValueError with a sentence where the Hub cannot be reached or refuses."""
    import httpx2
    from huggingface_hub import HfApi, errors
    if not NAME.fullmatch(repo):
        raise ValueError(f"{repo[:200]!r} is no name on the Hub; it is like you/cells")
    if not (folder / "README.md").is_file():
        raise ValueError(f"there is no tuned model in {folder}: its run may have been deleted")
    try:
        api = HfApi()
        api.create_repo(repo, private=True, exist_ok=True)
        return str(api.upload_folder(folder_path=folder, repo_id=repo, commit_message="Add a model tuned by Boxloop"))
    except errors.HfHubHTTPError as problem:
        status = problem.response.status_code if problem.response is not None else 0
        help = "; set HF_TOKEN to a token that may write there" if status in (401, 403) else ""
        raise ValueError(f"the Hub refused {repo} ({str(problem).splitlines()[0][:200]}){help}") from problem
    except (errors.OfflineModeIsEnabled, httpx2.HTTPError, OSError) as problem:
        words = (str(problem).splitlines() or [type(problem).__name__])[0][:200]
        raise ValueError(f"the Hub cannot be reached for {repo} ({words}); try again later") from problem


def pushing(run: Run) -> dict:
    run.progress(0, 1, f"sending to {run.spec['repo']}")
    told = push(Path(run.spec["folder"]), run.spec["repo"])
    run.progress(1, 1, "sent")
    return {"job": run.spec["job"], "repo": run.spec["repo"], "commit": told}


if __name__ == "__main__":
    work(pushing)
