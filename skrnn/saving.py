"""save and load: a fitted estimator as one file, from which no code is run."""

from __future__ import annotations

import json
import os
from dataclasses import fields
from typing import Any, Literal, get_args, get_origin, get_type_hints

import numpy as np
from sklearn.utils.validation import check_is_fitted

from skrnn.base import BaseRNNText
from skrnn.ragged import N_SPECIAL
from skrnn.serve.weights import weight_shapes
from skrnn.spec import Spec
from skrnn.storage.container import read, write
from skrnn.storage.encoding import FileError, Kind
from skrnn.text.tokens import Tokens

_SPEC_TYPES = get_type_hints(Spec)  # at import: it evaluates the annotations
_LIVE = {"embeddings": (str, os.PathLike), "callbacks": ()}  # parameters of which only these types are kept
_TEXT_SETTINGS = {"analyzer", "lowercase", "strip_accents", "preprocessor", "tokenizer", "token_pattern"}


def save(estimator: Any, path: str | os.PathLike) -> None:
    """Save a fitted estimator to one file.

    The file is written aside and put in place when it is whole and on the disk: whatever happens, there is
    the old file or the new one. It is a safetensors file, so other programs can read its weights.

    Parameters
    ----------
    estimator : RNNTextClassifier, RNNTextEncoder, RNNTextRegressor or RNNTextSeq2Seq
        What to save; a fitted `encoder` it was given is saved inside.
    path : str or PathLike
        Where to, conventionally ending in `.skrnn`.

    Raises
    ------
    TypeError
        If it is no estimator of this package (a subclass, a Pipeline), or holds what a file cannot.
    ValueError
        If a parameter is not valid.
    sklearn.exceptions.NotFittedError
        If it is not fitted.
    OSError
        If the file cannot be written; what was there before is unchanged then.

    See Also
    --------
    load : Read it back.

    Notes
    -----
    Functions given as parameters (`tokenizer`, `preprocessor`, `analyzer`, `strip_accents`) are not in the
    file, only their names: `load` wants them again. Neither are `callbacks` and `embeddings` that are objects
    rather than a path, which only a new fit would use: they are None after loading.

    Examples
    --------
    >>> import os, tempfile
    >>> from skrnn import RNNTextEncoder, load, save
    >>> encoder = RNNTextEncoder(objective="random", rnn_units=4, random_state=0).fit(["a film", "a book"])
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = os.path.join(folder, "encoder.skrnn")
    ...     save(encoder, path)
    ...     loaded = load(path)
    >>> bool((loaded.transform(["a film"]) == encoder.transform(["a film"])).all())
    True
    """
    kinds = _kinds()
    if type(estimator) not in {kind.cls for kind in kinds.values()} - {Spec, Tokens}:
        raise TypeError(
            f"save takes a fitted estimator of skrnn. Got {type(estimator).__qualname__}; for a Pipeline or "
            "a class of your own there are pickle, joblib and skops."
        )
    check_is_fitted(estimator)
    estimator._validate_params()
    write(path, "estimator", estimator, kinds)


def load(path: str | os.PathLike, **functions: Any) -> Any:
    """Load an estimator that `save` has saved; no code is run, and neither Keras nor TensorFlow imported.

    Parameters
    ----------
    path : str or PathLike
        The file.
    **functions : callable
        The functions the estimator was saved with, by the name of the parameter, such as
        ``tokenizer=my_tokenizer``, or ``encoder__tokenizer`` for one of its encoder.

    Returns
    -------
    estimator : RNNTextClassifier, RNNTextEncoder, RNNTextRegressor or RNNTextSeq2Seq
        It predicts the same, to the bit.

    Raises
    ------
    FileError
        If the file is damaged or is none of these, or if a function is missing; a ValueError.
    OSError
        If it cannot be read.

    See Also
    --------
    save : Write it.
    """
    estimator = read(path, "estimator", _kinds(), functions)
    if not isinstance(estimator, BaseRNNText):
        raise FileError(f"{os.fspath(path)} is damaged: it holds no estimator")
    return estimator


def _kinds() -> dict[str, Kind]:
    """Return the classes whose objects a file may hold."""
    own = [cls for cls in BaseRNNText.__subclasses__() if cls.__module__.startswith("skrnn.")]
    return {
        "Spec": Kind(
            Spec, lambda spec: {field.name: getattr(spec, field.name) for field in fields(spec)}, _spec
        ),
        "Tokens": Kind(Tokens, Tokens.__getstate__, _tokens, shared=True),
        **{cls.__name__: Kind(cls, _state, _builder(cls)) for cls in own},
    }


def _state(estimator: BaseRNNText) -> dict[str, Any]:
    state = estimator.__getstate__()
    state.pop("_skl_callbacks", None)  # like `callbacks`, they serve a new fit only
    for name, kept in _LIVE.items():
        if not isinstance(state[name], kept):
            state[name] = None
    return state


