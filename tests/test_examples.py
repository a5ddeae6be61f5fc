"""Each example runs on small data; with ``-m slow``, on the full data."""

import re
import runpy
import subprocess
import sys
from pathlib import Path

import pytest

EXAMPLES = Path(__file__).parents[1] / "examples"


@pytest.fixture
def run_example(monkeypatch, capsys):
    """Return a function that runs an example and returns its output."""

    def run(name, *arguments):
        monkeypatch.setattr(sys, "argv", [name, *map(str, arguments)])
        runpy.run_path(str(EXAMPLES / name), run_name="__main__")
        return capsys.readouterr().out

    return run


def accuracies(output):
    return [float(value) for value in re.findall(r"accuracy (\d\.\d+)", output)]


def test_quickstart(run_example):
    output = run_example("quickstart.py", "--rows", 300)
    assert "300 training sentences, 5000 test sentences" in output
    baseline, own = accuracies(output)
    assert baseline > 0.65 and own > 0.65  # the more frequent of the two labels has 55 % of the rows
    assert output.count("epoch ") >= 1
    assert len(output.partition("New sentences:\n")[2].strip().splitlines()) == 4


@pytest.mark.slow
def test_quickstart_on_all_rows(run_example):
    baseline, own = accuracies(run_example("quickstart.py"))
    assert baseline > 0.8 and own > baseline


@pytest.mark.filterwarnings("ignore:FigureCanvasAgg is non-interactive")
@pytest.mark.slow  # eleven fits
@pytest.mark.parametrize("rows", [120, None])
def test_plot_pipeline(run_example, rows):
    pytest.importorskip("matplotlib")
    output = run_example("plot_pipeline.py", *[rows] * (rows is not None))
    assert len(accuracies(output)) == 4
    assert output.count("rnntextencoder__rnn_units") == 4 and "candidates: [6, 2]" in output
    assert "n_letters" in output and "text and numbers" in output


@pytest.mark.filterwarnings("ignore:FigureCanvasAgg is non-interactive")  # plt.show() in a test
@pytest.mark.parametrize("rows", [60, pytest.param(None, marks=pytest.mark.slow)])
def test_plot_tutorial_listing(run_example, rows):
    pytest.importorskip("matplotlib")
    output = run_example("plot_tutorial_listing.py", *[rows] * (rows is not None))
    counted, expected = map(int, re.search(r"(\d+) parameters; (\d+) by the formula", output).groups())
    assert counted == expected
    if rows is None:
        assert counted == 2_602_896
    assert "H: (11, 128)" in output


@pytest.mark.filterwarnings("ignore:FigureCanvasAgg is non-interactive")  # plt.show() in a test
@pytest.mark.parametrize("rows", [60, pytest.param(None, marks=pytest.mark.slow)])
def test_plot_displays(run_example, rows):
    pytest.importorskip("matplotlib")
    output = run_example("plot_displays.py", *[rows] * (rows is not None))
    (accuracy,) = accuracies(output)
    assert rows or accuracy > 0.6
    assert len(re.findall(r"^ *-?\d+\.\d\d  \S+$", output, re.MULTILINE)) == 15  # one row per token


@pytest.mark.filterwarnings("ignore:FigureCanvasAgg is non-interactive")  # plt.show() in a test
@pytest.mark.parametrize("rows", [300, pytest.param(None, marks=pytest.mark.slow)])
def test_plot_near_duplicates(run_example, rows):
    pytest.importorskip("matplotlib")
    output = run_example("plot_near_duplicates.py", *[rows] * (rows is not None))
    own, _ = (float(value) for value in re.findall(r"recall@1 (\d\.\d+)", output))
    assert own > (0.9 if rows else 0.95) and output.count("->") == 4


@pytest.mark.filterwarnings("ignore:FigureCanvasAgg is non-interactive")  # plt.show() in a test
@pytest.mark.parametrize("rows", [200, pytest.param(None, marks=pytest.mark.slow)])
def test_plot_clusters(run_example, rows):
    pytest.importorskip("matplotlib")
    output = run_example("plot_clusters.py", *[rows] * (rows is not None))
    own, baseline = (float(value) for value in re.findall(r"Rand index (-?\d\.\d+)", output))
    assert rows or own > baseline
    assert re.findall(r"^cluster (\d): \w+", output, re.MULTILINE) == ["0", "1", "2"]


@pytest.mark.filterwarnings("ignore:FigureCanvasAgg is non-interactive")  # plt.show() in a test
@pytest.mark.parametrize("n_texts", [60, pytest.param(None, marks=pytest.mark.slow)])
def test_plot_drift(run_example, n_texts):
    pytest.importorskip("matplotlib")
    output = run_example("plot_drift.py", *[n_texts] * (n_texts is not None))
    months = re.findall(r"^month +(\d+): area under the curve (\d\.\d+)$", output, re.MULTILINE)
    assert [int(month) for month, _ in months] == list(range(7, 13))
    areas = [float(area) for _, area in months]
    assert n_texts or (max(areas[:2]) < 0.55 and areas[-1] == max(areas) > 0.57)
    assert len(re.findall(r"^  \S", output, re.MULTILINE)) == 4  # some begin with a quotation mark


