"""Save a fitted estimator to one file and load it without running code."""

from __future__ import annotations

import json
import os
from dataclasses import fields
from functools import partial
from types import UnionType
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints

import numpy as np
from sklearn.utils.validation import check_is_fitted

from skrnn.base import BaseRNNText
from skrnn.ragged import N_SPECIAL
from skrnn.serve import check_names, weight_shapes
from skrnn.spec import Spec
from skrnn.storage import FileError, StoredClass, read, write
from skrnn.targets import HEADS, Classification, Head, Regression
from skrnn.text import ANALYZERS, Tokens

# Dataclasses of plain values and arrays that a fitted estimator holds. To store another one, add it here:
# its fields are saved and their types are checked when they are loaded.
DATACLASSES: tuple[type, ...] = (Spec, *HEADS.values())
_FIELD_TYPES = {  # at import, because it evaluates code
    cls: {field.name: get_type_hints(cls)[field.name] for field in fields(cls)} for cls in DATACLASSES
}
_TEXT_SETTINGS = {"analyzer", "lowercase", "strip_accents", "preprocessor", "tokenizer", "token_pattern"}


def save(estimator: Any, path: str | os.PathLike) -> None:
    """Save a fitted estimator to one file.

    The file is written completely before it replaces an existing one, so an
    interrupted save leaves the old file intact. It is a safetensors file:
    other programs can read the weights.

    Parameters
    ----------
    estimator : RNNTextClassifier, RNNTextEncoder, RNNTextRegressor or \
            RNNTextSeq2Seq
        The fitted estimator. A fitted `encoder` that it was given is saved in
        the same file.
    path : str or PathLike
        The file to create or replace. By convention it ends in `.skrnn`.

    Raises
    ------
    TypeError
        If `estimator` is not an estimator of skrnn (for example a Pipeline or
        a subclass), or has an attribute that a file cannot hold.
    ValueError
        If a parameter is invalid.
    sklearn.exceptions.NotFittedError
        If the estimator is not fitted.
    OSError
        If the file cannot be written. An existing file is left unchanged.

    See Also
    --------
    load : Load an estimator from a file.

    Notes
    -----
    A file cannot hold functions. If `tokenizer`, `preprocessor`, `analyzer`
    or `strip_accents` is a function, only its name is saved, and the function
    must be passed to `load`. `callbacks`, and `embeddings` that are not a
    path, are not saved because only `fit` uses them. They are None after
    loading.

    Examples
    --------
    >>> import os, tempfile
    >>> from skrnn import RNNTextEncoder, load, save
    >>> encoder = RNNTextEncoder(objective="random", rnn_units=4, random_state=0)
    >>> encoder = encoder.fit(["a film", "a book"])
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = os.path.join(folder, "encoder.skrnn")
    ...     save(encoder, path)
    ...     loaded = load(path)
    >>> bool((loaded.transform(["a film"]) == encoder.transform(["a film"])).all())
    True
    """
    if type(estimator) not in _estimators(BaseRNNText):
        raise TypeError(
            "save supports the estimators of skrnn only. Got an object of class "
            f"{type(estimator).__qualname__}. Use pickle, joblib or skops for pipelines and for your own "
            "classes."
        )
    check_is_fitted(estimator)
    estimator._validate_params()
    write(path, "estimator", estimator, _stored_classes())


def load(path: str | os.PathLike, **functions: Any) -> Any:
    """Load an estimator that was saved by `save`.

    Loading runs no code from the file and imports neither Keras nor a
    backend.

    Parameters
    ----------
    path : str or PathLike
        The file.
    **functions : callable
        The functions that the estimator was saved with, by the name of their
        parameter, for example ``tokenizer=my_tokenizer``. Use
        ``encoder__tokenizer`` for the tokenizer of its `encoder`.

    Returns
    -------
    estimator : RNNTextClassifier, RNNTextEncoder, RNNTextRegressor or \
            RNNTextSeq2Seq
        The fitted estimator. Its predictions are identical to those of the
        saved one.

    Raises
    ------
    FileError
        If the file is damaged, does not hold an estimator, or needs a
        function that was not passed. It is a subclass of ValueError.
    OSError
        If the file cannot be read.

    See Also
    --------
    save : Save a fitted estimator.
    """
    estimator = read(path, "estimator", _stored_classes(), functions)
    if not isinstance(estimator, BaseRNNText):
        raise FileError(f"{os.fspath(path)} cannot be loaded: it holds no estimator.")
    return estimator