def _builder(cls: type[BaseRNNText]) -> Any:
    """Return what makes an estimator of a class of its state."""
    parameters = cls._parameter_constraints.keys()

    def build(state: dict[str, Any]) -> BaseRNNText:
        fitted = [name for name in state if name not in parameters]
        wrong = [name for name in fitted if not _is_fitted_name(name) or hasattr(cls, name)]
        if wrong:
            raise FileError(f"{cls.__name__} has no {', '.join(wrong)}")
        estimator: Any = cls()
        vars(estimator).update(state)  # a parameter that came later than the file keeps its default
        estimator._validate_params()
        _check(estimator)
        return estimator

    return build


def _is_fitted_name(name: Any) -> bool:
    """Return whether a name is one of a fitted attribute, public or private."""
    return isinstance(name, str) and name.isidentifier() and "__" not in name and "_" in (name[0], name[-1])


def _check(estimator: Any) -> None:
    """Raise a FileError where the parts of an estimator do not fit each other."""
    owner, spec, tokens = type(estimator).__name__, estimator._spec, estimator._tokens
    _demand(isinstance(spec, Spec) and isinstance(tokens, Tokens), f"{owner} without network or tokens")
    weights = estimator._weights
    _demand(isinstance(weights, dict) and spec.n_layers <= len(weights), f"{owner} without weights")
    shapes = {name: array.shape for name, array in weights.items() if array.dtype == np.float32}
    wanted = weight_shapes(spec)
    wrong = sorted(name for name in wanted.keys() | weights if shapes.get(name) != wanted.get(name))
    _demand(not wrong, f"weights of another network: {', '.join(map(str, wrong[:3]))}")
    _demand(tokens.n_ids == spec.n_ids, f"{tokens.n_ids} ids for an embedding of {spec.n_ids} rows")
    heads_fit = spec.layer != "self_attention" or (spec.n_heads > 0 and spec.rnn_units % spec.n_heads == 0)
    _demand(heads_fit, f"{spec.n_heads} heads for {spec.rnn_units} units")
    length = estimator.sequence_length_
    _demand(type(length) is int and length > 0, f"a sequence_length_ of {length!r}")
    _demand(estimator._truncation in ("end", "start", "middle"), f"a truncation of {estimator._truncation!r}")
    classes = getattr(estimator, "classes_", None)
    if classes is not None:
        _demand(classes.ndim == 1 and len(classes) == max(spec.n_outputs, 2), f"{len(classes)} classes")
    if spec.head == "seq2seq":
        _demand(estimator._target_tokens.n_ids == spec.n_outputs, "another target vocabulary")


def _demand(condition: bool, otherwise: str) -> None:
    if not condition:
        raise FileError(f"its parts do not fit: {otherwise}")


def _spec(state: dict[str, Any]) -> Spec:
    """Return the Spec of its fields, whose types are checked."""
    spec = Spec(**state)
    for name, wanted in _SPEC_TYPES.items():
        value = getattr(spec, name)
        options: tuple = ()
        types = []
        for part in get_args(wanted) if get_origin(wanted) is not Literal and get_args(wanted) else (wanted,):
            options += get_args(part)
            types += [] if get_args(part) else [part]
        _demand(type(value) in types or (isinstance(value, str) and value in options), f"{name}={value!r}")
        _demand(type(value) is not int or 0 <= value < 2**31, f"{name}={value!r}")
    return spec


def _tokens(state: dict[str, Any]) -> Tokens:
    """Return Tokens of their state, checked."""
    settings, vocabulary, merges = state["settings"], state["vocabulary"], state["merges"]
    _demand(state.keys() == {"settings", "vocabulary", "merges"}, f"tokens of {sorted(state)}")
    _demand(settings.keys() == _TEXT_SETTINGS, f"settings of tokens {sorted(settings)}")
    for name, value in settings.items():
        _demand(value is None or isinstance(value, (str, bool)) or callable(value), f"{name}={value!r}")
    _demand(set(map(type, vocabulary)) <= {str}, "a term of the vocabulary is no str")
    _demand(list(vocabulary.values()) == list(range(N_SPECIAL, len(vocabulary) + N_SPECIAL)), "ids of terms")
    if merges is not None:
        _check_merges(merges, vocabulary)
    return Tokens(settings, vocabulary, merges)


def _check_merges(merges: str, vocabulary: dict[str, int]) -> None:
    """Raise a FileError if the JSON of a byte-pair encoding is not one that a fit makes.

    What reads it later is not ours and need not stand what nobody writes.
    """
    _demand(merges.count("[") < 4 * len(vocabulary) + 100, "more merges than sub-words")
    coder = json.loads(merges)
    model = coder["model"]
    pairs = [pair if isinstance(pair, list) else pair.split(" ") for pair in model["merges"]]
    ids = {piece: i - N_SPECIAL for piece, i in vocabulary.items()}
    kinds = [coder["pre_tokenizer"]["type"], coder["decoder"]["type"], model["type"]]
    unused = [coder["normalizer"], coder["post_processor"], coder["truncation"], coder["padding"]]
    _demand(kinds == ["ByteLevel", "ByteLevel", "BPE"] and not any(unused), f"sub-words by {kinds}")
    _demand(not coder["added_tokens"] and model["vocab"] == ids, "sub-words of another vocabulary")
    _demand(all(a in ids and b in ids and a + b in ids for a, b in pairs), "merges of no sub-words")
