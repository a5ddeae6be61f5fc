"""Scores of a model on a table, and of a linear model on TF-IDF features beside it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pandas as pd
from sklearn.base import is_regressor
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.metrics import (
    accuracy_score,
    classification_report,
    f1_score,
    log_loss,
    mean_absolute_error,
    r2_score,
    root_mean_squared_error,
)
from sklearn.multiclass import OneVsRestClassifier
from sklearn.pipeline import make_pipeline


def fit_baseline(model: Any, texts: pd.Series, y: np.ndarray) -> tuple[str, Any]:
    """Fit TF-IDF and a linear model.

    Parameters
    ----------
    model : RNNTextClassifier or RNNTextRegressor
        The model to compare with, which names the analyzer.
    texts : Series of str of length n_samples
        Training texts.
    y : ndarray of shape (n_samples,) or (n_samples, n_outputs)
        Their targets.

    Returns
    -------
    title : str
    pipeline : Pipeline
    """
    if model.analyzer == "char":
        options: dict[str, Any] = {"analyzer": "char", "ngram_range": (1, 3)}
    else:
        options = {"ngram_range": (1, 2), "token_pattern": r"(?u)\w+|[^\w\s]"}
    linear = Ridge() if is_regressor(model) else LogisticRegression(C=10, max_iter=1000)
    title = f"TF-IDF + {type(linear).__name__}"
    if not is_regressor(model) and y.ndim == 2:
        linear = OneVsRestClassifier(linear)
    return title, make_pipeline(TfidfVectorizer(sublinear_tf=True, **options), linear).fit(texts, y)


def report(
    models: dict[str, Any],
    texts: pd.Series,
    y: np.ndarray,
    names: list[str] | None,
    note: Callable[[str], None],
) -> str:
    """Return a report per class on the first model, and a table with the scores of all models.

    Parameters
    ----------
    models : dict of str to estimator
        Fitted estimators by their titles; all classifiers or all regressors.
    texts : Series of str of length n_samples
        Test texts.
    y : ndarray of shape (n_samples,) or (n_samples, n_outputs)
        Their targets.
    names : list of n_outputs str or None
        Names of the columns of `y`.
    note : callable
        Called with a line about rows that are left out.
    """
    by_class, rows = "", dict[str, dict[str, float]]()
    for title, model in models.items():
        predicted = model.predict(texts)
        if is_regressor(model):
            rows |= {f"{title} {name}".rstrip(): scores for name, scores in _errors(y, predicted, names)}
            continue
        by_class = by_class or classification_report(
            y, predicted, target_names=names if y.ndim == 2 else None, digits=3, zero_division=0
        )
        if y.ndim == 2:
            scores = {"all labels right": accuracy_score(y, predicted)}
            scores["F1"] = f1_score(y, predicted, average="micro", zero_division=0)
        else:
            scores = {"accuracy": accuracy_score(y, predicted)}
        rows[title] = scores | {"log-loss": _log_loss(model, texts, y, note)}
    table = pd.DataFrame(rows).T.to_string(float_format="%.3f")
    return f"{by_class}\n{table}\n" if by_class else f"{table}\n"


def _errors(
    y: np.ndarray, predicted: np.ndarray, names: list[str] | None
) -> Iterator[tuple[str, dict[str, float]]]:
    """Yield the name and the scores of each column of numbers."""
    for name, true, found in zip(names or [""], np.atleast_2d(y.T), np.atleast_2d(predicted.T), strict=True):
        mean, root = mean_absolute_error(true, found), root_mean_squared_error(true, found)
        yield name, {"R2": r2_score(true, found), "mean error": mean, "RMSE": root}


def _log_loss(model: Any, texts: pd.Series, y: np.ndarray, note: Callable[[str], None]) -> float:
    """Return the mean log-loss; rows with a label that the model does not know are left out."""
    p = np.asarray(model.predict_proba(texts), np.float64)
    if y.ndim == 2:
        return float(np.mean([log_loss(y[:, j], p[:, j], labels=[0, 1]) for j in range(y.shape[1])]))
    known = np.isin(y, model.classes_)
    if not known.all():
        note(f"{(~known).sum()} rows have a label that the model does not know; log-loss leaves them out")
    p = p[known] / p[known].sum(axis=1, keepdims=True)
    return float(log_loss(y[known], p, labels=model.classes_)) if known.any() else np.nan
