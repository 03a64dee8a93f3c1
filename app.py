"""The Space's entry, and `python app.py` anywhere: a workspace, its page, served. Models load when first asked."""
import os

os.environ.setdefault("GRADIO_ANALYTICS_ENABLED", "False")  # before gradio: else it looks outside hosts up on import

from app.workspace import Workspace

workspace = Workspace()
workspace.jobs.supervise()  # jobs that run are looked after at once, and not when gradio is imported

from app.ui import access, page  # noqa: E402

demo = page.build(workspace)

if __name__ == "__main__":
    access.announce(workspace)
    for problem in workspace.catalogue.problems:
        print(f"* {problem}", flush=True)
    page.launch(demo)
