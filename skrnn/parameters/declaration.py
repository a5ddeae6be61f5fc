"""How a constructor parameter is declared, and how an estimator's constructor and docstring are made.

A parameter is a field of a keyword-only dataclass: one place holds its default, its constraint and its
description. ``inspect.signature``, editors, type checkers, validation and the docstring all read it there.
An estimator inherits its parameters, adds its own with :func:`parameter`, and changes a default by a plain
assignment in its class body.
"""

from __future__ import annotations

import dataclasses
import inspect
import warnings
from collections.abc import Callable, Iterable
from numbers import Integral, Real
from textwrap import dedent, fill, indent
from typing import Any, TypeVar, dataclass_transform

import numpy as np

from skrnn.compat import Interval

SHARE = Interval(Real, 0, 1, closed="left")
MIN_VOCAB_SIZE = Interval(Integral, 4, None, closed="left")  # the three reserved ids and one term


T = TypeVar("T")

STAGES = {
    "first": "",
    "tokens": "Stage 1, from texts to tokens",
    "embedding": "Stage 2, from tokens to vectors",
    "layers": "Stage 3, from vectors to hidden states",
    "encoding": "Stage 4, from hidden states to one vector",
    "decoding": "Stage 5, from the vector to the answer",
    "training": "Training",
    "running": "Running",
}

ATTRIBUTES = """\
vocabulary_ : dict of str to int
    Terms and their ids.
sequence_length_ : int
    Maximum number of tokens of a text.
n_features_in_ : int
    1, the column of texts.
feature_names_in_ : ndarray of shape (1,)
    Name of that column; only if `fit` got a frame. The names of the vectors begin with it.
n_iter_ : int
    Number of epochs.
loss_curve_ : list of float
    Training loss of each epoch.
validation_scores_ : list of float
    Score on the held-out texts after each epoch; only with held-out texts.
best_validation_score_ : float
    Score of the weights that were kept; only with held-out texts.
history_ : dict of str to list of float
    Values of each epoch: "loss" and, with held-out texts, "val_loss" and "val_score".
model_ : keras.Model
    The network as a compiled Keras model, rebuilt from the fitted weights at each access. Its input is the
    output of `padded_ids`."""

HELD_OUT = """\
X_val : iterable of str, default=None
    Held-out texts for early stopping, instead of a share of X.
y_val : array-like, default=None
    Their targets.
sample_weight_val : array-like, default=None
    Their weights."""

RAISES = """\
Raises
------
TypeError, ValueError
    If an argument or a parameter is invalid.
ImportError
    If Keras or its backend is missing.
FloatingPointError
    If the loss becomes infinite or NaN. The estimator is unchanged."""

CHUNKS = """\
Notes
-----
The first call fixes the vocabulary and the initial embedding. Later calls, also after `fit`, continue from
the current weights and, after `partial_fit`, from the state of the optimizer. There is no early stopping,
and each call adds one to `n_iter_`. With sequence_length=None texts are truncated to 400 tokens. The same
chunks give the same weights, also if the estimator is pickled in between. No chunk is kept. The first call
in a process takes 1 to 2 s longer, like `fit`; later calls do not, as long as no other estimator is trained
in between. Chunks of some thousand texts are faster than many small ones."""


def options(names: Iterable[str]) -> str:
    """Return names as a docstring lists them."""
    return "{" + ", ".join(f'"{name}"' for name in names) + "}"


@dataclasses.dataclass(frozen=True)
class Unused:
    """When a parameter has no effect.

    Parameters
    ----------
    reason : str
        Completes "It has no effect if", for the docstring and the warning.
    applies : callable
        Takes the estimator and whether `fit` got held-out texts, and returns whether the reason applies.
    """

    reason: str
    applies: Callable[[Any, bool], bool]


