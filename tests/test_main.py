"""The command line: each command on each kind of table, and errors of one line."""

import gzip
import io
import re
import subprocess
import sys

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import accuracy_score, f1_score, log_loss, mean_absolute_error, r2_score

from skrnn import RNNTextEncoder, load, save
from skrnn.__main__ import main
from skrnn.inspection import occlude

TEXTS = ["a good film", "a bad film", "very good", "very bad, sadly"] * 4
TABLE = pd.DataFrame(
    {
        "review": TEXTS,
        "opinion": ["yes", "no"] * 8,
        "stars": [4, 2, 5, 1] * 4,
        "minutes": [90.5, 100.0, 110.0, 120.0] * 4,
        "about": ["film", "film;tone", "", "tone"] * 4,
        "is_film": [1, 1, 0, 0] * 4,
        "is_short": [0, 0, 1, 1] * 4,
    }
)
TINY = ["layer=simple_rnn", "rnn_units=3", "embedding_dim=3", "epochs=2"]
SETTINGS = [word for setting in TINY for word in ("--set", setting)]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Return a folder with a table and the models of three kinds of targets."""
    folder = tmp_path_factory.mktemp("commands")
    TABLE.to_csv(folder / "train.csv", index=False)
    main(fit(folder / "train.csv", "opinion", folder / "labels.skrnn"))
    main([*fit(folder / "train.csv", "about", folder / "several.skrnn"), "--separator", ";"])
    main(
        [*fit(folder / "train.csv", "stars", folder / "numbers.skrnn"), "--label", "minutes", "--regression"]
    )
    return folder


def fit(table, label, model):
    named = ["--text", "review", "--label", label, "-o", str(model)]
    return ["fit", str(table), *named, "--quiet", *SETTINGS]


def error(capsys, *arguments):
    """Return the line that a wrong command writes."""
    capsys.readouterr()
    with pytest.raises(SystemExit) as stopped:
        main([str(argument) for argument in arguments])
    found = capsys.readouterr()
    assert stopped.value.code == 2 and found.out == "" and found.err.count("\n") == 1
    return found.err


def predicted(capsys, *arguments):
    capsys.readouterr()
    main(["predict", *(str(argument) for argument in arguments)])
    return pd.read_csv(io.StringIO(capsys.readouterr().out), keep_default_na=False)


# -- fit -------------------------------------------------------------------------------------------------


def test_fit_trains_the_estimator_with_the_settings(folder):
    model = load(folder / "labels.skrnn")
    assert type(model).__name__ == "RNNTextClassifier" and model.classes_.tolist() == ["no", "yes"]
    assert (model.layer, model.rnn_units, model.n_iter_, model.random_state) == ("simple_rnn", 3, 2, 0)
    assert model.feature_names_in_.tolist() == ["review"]
    expected = type(model)(**model.get_params()).fit(TEXTS, TABLE["opinion"])
    np.testing.assert_array_equal(model.predict_proba(TEXTS), expected.predict_proba(TEXTS))


def test_fit_writes_progress_to_standard_error(folder, tmp_path, capsys):
    arguments = [word for word in fit(folder / "train.csv", "opinion", tmp_path / "m") if word != "--quiet"]
    main(arguments)
    found = capsys.readouterr()
    assert found.out == ""
    assert "16 rows for training, 2 labels" in found.err and found.err.count("epoch ") == 2
    main([*arguments, "--quiet"])
    assert capsys.readouterr() == ("", "")


def test_fit_holds_rows_out_and_reports_on_them(folder, tmp_path, capsys):
    main([*fit(folder / "train.csv", "opinion", tmp_path / "m"), "--test-size", "0.25", "--tfidf"])
    lines = capsys.readouterr().out.splitlines()
    assert re.fullmatch(r" +accuracy +\d\.\d{3} +4", lines[5])
    assert [re.split(r"  +", line)[0] for line in lines[-2:]] == [
        "RNNTextClassifier",
        "TF-IDF + LogisticRegression",
    ]
    assert set(load(tmp_path / "m").vocabulary_) <= set(" ".join(TEXTS).replace(",", " ,").split())


def test_fit_skips_rows_without_a_label(tmp_path, capsys):
    TABLE.assign(opinion=["", " ", *TABLE["opinion"][2:]]).to_csv(tmp_path / "t.csv", index=False)
    main(fit(tmp_path / "t.csv", "opinion", tmp_path / "m"))
    assert f"2 rows of {tmp_path / 't.csv'} without a label are skipped" in capsys.readouterr().err
    assert load(tmp_path / "m").classes_.tolist() == ["no", "yes"]


def test_fit_advises_regression_for_labels_that_hardly_repeat(tmp_path, capsys):
    TABLE.assign(opinion=range(16)).to_csv(tmp_path / "t.csv", index=False)
    main([word for word in fit(tmp_path / "t.csv", "opinion", tmp_path / "m") if word != "--quiet"])
    assert "16 labels. For numbers, pass --regression" in capsys.readouterr().err


@pytest.mark.filterwarnings("always:.*n_iter_no_change:UserWarning")
def test_warnings_are_one_line(folder, tmp_path, capsys):
    main([*fit(folder / "train.csv", "opinion", tmp_path / "m"), "--set", "n_iter_no_change=4"])
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == 1 and lines[0].startswith("skrnn: warning: ")


# -- tables ----------------------------------------------------------------------------------------------


def write(name, path):
    kind = name.split(".")[1]
    if kind == "parquet":
        pytest.importorskip("pyarrow")
        TABLE.to_parquet(path)
    elif kind in ("jsonl", "ndjson"):
        TABLE.to_json(path, orient="records", lines=True)
    else:
        TABLE.to_csv(path, index=False, sep="\t" if kind in ("tsv", "tab") else ",")


@pytest.mark.parametrize(
    "name", ["t.csv.gz", "t.tsv", "t.tab.xz", "t.jsonl", "t.ndjson.bz2", "t.parquet", "t.txt"]
)
def test_tables_of_each_format_give_the_same_predictions(name, folder, tmp_path, capsys):
    write(name, tmp_path / name)
    expected = predicted(capsys, folder / "labels.skrnn", folder / "train.csv")
    found = predicted(capsys, folder / "labels.skrnn", tmp_path / name)
    pd.testing.assert_frame_equal(found, expected)
    assert list(found) == [*TABLE, "prediction"]


@pytest.mark.parametrize("name", ["o.csv", "o.tsv.gz", "o.jsonl", "o.parquet"])
def test_predictions_are_written_in_each_format(name, folder, tmp_path):
    if "parquet" in name:
        pytest.importorskip("pyarrow")
    main(["predict", str(folder / "labels.skrnn"), str(folder / "train.csv"), "-o", str(tmp_path / name)])
    main(["predict", str(folder / "numbers.skrnn"), str(tmp_path / name), "-o", str(tmp_path / "again.csv"),
          "--text", "review"])  # fmt: skip
    again = pd.read_csv(tmp_path / "again.csv", keep_default_na=False)
    assert again["prediction"].tolist() == load(folder / "labels.skrnn").predict(TEXTS).tolist()
    numbers = load(folder / "numbers.skrnn").predict(TEXTS)
    np.testing.assert_allclose(again[["prediction_stars", "prediction_minutes"]], numbers, rtol=1e-6)


def test_labels_of_all_formats_are_the_same_strings(folder, tmp_path):
    pytest.importorskip("pyarrow")
    table = TABLE.assign(stars=pd.array([4, 2, 5, None] * 4, dtype="Int64"))
    table.to_parquet(tmp_path / "t.parquet")
    table.to_json(tmp_path / "t.jsonl", orient="records", lines=True)
    for name in ("t.parquet", "t.jsonl"):
        main(fit(tmp_path / name, "stars", tmp_path / "m"))
        assert load(tmp_path / "m").classes_.tolist() == ["2", "4", "5"]


def test_encoding_delimiter_and_quotes(folder, tmp_path, capsys):
    (tmp_path / "t.csv").write_bytes('review;x\n"gut\n"schön;2\n'.encode("latin-1"))
    options = ["--encoding", "latin-1", "--delimiter", ";", "--no-quotes"]
    found = predicted(capsys, folder / "labels.skrnn", tmp_path / "t.csv", *options, "--text", "review")
    assert len(found) == 2
    assert "Pass --encoding" in error(capsys, "predict", folder / "labels.skrnn", tmp_path / "t.csv")
    (tmp_path / "t.txt").write_text("review\tx\ngood, film\t1\n", "utf-8-sig")
    found = predicted(capsys, folder / "labels.skrnn", tmp_path / "t.txt", "--delimiter", r"\t")
    assert found["review"].tolist() == ["good, film"]


def test_standard_input_and_missing_texts(folder, monkeypatch, capsys):
    monkeypatch.setattr(sys, "stdin", io.StringIO("review,x\ngood film,1\n,2\n"))
    found = predicted(capsys, folder / "labels.skrnn", "-")
    assert found["review"].tolist() == ["good film", ""] and set(found["prediction"]) <= {"yes", "no"}


# -- predict, evaluate, explain --------------------------------------------------------------------------


def test_predict_adds_probabilities(folder, capsys):
    model = load(folder / "labels.skrnn")
    found = predicted(capsys, folder / "labels.skrnn", folder / "train.csv", "--probabilities")
    assert list(found)[-3:] == ["prediction", "probability_no", "probability_yes"]
    np.testing.assert_allclose(found.iloc[:, -2:], model.predict_proba(TEXTS), atol=1e-6)


def test_predict_joins_several_labels(folder, capsys):
    model = load(folder / "several.skrnn")
    found = predicted(capsys, folder / "several.skrnn", folder / "train.csv", "--probabilities")
    names = np.array(["film", "tone"])
    assert found["prediction"].tolist() == [";".join(names[row == 1]) for row in model.predict(TEXTS)]
    np.testing.assert_allclose(found["probability_tone"], model.predict_proba(TEXTS)[:, 1], atol=1e-6)


def test_several_columns_of_labels(folder, tmp_path, capsys):
    main([*fit(folder / "train.csv", "is_film", tmp_path / "m"), "--label", "is_short"])
    found = predicted(capsys, tmp_path / "m", folder / "train.csv")
    expected = load(tmp_path / "m").predict(TEXTS)
    np.testing.assert_array_equal(found[["prediction_is_film", "prediction_is_short"]], expected)
    main(["evaluate", str(tmp_path / "m"), str(folder / "train.csv")])
    assert re.search(r"^ +is_film +\d", capsys.readouterr().out, re.MULTILINE)


def test_labels_may_be_lists_in_json_lines(folder, tmp_path, capsys):
    table = TABLE.assign(about=[value.split(";") if value else [] for value in TABLE["about"]])
    table.to_json(tmp_path / "t.jsonl", orient="records", lines=True)
    main([*fit(tmp_path / "t.jsonl", "about", tmp_path / "m"), "--separator", ";"])
    same = load(folder / "several.skrnn").predict_proba(TEXTS)
    np.testing.assert_array_equal(load(tmp_path / "m").predict_proba(TEXTS), same)


def scores(capsys, *arguments):
    """Return the last table that evaluate writes, as numbers by model."""
    capsys.readouterr()
    main(["evaluate", *(str(argument) for argument in arguments)])
    out = capsys.readouterr().out
    rows = [re.split(r"  +| (?=-?\d)", line) for line in out.rpartition("\n\n")[2].splitlines()[1:]]
    return {row[0]: [float(value) for value in row[1:]] for row in rows}


def test_evaluate_reports_the_scores_of_scikit_learn(folder, capsys):
    model, y = load(folder / "labels.skrnn"), TABLE["opinion"].to_numpy()
    table = scores(capsys, folder / "labels.skrnn", folder / "train.csv", "--tfidf", folder / "train.csv")
    expected = [accuracy_score(y, model.predict(TEXTS)), log_loss(y, model.predict_proba(TEXTS)[:, 1])]
    assert table["RNNTextClassifier"] == pytest.approx(expected, abs=6e-4)
    assert table["TF-IDF + LogisticRegression"][0] == 1


def test_evaluate_several_labels(folder, capsys):
    model, y = load(folder / "several.skrnn"), np.array([[1, 0], [1, 1], [0, 0], [0, 1]] * 4)
    table = scores(capsys, folder / "several.skrnn", folder / "train.csv", "--tfidf", folder / "train.csv")
    found, p = model.predict(TEXTS), model.predict_proba(TEXTS)
    losses = -np.mean(np.log(np.where(y == 1, p, 1 - p)))
    expected = [accuracy_score(y, found), f1_score(y, found, average="micro", zero_division=0), losses]
    assert table["RNNTextClassifier"] == pytest.approx(expected, abs=6e-4)
    assert table["TF-IDF + LogisticRegression"][0] > 0.9


def test_evaluate_numbers(folder, capsys):
    model, y = load(folder / "numbers.skrnn"), TABLE[["stars", "minutes"]].to_numpy()
    table = scores(capsys, folder / "numbers.skrnn", folder / "train.csv", "--tfidf", folder / "train.csv")
    found = model.predict(TEXTS)[:, 1]
    expected = [r2_score(y[:, 1], found), mean_absolute_error(y[:, 1], found)]
    assert table["RNNTextRegressor minutes"][:2] == pytest.approx(expected, rel=1e-3, abs=6e-4)
    assert list(table)[2:] == ["TF-IDF + Ridge stars", "TF-IDF + Ridge minutes"]


def test_evaluate_leaves_unknown_labels_out_of_the_log_loss(folder, tmp_path, capsys):
    TABLE.assign(opinion=["perhaps", *TABLE["opinion"][1:]], about=["what;tone"] * 16).to_csv(
        tmp_path / "t.csv"
    )
    main(["evaluate", str(folder / "labels.skrnn"), str(tmp_path / "t.csv")])
    found = capsys.readouterr()
    assert "1 rows have a label that the model does not know" in found.err and "perhaps" in found.out
    main(["evaluate", str(folder / "several.skrnn"), str(tmp_path / "t.csv")])
    assert "the model does not know these labels, which are left out: what" in capsys.readouterr().err


def test_explain_lists_the_importances(folder, tmp_path, capsys):
    model, text = load(folder / "labels.skrnn"), "a <good> film"
    path = tmp_path / "e.html"
    main(["explain", str(folder / "labels.skrnn"), "--text", text, "--target", "no", "--html", str(path)])
    first, *lines = capsys.readouterr().out.splitlines()
    tokens, importances, value, _ = occlude(model, text, target="no")
    assert first == f"no: probability {value:.3f}"
    assert [line.split()[1] for line in lines] == tokens == ["a", "<", "good", ">", "film"]
    np.testing.assert_allclose([float(line.split()[0]) for line in lines], importances, atol=6e-4)
    page = path.read_text("utf-8")
    assert "&lt;</span>" in page and re.sub(r"<[^>]+>", "", page).strip().endswith("a &lt;good&gt; film")


@pytest.mark.parametrize(
    ("model", "options", "first"),
    [
        ("several", ["--target", "tone"], r"tone: probability \d"),
        ("several", [], r"(tone|film): probability \d"),
        ("numbers", ["--target", "minutes"], r"minutes: prediction \d"),
        ("numbers", [], r"stars: prediction -?\d"),
    ],
)
def test_explain_names_the_target(model, options, first, folder, capsys):
    capsys.readouterr()
    main(["explain", str(folder / f"{model}.skrnn"), "--text", "good", *options])
    assert re.match(first, capsys.readouterr().out)


# -- errors ----------------------------------------------------------------------------------------------


def test_errors_name_the_table_and_the_column(folder, tmp_path, capsys):
    model, table = folder / "labels.skrnn", folder / "train.csv"
    assert "cannot read no.csv: No such file" in error(capsys, "predict", model, "no.csv")
    assert "has no column 'x'; its columns are 'review'" in error(
        capsys, "predict", model, table, "--text", "x"
    )
    (tmp_path / "t.csv.gz").write_bytes(gzip.compress(b"a,b\n" * 1000)[:20])
    assert "cannot read" in error(capsys, "predict", model, tmp_path / "t.csv.gz")
    (tmp_path / "t.csv").write_text("review,prediction\ngood,1\n")
    assert "already has a column 'prediction'" in error(capsys, "predict", model, tmp_path / "t.csv")
    (tmp_path / "t.csv").write_text("review,opinion\ngood,\n")
    with pytest.raises(SystemExit):
        main(["evaluate", str(model), str(tmp_path / "t.csv")])
    assert "has no rows with a label" in capsys.readouterr().err


def test_errors_name_the_model(folder, tmp_path, capsys):
    assert "cannot be loaded" in error(capsys, "predict", folder / "train.csv", folder / "train.csv")
    save(RNNTextEncoder(objective="random", random_state=0).fit(TEXTS), tmp_path / "e")
    assert "RNNTextEncoder, which predicts nothing" in error(capsys, "explain", tmp_path / "e", "--text", "a")
    model = load(folder / "labels.skrnn").fit(TEXTS, TABLE["opinion"])  # not by the command line
    save(model, tmp_path / "m")
    assert "pass --text" in error(capsys, "predict", tmp_path / "m", folder / "train.csv")
    assert "pass --label" in error(capsys, "evaluate", tmp_path / "m", folder / "train.csv")
    table = scores(capsys, tmp_path / "m", folder / "train.csv", "--text", "review", "--label", "opinion")
    assert list(table) == ["RNNTextClassifier"]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--set", "epoch=3"], "Got 'epoch=3'. The names are activation, analyzer"),
        (["--set", "epochs"], "--set takes NAME=VALUE"),
        (["--set", "epochs=-1"], "epochs.*-1"),
        (["--regression"], "column 'opinion' must hold numbers"),
        (["--label", "stars"], "must hold 0 and 1. Got 'yes' in the column 'opinion'"),
        (["--label", "about", "--separator", ";"], "--separator needs one column of labels"),
        (["--tfidf"], "--tfidf needs --test-size"),
        (["-o", "no_folder/m.skrnn"], "the folder no_folder does not exist"),
        (["--epochs", "3"], "unrecognized arguments: --epochs 3"),
    ],
)
def test_fit_refuses_wrong_options(options, message, folder, tmp_path, capsys):
    assert re.search(message, error(capsys, *fit(folder / "train.csv", "opinion", tmp_path / "m"), *options))


def test_other_wrong_options(folder, capsys):
    assert "COMMAND" in error(capsys)
    assert "is no classifier" in error(
        capsys, "predict", folder / "numbers.skrnn", folder / "train.csv", "--probabilities"
    )
    assert "--target must be one of no, yes. Got 'x'" in error(
        capsys, "explain", folder / "labels.skrnn", "--text", "a", "--target", "x"
    )


def test_the_command_predicts_without_a_backend(folder):
    """Run in a new process, in which a pipe is closed early."""
    code = (
        "import sys, skrnn.__main__\n"
        "skrnn.__main__.main(sys.argv[1:])\n"
        "sys.exit(bool({'keras', 'tensorflow', 'matplotlib'} & sys.modules.keys()))"
    )
    command = [sys.executable, "-c", code, "predict", str(folder / "labels.skrnn"), str(folder / "train.csv")]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "") and done.stdout.count("\n") == 17
    wrong = [sys.executable, "-m", "skrnn", "predict", "no.skrnn", "no.csv"]
    done = subprocess.run(wrong, capture_output=True, text=True, check=False)
    assert done.returncode == 2 and done.stdout == "" and done.stderr.count("\n") == 1