def _stored_classes() -> dict[str, StoredClass]:
    """Return every class whose objects a file may hold, by its name there."""
    stored = [
        StoredClass(Tokens, Tokens.__getstate__, _build_tokens, shareable=True),
        *(StoredClass(cls, _dataclass_state, partial(_build_dataclass, cls)) for cls in DATACLASSES),
        *(
            StoredClass(cls, _estimator_state, partial(_build_estimator, cls))
            for cls in _estimators(BaseRNNText)
        ),
    ]
    return {entry.cls.__name__: entry for entry in stored}


def _estimators(cls: type[BaseRNNText]) -> list[type[BaseRNNText]]:
    """Return the estimators of this package: the subclasses of a class that have no subclasses here."""
    own = [sub for sub in cls.__subclasses__() if sub.__module__.startswith("skrnn.")]
    return [leaf for sub in own for leaf in _estimators(sub)] or [cls]


def _require(condition: bool, problem: str) -> None:
    """Raise a FileError unless a condition holds."""
    if not condition:
        raise FileError(f"its parts do not match: {problem}")


# -- estimators ------------------------------------------------------------------------------------


def _estimator_state(estimator: BaseRNNText) -> dict[str, Any]:
    """Return the attributes of an estimator without those that only `fit` uses."""
    state = estimator.__getstate__()
    state.pop("_skl_callbacks", None)
    state["callbacks"] = None
    if not isinstance(state["embeddings"], (str, os.PathLike)):
        state["embeddings"] = None
    return state


def _build_estimator(cls: type[BaseRNNText], state: dict[str, Any]) -> BaseRNNText:
    """Return an estimator with the given attributes after checking them."""
    parameters = cls._parameter_constraints.keys()
    fitted = [name for name in state if name not in parameters]
    unknown = [name for name in fitted if not _is_fitted_name(name) or hasattr(cls, name)]
    if unknown:
        raise FileError(f"{cls.__name__} cannot have the attributes {', '.join(map(str, unknown))}")
    estimator: Any = cls()
    vars(estimator).update(state)  # a parameter that is newer than the file keeps its default
    estimator._validate_params()
    _check_estimator(estimator)
    return estimator


def _is_fitted_name(name: Any) -> bool:
    """Return whether a fitted attribute, public or private, may have a name."""
    return isinstance(name, str) and name.isidentifier() and "__" not in name and "_" in (name[0], name[-1])


def _check_estimator(estimator: Any) -> None:
    """Raise a FileError unless the fitted attributes match one another."""
    owner, spec, tokens = type(estimator).__name__, estimator._spec, estimator._tokens
    _require(isinstance(spec, Spec), f"{owner} has no network")
    _require(isinstance(tokens, Tokens), f"{owner} has no vocabulary")
    check_names(spec)
    weights = estimator._weights
    # This bounds the work of weight_shapes, which lists the weights of every layer.
    _require(isinstance(weights, dict) and spec.n_layers <= len(weights), f"{owner} has too few weights")
    shapes = {name: array.shape for name, array in weights.items() if array.dtype == np.float32}
    expected = weight_shapes(spec)
    wrong = sorted(name for name in expected.keys() | weights if shapes.get(name) != expected.get(name))
    _require(not wrong, f"{owner} has the weights of another network: {', '.join(map(str, wrong[:3]))}")
    _require(tokens.n_ids == spec.n_ids, f"{tokens.n_ids} ids for an embedding with {spec.n_ids} rows")
    divisible = spec.n_heads > 0 and spec.rnn_units % spec.n_heads == 0
    _require(spec.layer != "self_attention" or divisible, f"{spec.n_heads} heads for {spec.rnn_units} units")
    length = estimator.sequence_length_
    _require(type(length) is int and length > 0, f"sequence_length_ is {length!r:.40}")
    truncation = estimator._truncation
    _require(truncation in ("end", "start", "middle"), f"the truncation is {truncation!r:.40}")
    _check_head(estimator, spec)
    if spec.head == "seq2seq":
        _require(estimator._target_tokens.n_ids == spec.n_outputs, "the target vocabulary has another size")


