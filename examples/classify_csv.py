"""
Your own table: classify the texts of a CSV or TSV file
=======================================================

Predictions for the part held out are saved. For example ``python examples/classify_csv.py reviews.csv.gz
--text review --label stars --out out.csv``. Compressed files are read as they are; without ``--sep``,
files named ``.tsv`` are cut at tabs, others at commas. Rows without a label are left out.
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
    parser.add_argument("file", help="CSV or TSV file, compressed or not")
    parser.add_argument("--text", required=True, help="name of the column of texts")
    parser.add_argument("--label", required=True, help="name of the column of labels")
    parser.add_argument("--sep", help="separator of the columns")
    parser.add_argument("--analyzer", choices=["word", "char"], default="word", help="a token")
    parser.add_argument("--test-size", type=float, default=0.2, help="share of rows held out")
    parser.add_argument("--rows", type=int, help="use this many rows, drawn at random")
    parser.add_argument("--out", default="predictions.csv", help="where to write predictions")
    return parser, parser.parse_args()


def read_rows(parser, arguments):
    """Return the texts and labels as a frame, every value as it stands in the file."""
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
            parser.error(f"{arguments.file} has no column {column!r}; it has {', '.join(map(repr, frame))}")
    labelled = frame[frame[arguments.label].str.strip() != ""]
    if len(labelled) < len(frame):
        print(f"{len(frame) - len(labelled)} rows without a label are left out")
    if arguments.rows and arguments.rows < len(labelled):
        labelled = labelled.sample(arguments.rows, random_state=0)
    if labelled[arguments.label].nunique() < 2:
        parser.error(f"column {arguments.label!r} of {arguments.file} needs two labels or more")
    return labelled[[arguments.text, arguments.label]]


def make_baseline(analyzer):
    if analyzer == "char":
        tfidf = TfidfVectorizer(sublinear_tf=True, analyzer="char", ngram_range=(1, 3))
    else:
        tfidf = TfidfVectorizer(sublinear_tf=True, ngram_range=(1, 2), token_pattern=r"(?u)\w+|[^\w\s]")
    return make_pipeline(tfidf, LogisticRegression(C=10, max_iter=1000))


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
    print(f"{len(train)} rows to train on, {len(test)} to test on, {labels.nunique()} labels")

    classifier = RNNTextClassifier(analyzer=arguments.analyzer, random_state=0, verbose=1)
    for model in (make_baseline(arguments.analyzer), classifier):
        start = time.perf_counter()
        model.fit(train[arguments.text], train[arguments.label])
        accuracy = model.score(test[arguments.text], test[arguments.label])
        name = "RNNTextClassifier" if model is classifier else "TF-IDF + LogisticRegression"
        print(f"{name}: accuracy {accuracy:.3f}, {time.perf_counter() - start:.1f} s", flush=True)

    test = test.assign(
        prediction=classifier.predict(test[arguments.text]),
        probability=classifier.predict_proba(test[arguments.text]).max(axis=1),
    )
    test.to_csv(arguments.out, index_label="row")
    print(f"predictions for the {len(test)} test rows: {arguments.out}")


if __name__ == "__main__":
    main()