@pytest.mark.filterwarnings("ignore:FigureCanvasAgg is non-interactive")  # plt.show() in a test
@pytest.mark.parametrize("rows", [200, pytest.param(None, marks=pytest.mark.slow)])
def test_plot_few_labels(run_example, rows):
    pytest.importorskip("matplotlib")
    found = accuracies(run_example("plot_few_labels.py", *[rows] * (rows is not None)))
    assert len(found) == (6 if rows else 10)
    assert rows or found[4] > found[5]  # with 200 labels


@pytest.mark.filterwarnings("ignore:FigureCanvasAgg is non-interactive")  # plt.show() in a test
@pytest.mark.parametrize("pairs", [300, pytest.param(None, marks=pytest.mark.slow)])
def test_plot_translation(run_example, pairs):
    pytest.importorskip("matplotlib")
    output = run_example("plot_translation.py", *[pairs] * (pairs is not None))
    (share,) = re.findall(r"(\d\.\d+) of \d+ test texts are translated correctly", output)
    if pairs is None:
        assert float(share) > 0.95
    assert len(re.findall(r"^ +-\d+\.\d+  ", output, re.MULTILINE)) == 3


@pytest.mark.filterwarnings("ignore:FigureCanvasAgg is non-interactive")
def test_plot_translation_of_a_file(run_example, tmp_path):
    pytest.importorskip("matplotlib")
    path = tmp_path / "pairs.tsv"
    path.write_text("".join(f"word {i}\twort {i}\n" for i in range(40)), "utf-8")
    assert "of 4 test texts" in run_example("plot_translation.py", path)


@pytest.mark.filterwarnings("ignore:FigureCanvasAgg is non-interactive")
def test_plot_summarisation_of_a_file(run_example, tmp_path):
    pytest.importorskip("matplotlib")
    path = tmp_path / "pairs.tsv"
    path.write_text("".join(f"the long text about {i} and more\tabout {i}\n" for i in range(40)), "utf-8")
    output = run_example("plot_summarisation.py", path, 30)
    assert "27 training pairs, 3 test pairs" in output
    assert len(re.findall(r"ROUGE-1: .* \d+\.\d", output)) == 2


@pytest.mark.filterwarnings("ignore:FigureCanvasAgg is non-interactive")
@pytest.mark.slow
def test_plot_summarisation_on_all_pairs(run_example):
    pytest.importorskip("matplotlib")
    own, first_words = map(float, re.findall(r"ROUGE-1: .* (\d+\.\d)", run_example("plot_summarisation.py")))
    assert own > first_words + 4


@pytest.mark.filterwarnings("ignore:FigureCanvasAgg is non-interactive")
@pytest.mark.slow
@pytest.mark.parametrize("sizes", [(300, 120), ()])
def test_plot_pretraining(run_example, sizes):
    pytest.importorskip("matplotlib")
    output = run_example("plot_pretraining.py", *sizes)
    (restored,) = re.findall(r"(\d\.\d+) of the test sentences are restored", output)
    assert float(restored) > 0.9
    curves = accuracies(output)
    assert len(curves) == 4 * (1 if sizes else 4)
    if not sizes:
        assert curves[7] > curves[5]  # 200 labels: from word vectors, from scratch


@pytest.mark.filterwarnings("ignore:FigureCanvasAgg is non-interactive")
@pytest.mark.parametrize("numbers", [300, pytest.param(4000, marks=pytest.mark.slow)])
def test_plot_numbers_and_labels(run_example, numbers):
    pytest.importorskip("matplotlib")
    output = run_example("plot_numbers_and_labels.py", numbers)
    own, baseline = map(float, re.findall(r"^R2 of .+: (\S+)$", output, re.MULTILINE))
    f1 = re.findall(r"^(.+): F1 (\d\.\d\d) at 0\.50, (\d\.\d\d) at", output, re.MULTILINE)
    assert [name for name, *_ in f1] == ["even", "above 8000", "prime"]
    by_chunk = accuracies(output)
    assert len(by_chunk) == -(-numbers * 3 // 4 // 500) and output.count("epoch 6/6") == 1
    if numbers == 4000:
        assert own > max(baseline, 0.99) and by_chunk[-1] > 0.99
        assert float(f1[2][2]) > float(f1[2][1]) + 0.1  # a lower threshold finds more primes


@pytest.mark.slow
def test_search_on_dask():
    """Run in a separate process, because Dask workers import the main module."""
    pytest.importorskip("matplotlib")
    pytest.importorskip("dask.dataframe")
    pytest.importorskip("distributed")
    command = [sys.executable, "-W", "ignore", str(EXAMPLES / "search_on_dask.py"), "--rows", "120"]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert len(re.findall(r"^0\.\d{3}  \{", done.stdout, re.MULTILINE)) == 4
    assert re.search(r"120 texts in 4 partitions: 120 labels, 0 differ", done.stdout)


@pytest.mark.filterwarnings("ignore:FigureCanvasAgg is non-interactive")
@pytest.mark.slow
def test_tune_with_optuna(run_example):
    pytest.importorskip("matplotlib")
    pytest.importorskip("optuna")
    output = run_example("tune_with_optuna.py", "--trials", 4, "--rows", 300)
    assert accuracies(output)[-1] > 0.5 and "best of 4" in output
