"""The README: snippets run, links resolve, and commands name existing files and extras."""

import re
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text("utf-8")


def blocks(language):
    return re.findall(rf"^```{language}\n(.*?)^```$", README, re.MULTILINE | re.DOTALL)


def marked_command(mark):
    (command,) = re.findall(rf"<!-- {mark} -->\n```bash\n(.*?)\n```", README, re.DOTALL)
    return command


def test_the_snippets_run(capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    names = {}
    for block in blocks("python"):
        exec(compile(block, "README.md", "exec"), names)
    score, predictions, pipeline_score, translation, loaded = capsys.readouterr().out.strip().splitlines()
    # Half of the sentences come from pandas, so that guessing scores 0.5.
    assert float(score) > 0.6 and float(pipeline_score) > 0.6
    assert len(re.findall("'numpy'|'pandas'", predictions)) == 2
    assert loaded.strip("[]") in predictions
    assert translation == "['2011-12-24']"


def test_the_first_snippet_has_at_most_ten_lines():
    assert len([line for line in blocks("python")[0].splitlines() if line]) <= 10


@pytest.mark.parametrize("mark", ["main-command", "test-command"])
def test_a_marked_command_is_one_line_and_names_existing_files_and_extras(mark):
    command = marked_command(mark)
    assert "\n" not in command
    extras = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    (names,) = re.findall(r"\.\[([\w,-]+)\]", command)
    assert set(names.split(",")) <= extras["optional-dependencies"].keys()
    for script in re.findall(r"examples/\w+\.py", command):
        assert (ROOT / script).exists()


@pytest.mark.parametrize("document", ["README.md", "CONTRIBUTING.md", "CHANGELOG.md"])
def test_relative_links_exist(document):
    text = (ROOT / document).read_text("utf-8")
    for target in re.findall(r"\]\((?!https?://)([^)#]+)", text):
        assert (ROOT / target).exists(), target


def test_every_estimator_is_in_the_table():
    import skrnn

    for name in skrnn.__all__:
        assert re.search(rf"^\|.*`{name}`.* \|", README, re.MULTILINE), name
