"""The command line ``python -m skrnn``: fit a model to a table of texts, apply, evaluate and explain it."""

from __future__ import annotations

import argparse
import ast
import contextlib
import os
import sys
import time
import warnings
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any, NoReturn

import numpy as np
import pandas as pd
from sklearn.base import is_classifier
from sklearn.model_selection import train_test_split

from skrnn import RNNTextClassifier, RNNTextRegressor, load, save
from skrnn.commands import Targets, column_of, fit_baseline, read_table, report, write_table
from skrnn.inspection import TokenImportanceDisplay, occlude


def main(argv: Sequence[str] | None = None) -> None:
    """Run one command.

    Parameters
    ----------
    argv : sequence of str, default=None
        The arguments; None reads those of the process.

    Raises
    ------
    SystemExit
        With status 2 if an argument or a file is wrong, after one line on standard error.
    """
    parser = _parser()
    options = parser.parse_args(argv)
    try:
        with warnings.catch_warnings():
            warnings.showwarning = _show_warning
            options.run(options)
            sys.stdout.flush()
    except BrokenPipeError:  # the reader, for example `head`, has enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    except KeyboardInterrupt:
        parser.exit(130, f"{parser.prog}: interrupted\n")
    except (OSError, ValueError, TypeError, ImportError, FloatingPointError) as error:
        parser.error(str(error))


class _Parser(argparse.ArgumentParser):
    """Parser whose errors are one line, without the usage."""

    def error(self, message: str) -> NoReturn:
        self.exit(2, f"{self.prog}: error: {' '.join(message.split())}\n")


def _parser() -> _Parser:
    parser = _Parser(prog="skrnn", description="Models of texts in tables. Each command has its own --help.")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    table = _Parser(add_help=False)
    add = table.add_argument_group("reading tables").add_argument
    add("--encoding", default="utf-8-sig", help="encoding of the file, for example latin-1 (default: UTF-8)")
    add("--delimiter", help="delimiter of the columns (default: a tab for .tsv and .tab, else a comma)")
    add("--no-quotes", action="store_true", help="read quotation marks as ordinary characters")
    formats = "CSV, TSV, JSON lines (.jsonl) or Parquet; CSV, TSV and JSON lines may be compressed (.gz, ...)"

    def command(name: str, run: Any, text: str, *parents: _Parser) -> Any:
        made = commands.add_parser(name, help=text, description=f"{text}.", parents=parents)
        made.set_defaults(run=run)
        return made.add_argument

    add = command("fit", _fit, "Train a model on a table of texts and labels", table)
    add("table", metavar="TABLE", help=f"training table: {formats}; - reads CSV from standard input")
    add("--text", required=True, metavar="COLUMN", help="column of the texts")
    text = "column of the labels; repeat it for several columns of 0 and 1, or of numbers"
    add("--label", required=True, action="append", metavar="COLUMN", help=text)
    add("-o", "--output", required=True, metavar="MODEL", help="file of the model, for example model.skrnn")
    add("--regression", action="store_true", help="predict numbers: the label columns hold numbers")
    add("--separator", metavar="TEXT", help="text between several labels of one row, for example ';'")
    text = "parameter of the estimator, for example epochs=5; may be repeated; random_state is 0 by default"
    add("--set", action="append", default=[], metavar="NAME=VALUE", help=text)
    text = "leave out this share of the rows, for example 0.2, and evaluate the model on them"
    add("--test-size", type=float, metavar="SHARE", help=text)
    add("--tfidf", action="store_true", help="with --test-size, also evaluate TF-IDF and a linear model")
    add("--quiet", action="store_true", help="write no progress")

    add = command("predict", _predict, "Add the predictions of a model to a table", table)
    add("model", metavar="MODEL", help="file that fit or skrnn.save has written")
    add("table", metavar="TABLE", help=f"{formats}; - reads CSV from standard input")
    add("-o", "--output", default="-", metavar="TABLE", help="file for the result (default: CSV to stdout)")
    add("--text", metavar="COLUMN", help="column of the texts (default: as in fit)")
    add("--probabilities", action="store_true", help="also add a column of probabilities for each label")

    add = command("evaluate", _evaluate, "Report how well a model predicts a table with labels", table)
    add("model", metavar="MODEL", help="file that fit or skrnn.save has written")
    add("table", metavar="TABLE", help=f"{formats}; - reads CSV from standard input")
    add("--text", metavar="COLUMN", help="column of the texts (default: as in fit)")
    add("--label", action="append", metavar="COLUMN", help="column of the labels (default: as in fit)")
    add("--tfidf", metavar="TABLE", help="also evaluate TF-IDF and a linear model, trained on this table")

    add = command("explain", _explain, "Show how much each word of a text contributes to the prediction")
    add("model", metavar="MODEL", help="file that fit or skrnn.save has written")
    add("--text", required=True, help="the text itself")
    add("--target", metavar="LABEL", help="label to explain (default: the predicted label)")
    add("--html", metavar="FILE", help="also write the text with coloured words to an HTML file")
    return parser


