"""
Quick start: classify sentences and compare with TF-IDF
=======================================================

The texts are sentences from the docstrings of pandas and scikit-learn, in
which the package names are masked. The label is the package. Run the script
with ``python examples/quickstart.py``; ``--rows`` sets the number of training
sentences. It needs neither TensorFlow nor Keras.
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
    "Drop the rows in which any column has a missing value.",
    "The regularization strength; larger values shrink the coefficients.",
    "Return the group labels that each row of the table belongs to.",
    "Return the cluster labels that each row of the matrix belongs to.",
]


def main():
    parser = argparse.ArgumentParser(
        description="Quick start: classify sentences and compare with TF-IDF"
    )
    parser.add_argument(
        "--rows", type=int, default=3000, help="number of training sentences"
    )
    rows = parser.parse_args().rows

    start = time.perf_counter()
    texts, labels = load_docstrings(
        packages=["pandas", "scikit-learn"], return_X_y=True
    )
    seconds = time.perf_counter() - start
    print(f"{len(texts)} sentences read in {seconds:.1f} s", flush=True)
    X_train, X_test, y_train, y_test = train_test_split(
        texts,
        labels,
        train_size=rows,
        test_size=5000,
        stratify=labels,
        random_state=0,
    )
    print(f"{len(X_train)} training sentences, {len(X_test)} test sentences")

    # r_drop=0 and 32 units instead of 64 make the fit faster.
    classifier = RNNTextClassifier(
        rnn_units=32, r_drop=0, random_state=0, verbose=1
    )
    baseline = make_pipeline(
        TfidfVectorizer(
            sublinear_tf=True,
            ngram_range=(1, 2),
            token_pattern=r"(?u)\w+|[^\w\s]",
        ),
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
            f"fit {fitted - start:.1f} s, score {scored - fitted:.2f} s",
            flush=True,
        )

    print("\nNew sentences:")
    probabilities = classifier.predict_proba(NEW_SENTENCES)
    predictions = classifier.predict(NEW_SENTENCES)
    for text, label, row in zip(
        NEW_SENTENCES, predictions, probabilities, strict=True
    ):
        print(f"  {label:<12} {row.max():.2f}  {text}")


if __name__ == "__main__":
    main()

# sphinx_gallery_thumbnail_path = '_static/accuracy.svg'
