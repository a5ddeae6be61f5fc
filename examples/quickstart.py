"""
Quick start: sentences to labels, beside what one would use instead
===================================================================

Sentences from the docstrings of NumPy, pandas, scikit-learn and the standard library are to be
told apart, their names being masked. Run it with ``python examples/quickstart.py``; ``--rows``
takes fewer sentences.
"""

import argparse
import time

from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import train_test_split
from sklearn.pipeline import make_pipeline

from skrnn import RNNTextClassifier
from skrnn.datasets import load_docstrings

NEW_SENTENCES = [
    "Return the index of the largest element along an axis.",
    "Drop the rows in which any column has a missing value.",
    "The regularization strength; larger values shrink the coefficients.",
    "Close the socket and release the file descriptor.",
]


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[1])
    parser.add_argument("--rows", type=int, default=8000, help="sentences, a quarter for testing")
    rows = parser.parse_args().rows

    start = time.perf_counter()
    texts, labels = load_docstrings(return_X_y=True)
    print(f"{len(texts)} sentences read in {time.perf_counter() - start:.1f} s", flush=True)
    n_test = min(rows, len(texts)) // 4
    X_train, X_test, y_train, y_test = train_test_split(
        texts,
        labels,
        train_size=min(rows, len(texts)) - n_test,
        test_size=n_test,
        stratify=labels,
        random_state=0,
    )
    print(f"{len(X_train)} to train on, {len(X_test)} to test on", flush=True)

    classifier = RNNTextClassifier(random_state=0, verbose=1)
    baseline = make_pipeline(
        TfidfVectorizer(sublinear_tf=True, ngram_range=(1, 2), token_pattern=r"(?u)\w+|[^\w\s]"),
        LogisticRegression(C=10, max_iter=1000),
    )
    for name, model in {
        "TF-IDF + LogisticRegression": baseline,
        "RNNTextClassifier": classifier,
    }.items():
        start = time.perf_counter()
        model.fit(X_train, y_train)
        fitted = time.perf_counter()
        accuracy = model.score(X_test, y_test)
        scored = time.perf_counter()
        print(
            f"{name}: accuracy {accuracy:.3f}, "
            f"fit in {fitted - start:.1f} s, test texts scored in {scored - fitted:.2f} s",
            flush=True,
        )

    print("\nNew sentences:")
    probabilities = classifier.predict_proba(NEW_SENTENCES)
    predictions = classifier.predict(NEW_SENTENCES)
    for text, label, row in zip(NEW_SENTENCES, predictions, probabilities, strict=True):
        print(f"  {label:<12} {row.max():.2f}  {text}")


if __name__ == "__main__":
    main()
