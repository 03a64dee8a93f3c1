"""The README runs: every command in it exists, every page of its tree too, and the `python -m app` ones are run."""
from __future__ import annotations

import json
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
README = (ROOT / "README.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"```bash\n(.*?)```", README, re.DOTALL)
COMMANDS = [line.split("#")[0].strip() for block in BLOCKS for line in block.splitlines() if line.split("#")[0].strip()]
OURS = [line for line in COMMANDS if line.startswith("python -m app ")]
DEMO = [line for line in COMMANDS if line.startswith("python -m trainer.demo ")]
TREE = re.search(r"## The tree\n+```\n(.*?)```", README, re.DOTALL)[1]


def test_the_readme_has_its_commands():
    assert {"make run", "make test"} <= set(COMMANDS)
    assert {line.split()[3] for line in OURS} == {
        "models", "parse", "predict", "compare", "selftest", "metrics", "evaluate", "jobs", "import", "export",
        "train"}
    assert {line.split()[3] for line in DEMO} == {"draw", "train", "tune", "evaluate"}
    assert not set(COMMANDS) - {"make run", "make test"} - set(OURS) - set(DEMO)


@pytest.mark.parametrize("target", ["run", "test", "test-all"])
def test_make_targets_exist(target):
    assert f"`make {target}`" in README
    done = subprocess.run(["make", "--dry-run", target], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("line", OURS)
def test_every_app_command_of_the_readme_runs(line, tmp_path, monkeypatch):
    from trainer.demo.scenes import scene

    scene(2, 3, held_out=False).picture.save(tmp_path / "picture.jpg")
    (tmp_path / "answer.txt").write_text("<loc0046><loc0538><loc0795><loc1022> cat")
    (tmp_path / "gt.json").write_text('{"images": [{"id": 1, "file_name": "picture.jpg"}], "annotations": [], '
                                      '"categories": [{"id": 1, "name": "star"}]}')
    (tmp_path / "pred.json").write_text("[]")
    if " evaluate " in line or " train " in line:
        dataset_named(tmp_path / "home", "street", tmp_path / "picture.jpg")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("BOXLOOP_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("PYTHONPATH", str(ROOT))  # of the jobs that a command begins
    if " export " in line:  # needs what the line before it brings in
        said(next(each for each in OURS if " import " in each))
    found = json.loads(said(line))
    assert found or " jobs " in line, line
    if " parse " in line:
        assert found["annotations"][0]["label"] == "cat"
    if " compare " in line:
        assert {each["model"] for each in found["predictions"]} == {"tiny-paligemma", "tiny-qwen3-vl"}
        assert "failed" not in {each["status"] for each in found["predictions"]}


def said(line: str) -> str:
    """What the command prints. In this process: tests/test_cli.py starts one for each, which loads torch each time."""
    from typer.testing import CliRunner

    from app import cli
    command, _, source = line.partition("<")
    text = Path(source.strip()).read_text() if source else ""
    done = CliRunner().invoke(cli.commands, shlex.split(command)[3:], text)
    assert done.exit_code == 0, done.stderr or done.exception
    return done.stdout


def dataset_named(home: Path, name: str, picture: Path) -> None:
    """One held-out scene with a star, and one to learn from."""
    from dataclasses import replace

    from PIL import Image as Picture

    from app import pictures
    from app.store import Store
    from app.types import Annotation, Sample

    store = Store(home)
    sample = Sample("s", (pictures.read(picture),), "detect", "star", (Annotation("star", (9.0, 9.0, 60.0, 60.0)),))
    dataset = store.datasets.create(name).id
    store.datasets.add(dataset, [sample], split="val")
    Picture.effect_noise((96, 64), 60).convert("RGB").save(picture.with_name("other.png"))
    other = replace(sample, id="o", images=(pictures.read(picture.with_name("other.png")),), truth=())
    store.datasets.add(dataset, [other], split="train")
    store.close()


@pytest.mark.parametrize("line", DEMO)
def test_every_demo_command_of_the_readme_is_understood(line):
    """`--help` of each; the options that the README uses are among those it lists."""
    words = shlex.split(line)
    done = subprocess.run([sys.executable, *words[1:4], "--help"], cwd=ROOT, capture_output=True, text=True,
                          env=_environment(ROOT) | {"COLUMNS": "200", "NO_COLOR": "1", "TERM": "dumb"})
    assert done.returncode == 0, done.stderr
    for option in (word for word in words if word.startswith("--")):
        assert option in done.stdout, f"{option} is no option of {words[3]}"


def test_every_page_of_the_tree_exists():
    above, checked = [], 0
    for line in TREE.splitlines():
        indent = (len(line) - len(line.lstrip())) // 2
        name = line.split()[0]
        above = [*above[:indent], name.rstrip("/")]
        assert (ROOT / Path(*above)).exists(), f"the README names {'/'.join(above)}"
        checked += 1
    assert checked > 15


def test_links_lead_somewhere():
    links = re.findall(r"\]\(([^)#]+)\)", README)
    assert links
    for link in links:
        assert link.startswith("https://") or (ROOT / link).exists(), link


def _environment(folder: Path) -> dict:
    import os
    return os.environ | {"PYTHONPATH": str(ROOT), "BOXLOOP_HOME": str(folder / "home")}
