"""Each line of any_text.md has the result its row names, pictures show the tables, and paths exist.

tests/test_recipes.py runs the code of the other pages, and tests/test_engines.py that of scaling.md.
"""

import bz2
import gzip
import importlib.util
import lzma
import re
import zipfile
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

ROOT = Path(__file__).parents[1]
DOCUMENT = (ROOT / "docs" / "any_text.md").read_text("utf-8")
LINES = dict(re.findall(r"^\| (.+?) \| `(.+)` \|$", DOCUMENT, re.MULTILINE))
LIBRARIES = {"pl": "polars", "pa": "pyarrow", "nltk": "nltk", "gensim": "gensim", "skrub": "skrub"}
CONTAINERS = [
    name for name, line in LINES.items() if re.fullmatch(r"encoder\(\)\.fit\((?!texts\)\.).+\)", line)
]


@pytest.fixture(scope="module")
def names(tmp_path_factory):
    """Return the names that the lines use; "folder" holds files of word vectors."""
    folder = tmp_path_factory.mktemp("vectors")
    rows = "film 0.1 0.2\ngood 0.3 0.4\n"
    (folder / "glove.txt").write_text(rows)
    (folder / "word2vec.txt").write_text("2 2\n" + rows)
    (folder / "fasttext.vec").write_text("2 2\n" + rows)
    (folder / "glove.txt.gz").write_bytes(gzip.compress(rows.encode()))
    (folder / "glove.txt.bz2").write_bytes(bz2.compress(rows.encode()))
    (folder / "glove.txt.xz").write_bytes(lzma.compress(rows.encode()))
    with zipfile.ZipFile(folder / "glove.zip", "w") as archive:
        archive.writestr("glove.txt", rows)
    binary = b"".join(
        word + b" " + np.array(row, "<f4").tobytes() + b"\n"
        for word, row in [(b"film", [0.1, 0.2]), (b"good", [0.3, 0.4])]
    )
    (folder / "word2vec.bin").write_bytes(b"2 2\n" + binary)
    names = {"np": np, "pd": pd, "folder": folder}
    (block,) = re.findall(r"^```python\n(.*?)^```$", DOCUMENT, re.MULTILINE | re.DOTALL)
    exec(compile(block, "any_text.md", "exec"), names)
    return names


def run(name, names, monkeypatch):
    monkeypatch.chdir(names["folder"])
    for short, library in LIBRARIES.items():
        if f"{short}." in LINES[name]:
            names[short] = pytest.importorskip(library)
            if short == "gensim":
                importlib.import_module("gensim.models")
    return eval(LINES[name], names)


def test_every_row_of_the_tables_is_read():
    assert len(LINES) == DOCUMENT.count("\n| ") - 3 and len(CONTAINERS) == 18


@pytest.mark.parametrize("name", LINES)
def test_line_runs(name, names, monkeypatch):
    result = run(name, names, monkeypatch)
    if name in CONTAINERS:
        expected = names["encoder"]().fit(names["texts"]).transform(names["texts"])
        np.testing.assert_array_equal(result.transform(names["texts"]), expected)
    elif ".tokenize(" in LINES[name]:
        rows = result[0] if isinstance(result[0][0], list) else result
        assert len(rows) == 5 and all(isinstance(token, str) for row in rows for token in row)
    elif name == "ids back to text":
        assert result.tolist() == [text.lower() for text in names["texts"]]
    elif re.search(r"embeddings=[^\"]|glove|word2vec|fasttext", LINES[name]) and hasattr(
        result, "vocabulary_"
    ):
        table = result._weights["embedding/embeddings"]
        assert table.shape[1] == 2
        if "train_vectors" not in LINES[name]:
            np.testing.assert_allclose(table[result.vocabulary_["film"]], [0.1, 0.2], atol=1e-6)


