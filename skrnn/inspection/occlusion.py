"""Token importance by occlusion: hide each token and compare the predictions."""

from __future__ import annotations

import re
from typing import Any

import numpy as np
from sklearn.base import is_classifier

from skrnn.text.words import word_pattern

PLACEHOLDER = "\ufffc"  # the object replacement character, which no vocabulary is expected to contain


def occlude(
    estimator: Any,
    text: str,
    *,
    target: Any = None,
    hide: str = "remove",
    token_pattern: str | None = None,
    response_method: str = "auto",
) -> tuple[list[str], np.ndarray, float, str | None]:
    """Compute how much each token of a text contributes to a prediction.

    Each token is hidden once, and its importance is the decrease of the
    predicted value [1]_. The estimator can come from any library, because
    only its predictions are used. The cost is one prediction per token.

    The value of a regressor is its output, in the unit of its targets. The
    value of a classifier is the probability of the target class. Without
    `predict_proba`, or with ``response_method="decision_function"``, it is
    the lead of the target class: its decision value minus the highest
    decision value of the other classes. A binary classifier has one decision
    value, which is the lead of the second class. With an indicator matrix, it
    is the decision value of the target column.

    Parameters
    ----------
    estimator : fitted classifier or regressor
        Estimator that takes a list of str.
    text : str
        One text.
    target : label or int, default=None
        For a classifier, one of its classes; with an indicator matrix, a
        column. None selects the predicted class. For a regressor with
        several outputs, the index of a column; None selects the first.
    hide : {"remove", "unknown"}, default="remove"
        "remove" deletes a token from the text. "unknown" replaces it by an
        out-of-vocabulary word.
    token_pattern : str, default=None
        Regular expression that matches a token. None uses `token_pattern` of
        the estimator or, without one, words and punctuation marks.
    response_method : {"auto", "predict_proba", "decision_function"}, \
            default="auto"
        Method of a classifier whose output is the value. "auto" is
        `predict_proba` if the estimator has it. Decision values distinguish
        tokens where the probability is close to 1.

    Returns
    -------
    tokens : list of n_tokens str
        Tokens as the text spells them.
    importances : ndarray of float64 of shape (n_tokens,)
        Decrease of the value when each token is hidden.
    value : float
        Value of the whole text.
    target_name : str or None
        Name of the class or output. None for a regressor with one output.

    Raises
    ------
    TypeError
        If `text` is not a str.
    ValueError
        If `text` contains no token, `hide` is not a valid option or `target`
        is not one of the classes.
    IndexError
        If `target` is not a column of the regressor's output.

    See Also
    --------
    skrnn.displays.TokenImportanceDisplay : Plot the importances.

    References
    ----------
    .. [1] Zeiler, M. D. and Fergus, R. (2014). Visualizing and Understanding
           Convolutional Networks. ECCV.

    Examples
    --------
    >>> from sklearn.feature_extraction.text import CountVectorizer
    >>> from sklearn.linear_model import LogisticRegression
    >>> from sklearn.pipeline import make_pipeline
    >>> from skrnn.inspection import occlude
    >>> model = make_pipeline(CountVectorizer(), LogisticRegression())
    >>> model = model.fit(["good film", "bad film"], ["pos", "neg"])
    >>> tokens, importances, value, label = occlude(model, "a good film")
    >>> tokens, importances.round(2).tolist(), label
    (['a', 'good', 'film'], [0.0, 0.1, 0.0], 'pos')
    """
    check_text(text, "occlude")
    if hide not in ("remove", "unknown"):
        raise ValueError(f"hide of occlude must be 'remove' or 'unknown'. Got {hide!r} instead.")
    pattern = token_pattern or getattr(estimator, "token_pattern", None) or word_pattern()
    spans = [match.span() for match in re.finditer(pattern, text) if match.group()]
    if not spans:
        raise ValueError(f"text of occlude must contain a token. Got {text[:60]!r} instead.")
    stand_in = "" if hide == "remove" else PLACEHOLDER
    hidden = [text[:start] + stand_in + text[stop:] for start, stop in spans]
    values, name = _values(estimator, [text, *hidden], target, response_method)
    return [text[start:stop] for start, stop in spans], values[0] - values[1:], float(values[0]), name


def value_name(estimator: Any, response_method: str = "auto") -> str:
    """Return what the value of an estimator is: a prediction, a probability or a decision value.

    Raises
    ------
    ValueError
        If `response_method` is not a valid option.
    """
    methods = {"predict_proba": "probability", "decision_function": "decision value"}
    if response_method not in ("auto", *methods):
        raise ValueError(
            f"response_method of occlude must be 'auto', 'predict_proba' or 'decision_function'. Got "
            f"{response_method!r} instead."
        )
    if not is_classifier(estimator):
        return "prediction"
    if response_method == "auto":
        has_probabilities = hasattr(estimator, "predict_proba")
        response_method = "predict_proba" if has_probabilities else "decision_function"
    return methods[response_method]


def _values(
    estimator: Any, texts: list[str], target: Any, response_method: str
) -> tuple[np.ndarray, str | None]:
    """Return the value of each text (float64) and the name of the target.

    Without a target, the prediction for the first text is the target.
    """
    kind = value_name(estimator, response_method)
    if kind == "prediction":
        numbers = np.asarray(estimator.predict(texts), np.float64)
        if numbers.ndim == 1:
            return numbers, None
        return numbers[:, target or 0], f"output {target or 0}"
    is_probability = kind == "probability"
    scores = (estimator.predict_proba if is_probability else estimator.decision_function)(texts)
    if isinstance(scores, list):  # for an indicator matrix, some classifiers return a matrix for each column
        scores = np.stack([columns[:, -1] for columns in scores], axis=1)
    scores = np.asarray(scores, np.float64)
    classes = (
        list(range(scores.shape[1])) if isinstance(estimator.classes_, list) else list(estimator.classes_)
    )
    predicted = np.asarray(estimator.predict(texts[:1]))
    is_indicator = predicted.ndim == 2
    if target is None:
        target = classes[int(scores[0].argmax())] if is_indicator else predicted[0]
    if target not in classes:
        raise ValueError(f"target of occlude must be one of the classes {classes}. Got {target!r} instead.")
    column, name = classes.index(target), str(target)
    if scores.ndim == 1:
        return (scores if column == 1 else -scores), name
    if is_indicator or is_probability:
        return scores[:, column], name
    return scores[:, column] - np.delete(scores, column, axis=1).max(axis=1), name


def check_text(text: Any, owner: str) -> None:
    """Raise a TypeError unless `text` is a str."""
    if not isinstance(text, str):
        raise TypeError(f"text of {owner} must be a str. Got {type(text).__name__} instead; pass one text.")
