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


def test_the_snippet_prints_what_the_readme_shows(capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (snippet,) = blocks("python")
    exec(compile(snippet, "README.md", "exec"), {})
    score, *predictions = capsys.readouterr().out.split()
    shown_score, *shown_predictions = blocks("text")[1].split()
    # The sentences depend on the versions of pandas and scikit-learn.
    assert float(score) == pytest.approx(float(shown_score), abs=0.03)
    assert predictions == shown_predictions


def test_the_output_of_the_quick_start_beats_tfidf():
    baseline, own = map(float, re.findall(r"accuracy (0\.\d+)", blocks("text")[0]))
    assert own > baseline


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
    targets = re.findall(r"\]\((?!https?://)([^)#]+)", text) + re.findall(r'src="([^"]+)"', text)
    for target in targets:
        assert (ROOT / target).exists(), target


def test_every_estimator_is_in_the_table():
    import skrnn

    for name in skrnn.__all__:
        assert re.search(rf"^\|.*`{name}`.* \|", README, re.MULTILINE), name


def test_badges_and_citation_agree_with_the_package():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    badge = {
        path.stem: re.findall(r"<text[^>]*>(.*)</text>", path.read_text("utf-8"))[1]
        for path in (ROOT / "docs" / "_static").glob("badge_*.svg")
    }
    pythons = re.findall(r"Python :: (3\.\d+)", str(project["classifiers"]))
    (scikit_learn,) = re.findall(r"scikit-learn>=([\d.]+)", str(project["dependencies"]))
    assert badge == {
        "badge_python": f"{pythons[0]} – {pythons[-1]}",
        "badge_licence": project["license"],
        "badge_scikit_learn": f"≥ {scikit_learn}",
    }
    citation = (ROOT / "CITATION.cff").read_text("utf-8")
    assert f"version: {project['version']}\nlicense: {project['license']}" in citation
    workflow = (ROOT / ".github" / "workflows" / "ci.yml").read_text("utf-8")
    assert re.findall(r'"(3\.\d+)"', workflow.partition("python-version: [")[2].partition("]")[0]) == pythons
