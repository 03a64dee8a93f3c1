"""The Space's entry, and `python app.py` anywhere: a workspace, its page, served. Models load when first asked."""
import os

os.environ.setdefault("GRADIO_ANALYTICS_ENABLED", "False")  # before gradio: else it looks outside hosts up on import

from app.ui import page
from app.workspace import Workspace

demo = page.build(Workspace())

if __name__ == "__main__":
    page.launch(demo)
