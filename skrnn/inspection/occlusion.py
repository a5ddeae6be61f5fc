"""What each token of a text does for an answer: hide it and look (Zeiler & Fergus 2014)."""

from __future__ import annotations

import re
from typing import Any

import numpy as np
from sklearn.base import is_classifier

from skrnn.text.words import word_pattern

UNKNOWN = "\ufffc"  # the object replacement character: a word of no vocabulary


def occlude(
    estimator: Any,
    text: str,
    *,
    target: Any = None,
    hide: str = "remove",
    token_pattern: str | None = None,
) -> tuple[list[str], np.ndarray, float, str | None]:
    """Return what each token of a text does for the answer: the fall of a value when it is hidden.

    The value is a regressor's number; of a classifier, how far the label's decision value (or probability,
    where there is no `decision_function`) is ahead of the next label's, or of the boundary.

    Parameters
    ----------
    estimator : fitted classifier or regressor of texts
        Any that takes a list of str.
    text : str
        One text.
    target : label or int, default=None
        The label or the column; None for the label that is predicted, and for the first column.
    hide : {"remove", "unknown"}, default="remove"
        Whether a token is cut out or another, unknown one put in its place.
    token_pattern : str, default=None
        Regular expression of a token; None for the estimator's own, or words and punctuation.

    Returns
    -------
    tokens : list of n_tokens str
        As they stand in the text.
    importances : ndarray of float64 of shape (n_tokens,)
        Falls of the value.
    value : float
        That of the whole text.
    target_name : str or None
        The label or column; None for a regressor of one number.

    Raises
    ------
    TypeError, ValueError
        If the text is no str or has no token, or `hide` or the target is none there is.

    Examples
    --------
    >>> from sklearn.feature_extraction.text import CountVectorizer
    >>> from sklearn.linear_model import LogisticRegression
    >>> from sklearn.pipeline import make_pipeline
    >>> from skrnn.inspection.occlusion import occlude
    >>> model = make_pipeline(CountVectorizer(), LogisticRegression())
    >>> model = model.fit(["good film", "bad film"], ["pos", "neg"])
    >>> tokens, importances, value, label = occlude(model, "a good film")
    >>> tokens, importances.round(2).tolist(), label
    (['a', 'good', 'film'], [0.0, 0.4, 0.0], 'pos')
    """
    check_text(text, "occlude")
    if hide not in ("remove", "unknown"):
        raise ValueError(f"hide of occlude must be 'remove' or 'unknown'. Got {hide!r} instead.")
    pattern = token_pattern or getattr(estimator, "token_pattern", None) or word_pattern()
    spans = [match.span() for match in re.finditer(pattern, text) if match.group()]
    if not spans:
        raise ValueError(f"occlude needs a text with a token; none is in {text[:60]!r}.")
    stand_in = "" if hide == "remove" else UNKNOWN
    hidden = [text[:start] + stand_in + text[stop:] for start, stop in spans]
    values, name = _values(estimator, [text, *hidden], target)
    return [text[start:stop] for start, stop in spans], values[0] - values[1:], float(values[0]), name


def _values(estimator: Any, texts: list[str], target: Any) -> tuple[np.ndarray, str | None]:
    """Return the value of each text, float64, and what it is called; the first text chooses the label."""
    if not is_classifier(estimator):
        numbers = np.asarray(estimator.predict(texts), np.float64)
        if numbers.ndim == 1:
            return numbers, None
        return numbers[:, target or 0], f"output {target or 0}"
    decide = getattr(estimator, "decision_function", None)
    scores = np.asarray((decide or estimator.predict_proba)(texts), np.float64)
    classes = list(estimator.classes_)
    predicted = np.asarray(estimator.predict(texts[:1]))
    is_indicator = predicted.ndim == 2
    if target is None:
        target = classes[int(scores[0].argmax())] if is_indicator else predicted[0]
    if target not in classes:
        raise ValueError(f"target must be one of the classes {classes}. Got {target!r} instead.")
    place, name = classes.index(target), str(target)
    if scores.ndim == 1:
        return (scores if place == 1 else -scores), name
    if is_indicator:
        return scores[:, place], name
    return scores[:, place] - np.delete(scores, place, axis=1).max(axis=1), name


def check_text(text: Any, owner: str) -> None:
    """Raise TypeError unless a text is one str."""
    if not isinstance(text, str):
        raise TypeError(f"text of {owner} must be one str. Got {type(text).__name__} instead.")