def _check_head(estimator: Any, spec: Spec) -> None:
    """Raise a FileError unless the head matches the network and the classes."""
    head = estimator._head
    _require(isinstance(head, Head) and head.name == spec.head, "the head is that of another network")
    n_outputs = spec.n_ids if head.predicts_ids else head.n_outputs
    _require(spec.head == "seq2seq" or spec.n_outputs == n_outputs, f"the head has {n_outputs} outputs")
    if isinstance(head, Classification):
        n_classes = max(spec.n_outputs, 2)
        for classes in (head.classes, getattr(estimator, "classes_", head.classes)):
            _require(classes.shape == (n_classes,), f"shape {classes.shape} for {n_classes} classes")
    if isinstance(head, Regression):
        shapes = head.mean.shape, head.scale.shape
        _require(shapes == ((spec.n_outputs,),) * 2, f"mean and scale of the targets have shapes {shapes}")


# -- dataclasses -----------------------------------------------------------------------------------


def _dataclass_state(instance: Any) -> dict[str, Any]:
    return {field.name: getattr(instance, field.name) for field in fields(instance)}


def _build_dataclass(cls: type, state: dict[str, Any]) -> Any:
    """Return a dataclass with the given fields after checking their types."""
    instance = cls(**state)
    for name, annotation in _FIELD_TYPES[cls].items():
        value = getattr(instance, name)
        _require(_has_type(value, annotation), f"{cls.__name__} has {name}={value!r:.40}")
        _require(type(value) is not int or 0 <= value < 2**31, f"{cls.__name__} has {name}={value!r:.40}")
    return instance


def _has_type(value: Any, annotation: Any) -> bool:
    """Return whether a value has a type: a class, a Literal or a union."""
    origin = get_origin(annotation)
    if origin is Literal:
        return isinstance(value, str) and value in get_args(annotation)
    if origin in (Union, UnionType):
        return any(_has_type(value, option) for option in get_args(annotation))
    return type(value) is (origin or annotation)


# -- tokens ----------------------------------------------------------------------------------------


def _build_tokens(state: dict[str, Any]) -> Tokens:
    """Return Tokens with the given state after checking it."""
    state = {"spacing": None} | state  # files of older versions have no spacing
    names = {"settings", "vocabulary", "merges", "spacing"}
    _require(state.keys() == names, f"Tokens has the state {sorted(state)}")
    settings, vocabulary, merges = state["settings"], state["vocabulary"], state["merges"]
    _require(settings.keys() == _TEXT_SETTINGS, f"Tokens has the settings {sorted(settings)}")
    for name, value in settings.items():
        valid = value is None or isinstance(value, (str, bool)) or callable(value)
        _require(valid, f"Tokens has {name}={value!r:.40}")
    _require(set(map(type, vocabulary)) <= {str}, "a term of the vocabulary is not a string")
    ids = list(range(N_SPECIAL, len(vocabulary) + N_SPECIAL))
    _require(list(vocabulary.values()) == ids, "the ids of the vocabulary are not consecutive")
    analyzer = settings["analyzer"]
    _require(callable(analyzer) or analyzer in ANALYZERS, f"the analyzer is {analyzer!r:.40}")
    _require((merges is not None) == (analyzer == "subword"), f"merges for the analyzer {analyzer!r:.40}")
    if merges is not None:
        _check_merges(merges, vocabulary)
    spacing = state["spacing"]
    if spacing is not None:
        _require(type(spacing) is dict, "the spacing of Tokens is no dict")
        kinds = {*map(type, spacing), *map(type, spacing.values())}
        _require(kinds <= {str, int}, "the spacing of Tokens does not map strings to 0 or 1")
    return Tokens(settings, vocabulary, merges, spacing)


def _check_merges(merges: str, vocabulary: dict[str, int]) -> None:
    """Raise a FileError unless `fit` could have learned a byte-pair encoding.

    The tokenizers library reads this JSON later and does not check it.
    """
    _require(merges.count("[") < 4 * len(vocabulary) + 100, "there are more merges than sub-words")
    tokenizer = json.loads(merges)
    model = tokenizer["model"]
    kinds = [tokenizer["pre_tokenizer"]["type"], tokenizer["decoder"]["type"], model["type"]]
    unused = [tokenizer[name] for name in ("normalizer", "post_processor", "truncation", "padding")]
    _require(
        kinds == ["ByteLevel", "ByteLevel", "BPE"] and not any(unused), f"sub-words are split by {kinds}"
    )
    ids = {piece: i - N_SPECIAL for piece, i in vocabulary.items()}
    _require(not tokenizer["added_tokens"] and model["vocab"] == ids, "sub-words of another vocabulary")
    pairs = [pair if isinstance(pair, list) else pair.split(" ") for pair in model["merges"]]
    known = all(a in ids and b in ids and a + b in ids for a, b in pairs)
    _require(known, "a merge uses a sub-word that is not in the vocabulary")
