"""
Your own data: classify the texts of a CSV or TSV file
======================================================

This script trains a classifier on a column of texts and a column of labels,
and writes predictions for the test rows to a CSV file. For example::

    python examples/classify_csv.py reviews.csv --text review --label stars

The file may be compressed. The default separator is a tab for files named
``.tsv`` and a comma otherwise; ``--sep`` changes it. Rows without a label are
skipped.
"""

import argparse
import time
from pathlib import Path

import pandas as pd
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import train_test_split
from sklearn.pipeline import make_pipeline

from skrnn import RNNTextClassifier


def parse_arguments():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[1])
    add = parser.add_argument
    add("file", help="CSV or TSV file, compressed or not")
    add("--text", required=True, help="name of the column with the texts")
    add("--label", required=True, help="name of the column with the labels")
    add("--sep", help="separator between the columns")
    add("--analyzer", choices=["word", "char"], default="word", help="tokens")
    add("--test-size", type=float, default=0.2, help="share of the test rows")
    add("--rows", type=int, help="number of rows to draw at random")
    add("--out", default="predictions.csv", help="file for the predictions")
    return parser, parser.parse_args()


def read_rows(parser, arguments):
    """Return the texts and labels as a DataFrame of unconverted strings."""
    is_tsv = ".tsv" in Path(arguments.file).suffixes
    try:
        frame = pd.read_csv(
            arguments.file,
            sep=arguments.sep or ("\t" if is_tsv else ","),
            dtype=str,
            keep_default_na=False,
        )
    except (OSError, ValueError) as error:
        parser.error(f"cannot read {arguments.file}: {error}")
    for column in (arguments.text, arguments.label):
        if column not in frame:
            columns = ", ".join(map(repr, frame))
            parser.error(
                f"{arguments.file} has no column {column!r}; "
                f"its columns are {columns}"
            )
    labelled = frame[frame[arguments.label].str.strip() != ""]
    if len(labelled) < len(frame):
        print(f"{len(frame) - len(labelled)} rows without a label are skipped")
    if arguments.rows and arguments.rows < len(labelled):
        labelled = labelled.sample(arguments.rows, random_state=0)
    if labelled[arguments.label].nunique() < 2:
        parser.error(
            f"column {arguments.label!r} of {arguments.file} must contain "
            "at least two labels"
        )
    return labelled[[arguments.text, arguments.label]]


def make_baseline(analyzer):
    if analyzer == "char":
        options = {"analyzer": "char", "ngram_range": (1, 3)}
    else:
        options = {"ngram_range": (1, 2), "token_pattern": r"(?u)\w+|[^\w\s]"}
    return make_pipeline(
        TfidfVectorizer(sublinear_tf=True, **options),
        LogisticRegression(C=10, max_iter=1000),
    )


def main():
    parser, arguments = parse_arguments()
    rows = read_rows(parser, arguments)
    labels = rows[arguments.label]
    can_stratify = labels.value_counts().min() > 1
    train, test = train_test_split(
        rows,
        test_size=arguments.test_size,
        stratify=labels if can_stratify else None,
        random_state=0,
    )
    print(
        f"{len(train)} training rows, {len(test)} test rows, "
        f"{labels.nunique()} labels"
    )

    classifier = RNNTextClassifier(
        analyzer=arguments.analyzer, random_state=0, verbose=1
    )
    for name, model in {
        "TF-IDF + LogisticRegression": make_baseline(arguments.analyzer),
        "RNNTextClassifier": classifier,
    }.items():
        start = time.perf_counter()
        model.fit(train[arguments.text], train[arguments.label])
        accuracy = model.score(test[arguments.text], test[arguments.label])
        seconds = time.perf_counter() - start
        print(f"{name}: accuracy {accuracy:.3f}, {seconds:.1f} s", flush=True)

    probabilities = classifier.predict_proba(test[arguments.text])
    test = test.assign(
        prediction=classifier.predict(test[arguments.text]),
        probability=probabilities.max(axis=1),
    )
    test.to_csv(arguments.out, index_label="row")
    print(f"predictions for the {len(test)} test rows: {arguments.out}")


if __name__ == "__main__":
    main()