# -- commands --------------------------------------------------------------------------------------------


def _fit(options: argparse.Namespace) -> None:
    folder = Path(options.output).parent
    if not os.access(folder, os.W_OK):  # not after an hour of training
        raise ValueError(f"cannot write {options.output}: the folder {folder} does not exist or is protected")
    if options.tfidf and options.test_size is None:
        raise ValueError("--tfidf needs --test-size, for example --test-size 0.2")
    model = _make_model(options)
    targets = Targets(options.label, options.separator, numbers=options.regression)
    texts, labels = _labelled(options.table, options, options.text, targets)
    targets.learn_names(labels)
    y = targets.encode(labels, _note)
    train = test = np.arange(len(y))
    if options.test_size is not None:
        train, test = train_test_split(train, test_size=options.test_size, random_state=0)
    if not options.quiet:
        _note(f"{len(train)} rows for training" + _describe_labels(y, targets))
    start = time.perf_counter()
    with contextlib.redirect_stdout(sys.stderr):  # progress
        model.fit(texts.iloc[train].to_frame(), y[train])
    model.targets_ = asdict(targets)
    save(model, options.output)
    if not options.quiet:
        _note(f"{options.output} is written, {time.perf_counter() - start:.1f} s")
    if options.test_size is not None:
        models = {type(model).__name__: model}
        if options.tfidf:
            models |= [fit_baseline(model, texts.iloc[train], y[train])]
        sys.stdout.write(report(models, texts.iloc[test], y[test], targets.names, _note))


def _predict(options: argparse.Namespace) -> None:
    model, targets = _load(options.model)
    table = _read(options.table, options)
    texts = column_of(table, _text_column(model, options), options.table)
    found = model.predict(texts)
    names = targets.names or [str(name) for name in getattr(model, "classes_", range(found[:1].size))]
    columns = targets.predictions(found, names)
    if options.probabilities:
        if not is_classifier(model):
            raise ValueError(f"{options.model} is no classifier, so it has no probabilities")
        p = model.predict_proba(texts).astype(float).round(6)
        columns |= {f"probability_{name}": p[:, j] for j, name in enumerate(names)}
    if taken := [name for name in columns if name in table]:
        raise ValueError(f"{options.table} already has a column {taken[0]!r}; rename it")
    write_table(table.assign(**columns), options.output)


def _evaluate(options: argparse.Namespace) -> None:
    model, targets = _load(options.model)
    targets.columns = options.label or targets.columns
    if not targets.columns:
        raise ValueError(f"{options.model} does not name a column of labels; pass --label")
    column = _text_column(model, options)
    texts, labels = _labelled(options.table, options, column, targets)
    models = {type(model).__name__: model}
    if options.tfidf:
        of_train, labels_of_train = _labelled(options.tfidf, options, column, targets)
        models |= [fit_baseline(model, of_train, targets.encode(labels_of_train, _note))]
    sys.stdout.write(report(models, texts, targets.encode(labels, _note), targets.names, _note))