def parameter(*, default: Any, allowed: Any, stage: str, doc: str, unused: Unused | None = None) -> Any:
    """Return the dataclass field of a constructor parameter.

    Parameters
    ----------
    default : Any
        Default value; it must be immutable.
    allowed : list or "no_validation"
        Constraint, as scikit-learn's parameter validation reads it.
    stage : str
        One of :data:`STAGES`, under which the docstring lists the parameter.
    doc : str
        The type in the first line, then the description.
    unused : Unused, default=None
        When the parameter has no effect; the docstring and a warning of `fit` say it.
    """
    metadata = {"allowed": allowed, "stage": stage, "doc": doc, "unused": unused}
    return dataclasses.field(default=default, metadata=metadata)


def warn_of_unused(estimator: Any, *, has_held_out: bool) -> None:
    """Warn of parameters that differ from their defaults and have no effect.

    Parameters
    ----------
    estimator : estimator
        The estimator that is fitted.
    has_held_out : bool
        Whether `fit` got held-out texts.
    """
    found = []
    for field in dataclasses.fields(estimator):
        unused, value = field.metadata["unused"], getattr(estimator, field.name)
        is_set = value is not field.default and not (np.isscalar(value) and value == field.default)
        if unused and is_set and unused.applies(estimator, has_held_out):
            found.append(f"{field.name}={value!r:.60} has no effect because {unused.reason}.")
    if found:
        warnings.warn(
            f"{type(estimator).__name__}: {' '.join(found)} Leave such parameters at their defaults.",
            UserWarning,
            stacklevel=2,
        )


@dataclass_transform(kw_only_default=True, eq_default=False, field_specifiers=(parameter,))
def estimator(cls: type[T]) -> type[T]:
    """Make the constructor, the constraints and the docstring of an estimator from its parameters.

    A plain assignment in the class body changes the default of an inherited parameter.

    Parameters
    ----------
    cls : type
        The class. Its docstring may have the fields {parameters} and {attributes}, and those of `fit` and
        `partial_fit` the fields {held_out}, {raises} and {chunks}.

    Returns
    -------
    cls : type
        The same class.
    """
    inherited = getattr(cls, "__dataclass_fields__", {})
    for name in vars(cls).get("__annotations__", {}):
        if name in inherited and not isinstance(vars(cls)[name], dataclasses.Field):
            field = dataclasses.field(default=vars(cls)[name], metadata=inherited[name].metadata)
            setattr(cls, name, field)
    made: Any = dataclasses.dataclass(kw_only=True, eq=False, repr=False)(cls)
    order = list(STAGES)
    fields = sorted(dataclasses.fields(made), key=lambda field: order.index(field.metadata["stage"]))
    signature = inspect.signature(made.__init__)
    names = ["self", *(field.name for field in fields)]
    made.__init__.__signature__ = signature.replace(parameters=[signature.parameters[n] for n in names])
    made._parameter_constraints = {field.name: field.metadata["allowed"] for field in fields}
    _fill_docstrings(made, fields)
    return made


def _fill_docstrings(cls: Any, fields: list[dataclasses.Field]) -> None:
    """Put the descriptions of the parameters and attributes into the docstrings of an estimator."""
    entries, stage = [], "first"
    for field in fields:
        if field.metadata["stage"] != stage:
            stage = field.metadata["stage"]
            entries.append(STAGES[stage])
        kind, _, text = field.metadata["doc"].partition("\n")
        text = dedent(text)
        if field.metadata["unused"]:
            text = fill(f"{text} It has no effect if {field.metadata['unused'].reason}.", 75)
        entries.append(f"{field.name} : {kind}, default={field.default!r}\n{indent(text, '    ')}")
    _fill(cls, "{parameters}", "\n".join(entries))
    _fill(cls, "{attributes}", ATTRIBUTES)
    for name in {"fit", "partial_fit"} & vars(cls).keys():
        method = vars(cls)[name]
        for place, text in (("{held_out}", HELD_OUT), ("{raises}", RAISES), ("{chunks}", CHUNKS)):
            _fill(method, place, text)


def _fill(target: type | Callable, place: str, text: str) -> None:
    """Replace a field of a docstring, with the indentation of its line."""
    lines = []
    for line in (target.__doc__ or "").split("\n"):
        margin = line[: len(line) - len(line.lstrip())]
        lines.append(indent(text, margin) if line.strip() == place else line)
    target.__doc__ = "\n".join(lines)
