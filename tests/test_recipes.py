"""The recipes, the commands and the code of the other pages print what the pages show."""

import contextlib
import io
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from skrnn.__main__ import main

DOCS = Path(__file__).parents[1] / "docs"
NUMBER = re.compile(r"-?\d+\.\d+(?:e[-+]\d+)?")
NEEDED = {"A service with FastAPI": ["fastapi", "httpx"], "MLflow and skops": ["mlflow", "skops"]}
NEEDED["ONNX and Keras files"] = ["tensorflow", "tf2onnx", "onnxruntime"]


def sections(page):
    """Return the text of each section of a page by its title."""
    _, *parts = re.split(r"^## (.+)\n", (DOCS / page).read_text("utf-8"), flags=re.MULTILINE)
    return dict(zip(parts[::2], parts[1::2], strict=True))


def blocks(text):
    """Return kind and content of each block of code."""
    return re.findall(r"^```(\w+)\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)


def assert_prints(found, shown):
    """Compare outputs: equal words, and close decimal numbers, because processors round differently."""
    assert NUMBER.sub("#", found).split() == NUMBER.sub("#", shown).split(), found
    for a, b in zip(NUMBER.findall(found), NUMBER.findall(shown), strict=True):
        assert float(a) == pytest.approx(float(b), abs=0.05, rel=0.05), found


RECIPES = sections("recipes.md")


@pytest.mark.filterwarnings("ignore:In the future `np.object`:FutureWarning")  # by tf2onnx
@pytest.mark.filterwarnings("ignore:.*Any type hint is inferred:UserWarning")  # by MLflow
@pytest.mark.parametrize(
    "title",
    [
        pytest.param(title, marks=[pytest.mark.slow] * (title in NEEDED))
        for title, text in RECIPES.items()
        if "```python" in text
    ],
)
def test_recipe_prints_what_the_page_shows(title, tmp_path, monkeypatch):
    for library in NEEDED.get(title, ()):
        pytest.importorskip(library)
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(tmp_path)
    names, printed = {}, ""
    for kind, code in blocks(RECIPES[title]):
        if kind == "python" and code.startswith("# app.py"):
            Path("app.py").write_text(code, "utf-8")
        elif kind == "python":
            with contextlib.redirect_stdout(io.StringIO()) as output:
                exec(compile(code, title, "exec"), names)
            printed += output.getvalue()
        elif kind == "text":
            assert_prints(printed, code)
            printed = ""
    assert printed == "", "an output is not on the page"


@pytest.mark.slow
@pytest.mark.parametrize("page", ["index", "install", "guide", "coming_from", "serving"])
def test_page_prints_what_it_shows(page, tmp_path):
    """Run a page as a script in a new process."""
    if page == "coming_from":
        pytest.importorskip("keras")
    code = blocks((DOCS / f"{page}.md").read_text("utf-8"))
    (tmp_path / "page.py").write_text("\n".join(block for kind, block in code if kind == "python"), "utf-8")
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "page.py"], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr[-2000:]
    assert_prints(done.stdout, "".join(block for kind, block in code if kind == "text"))


@pytest.mark.slow
def test_commands_print_what_the_page_shows(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    page = (DOCS / "command_line.md").read_text("utf-8")
    ((_, code),) = [block for block in blocks(page) if block[0] == "python"]
    exec(compile(code, "command_line.md", "exec"), {})
    for kind, block in blocks(page):
        for command, shown in re.findall(
            r"^\$ (skrnn .+)\n((?:[^$].*\n|\n)*)", block.replace("\\\n", ""), re.MULTILINE
        ):
            with contextlib.suppress(SystemExit):
                main(shlex.split(command)[1:])
            found = capsys.readouterr()
            assert_prints(found.out + found.err, shown)
        assert kind in ("python", "console")