def _explain(options: argparse.Namespace) -> None:
    model, targets = _load(options.model)
    codes = list(getattr(model, "classes_", range(len(targets.names or ()))))
    names = [str(name) for name in targets.names or codes]
    if options.target is not None and options.target not in names:
        raise ValueError(f"--target must be one of {', '.join(names) or 'no label'}. Got {options.target!r}")
    target = None if options.target is None else codes[names.index(options.target)]
    tokens, importances, value, name = occlude(model, options.text, target=target)
    if targets.names and name is not None:
        name = names[int(name.removeprefix("output "))]
    kind = "probability" if is_classifier(model) else "prediction"
    lines = [f"{name}: {kind} {value:.3f}" if name else f"{kind} {value:.3f}"]
    lines += [f"{importance:8.3f}  {token}" for token, importance in zip(tokens, importances, strict=True)]
    sys.stdout.write("\n".join(lines) + "\n")
    if options.html:
        display = TokenImportanceDisplay(
            tokens, importances, value=value, target_name=name, value_name=kind, text=options.text
        )
        page = f'<!DOCTYPE html>\n<meta charset="utf-8">\n{display._repr_html_()}\n'
        Path(options.html).write_text(page, "utf-8")


# -- models and tables -----------------------------------------------------------------------------------


def _make_model(options: argparse.Namespace) -> Any:
    """Return an estimator with the parameters of the command line."""
    model: Any = RNNTextRegressor() if options.regression else RNNTextClassifier()
    if options.separator is not None and (options.regression or len(options.label) > 1):
        raise ValueError("--separator needs one column of labels, and no --regression")
    values: dict[str, Any] = {"random_state": 0, "verbose": int(not options.quiet)}
    for setting in options.set:
        name, equals, value = setting.partition("=")
        if not equals or name not in model.get_params(deep=False):
            known = ", ".join(sorted(model.get_params(deep=False)))
            raise ValueError(f"--set takes NAME=VALUE. Got {setting!r}. The names are {known}")
        try:
            values[name] = ast.literal_eval(value)
        except (ValueError, SyntaxError):
            values[name] = value  # a string without quotation marks
    return model.set_params(**values)


def _load(path: str) -> tuple[Any, Targets]:
    """Return a model and what its table was like."""
    model = load(path)
    if not hasattr(model, "predict"):
        raise ValueError(f"{path} holds an {type(model).__name__}, which predicts nothing")
    return model, Targets(**getattr(model, "targets_", {"columns": None, "separator": None}))


def _text_column(model: Any, options: argparse.Namespace) -> str:
    """Return the column of texts: that of the command line, else that of the training table."""
    if options.text is None and not hasattr(model, "feature_names_in_"):
        raise ValueError(f"{options.model} does not name the column of texts; pass --text")
    return str(options.text or model.feature_names_in_[0])


def _read(path: str, options: argparse.Namespace) -> pd.DataFrame:
    delimiter = None if options.delimiter is None else options.delimiter.replace("\\t", "\t")
    return read_table(path, options.encoding, delimiter, not options.no_quotes)


def _labelled(
    path: str, options: argparse.Namespace, text: str, targets: Targets
) -> tuple[pd.Series, pd.DataFrame]:
    """Return the texts and the targets of the rows of a table that have a target."""
    table = _read(path, options)
    texts = column_of(table, text, path)
    labels = pd.DataFrame({name: column_of(table, name, path) for name in targets.columns or ()})
    given = targets.is_given(labels)
    if not given.all():
        _note(f"{(~given).sum()} rows of {path} without a label are skipped")
    if not given.any():
        raise ValueError(f"{path} has no rows with a label")
    return texts[given], labels[given]


def _describe_labels(y: np.ndarray, targets: Targets) -> str:
    if targets.numbers:
        return ""
    n_labels = len(targets.names or np.unique(y))
    advice = ". For numbers, pass --regression" if 2 * n_labels > len(y) > 9 else ""
    return f", {n_labels} labels{advice}"


def _note(text: str) -> None:
    sys.stderr.write(f"skrnn: {text}\n")


def _show_warning(message: Warning | str, *_: Any, **__: Any) -> None:
    _note(f"warning: {' '.join(str(message).split())}")


if __name__ == "__main__":
    main()