def test_tokens_of_analyzers(names, monkeypatch):
    see = {
        name: run(name, names, monkeypatch) for name in ("words", "characters", "given terms", "with case")
    }
    assert see["words"][0] == ["a", "good", "film", ",", "isn", "'", "t", "it", "?"]
    assert see["with case"][1][0] == "Ein" and see["characters"][2] == ["好", "电", "影"]
    assert see["given terms"][4].count("film") == 1 and set(see["given terms"][1]) == {"film", "<unk>"}


def test_relative_links_exist():
    for page in (ROOT / "docs").glob("*.md"):
        for target in re.findall(r"\]\((?!https?://)([^)#]+)", page.read_text("utf-8")):
            assert (page.parent / target).exists(), (page.name, target)


@pytest.mark.parametrize(
    "document",
    [
        "README.md",
        "CONTRIBUTING.md",
        "benchmarks/README.md",
        *(f"docs/{page.name}" for page in sorted(ROOT.glob("docs/*.md"))),
    ],
)
def test_paths_named_in_text_exist(document):
    text = (ROOT / document).read_text("utf-8")
    pattern = r"(?<![\w/])(?:skrnn|tests|benchmarks|examples)/[\w./]*\w\.(?:py|md)"
    missing = [path for path in re.findall(pattern, text) if not (ROOT / path).exists()]
    assert not missing


def test_commands_of_promises_select_tests():
    page = (ROOT / "docs" / "how_it_is_built.md").read_text("utf-8")
    commands = re.findall(r'`pytest (?:-m slow )?(\S+) -k "?([\w ]+?)"?`', page)
    assert len(commands) > 3
    for path, expression in commands:
        for word in expression.split(" or "):
            assert re.search(rf"def test_\w*{word}", (ROOT / path).read_text("utf-8")), (path, word)


def test_picture_names_files_of_the_package():
    picture = (ROOT / "docs" / "_static" / "how_it_is_built.svg").read_text("utf-8")
    labels = re.findall(r'class="file"[^>]*>([^<]+)<', picture)
    assert labels
    missing = [path for label in labels for path in label.split(", ") if not (ROOT / "skrnn" / path).exists()]
    assert not missing


def test_gallery_lists_every_example():
    order = (ROOT / "docs" / "conf.py").read_text("utf-8").split("_ORDER = [")[1].split("]")[0]
    listed = re.findall(r'"(\w+\.py)"', order)
    assert sorted(listed) == sorted(path.name for path in (ROOT / "examples").glob("*.py"))


def test_every_example_has_a_thumbnail():
    for path in (ROOT / "examples").glob("*.py"):
        text = path.read_text("utf-8")
        thumbnail = re.findall(r"sphinx_gallery_thumbnail_path = '(.+)'", text)
        assert "plt.show()" in text or (ROOT / "docs" / thumbnail[0]).exists(), path.name


@pytest.mark.parametrize("page", sorted(ROOT.glob("docs/*.md")), ids=lambda page: page.stem)
def test_code_is_at_most_80_columns_wide(page):
    code = re.findall(r"^ *```\w+\n(.*?)^ *```$", page.read_text("utf-8"), re.MULTILINE | re.DOTALL)
    assert [line for line in "".join(code).splitlines() if len(line) > 80] == []


def test_pictures_show_the_tables_of_the_benchmarks(tmp_path, monkeypatch):
    """If it fails, run python docs/draw_pictures.py."""
    pytest.importorskip("matplotlib").use("Agg")
    spec = importlib.util.spec_from_file_location("draw_pictures", ROOT / "docs" / "draw_pictures.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    monkeypatch.setattr(module, "STATIC", tmp_path)
    module.draw()
    drawn = sorted(tmp_path.glob("*.svg"))
    assert len(drawn) == 4
    for picture in drawn:
        words, shown = (
            re.findall(r">([^<>\n]+)</text>", path.read_text("utf-8"))
            for path in (picture, ROOT / "docs" / "_static" / picture.name)
        )
        assert words == shown, picture.name
