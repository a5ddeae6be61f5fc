"""Save a fitted estimator to one file and load it without running code."""

from __future__ import annotations

import os
from functools import partial
from typing import Any, Literal

import numpy as np
from sklearn.utils.validation import check_is_fitted

from skrnn.base import BaseRNNText
from skrnn.ragged import N_SPECIAL
from skrnn.spec import Spec
from skrnn.storage import (
    FileError,
    StoredClass,
    check_head,
    check_network,
    check_types,
    parse_strict_json,
    read,
    require,
    stored_dataclasses,
    write,
)
from skrnn.targets import HEADS, Classification, Head, Regression, Seq2Seq
from skrnn.text import Tokens, WordSplitter

_NEEDED = (  # fitted attributes that every estimator has
    *("_tokens", "_spec", "_head", "_weights", "_truncation", "vocabulary_", "sequence_length_"),
    *("n_features_in_", "n_iter_", "loss_curve_", "history_"),
)
_NEEDED_BY = {  # and those of one estimator
    "RNNTextClassifier": ("classes_",),
    "RNNTextEncoder": ("objective_",),
    "RNNTextSeq2Seq": ("_target_tokens", "_copies", "target_vocabulary_", "target_sequence_length_"),
}
_HEADS = {"RNNTextClassifier": Classification, "RNNTextRegressor": Regression, "RNNTextSeq2Seq": Seq2Seq}
_ATTRIBUTES: dict[str, Any] = {  # types of fitted attributes; private ones that are not here are refused
    "_tokens": Tokens,
    "_target_tokens": Tokens,
    "_spec": Spec,
    "_head": Head,
    "_weights": dict[str, np.ndarray],
    "_truncation": Literal["end", "start", "middle"],
    "_copies": bool,
    "_column_name": str | None,
    "_made_with": dict[str, bool | int | float | str | None],
    "_progress": dict[str, int | str | dict[str, np.ndarray]],
    "_sklearn_output_config": dict[str, Literal["default", "pandas", "polars"]],
    "vocabulary_": dict[str, int],
    "target_vocabulary_": dict[str, int],
    "sequence_length_": int,
    "target_sequence_length_": int,
    "n_features_in_": int,
    "feature_names_in_": np.ndarray,
    "classes_": np.ndarray,
    "objective_": str,
    "n_iter_": int,
    "loss_curve_": list[float],
    "history_": dict[str, list[float]],
    "validation_scores_": list[float],
    "best_validation_score_": float,
}
_SIZES = {  # of attributes and parameters: the smallest, and the smallest that is too large
    "sequence_length_": (1, 2**63),
    "target_sequence_length_": (1, 2**63),
    "n_iter_": (0, 2**63),
    "beam_width": (1, 2**16),
}
_TOKENS: dict[str, Any] = {"settings": dict[str, object], "vocabulary": dict[str, int], "merges": str | None}
_TOKENS["spacing"] = dict[str, int] | None  # white space before a term: 0 or 1
_TEXT_SETTINGS = {"analyzer", "lowercase", "strip_accents", "preprocessor", "tokenizer", "token_pattern"}


def save(estimator: Any, path: str | bytes | os.PathLike) -> None:
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
    path : str, bytes or PathLike
        The file to create or replace. By convention it ends in `.skrnn`.
        Symbolic links are followed, an existing file keeps its permissions,
        and pipes and devices are written to. Several threads or processes may
        save to one path.

    Raises
    ------
    TypeError
        If `estimator` is not an estimator of skrnn (for example a Pipeline or
        a subclass), or has an attribute that a file cannot hold, or if `path`
        is not a path.
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

    Save a pipeline with skops or joblib, or save its last step with `save`.

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
        kind = (
            f"the class {estimator.__name__}" if isinstance(estimator, type) else type(estimator).__qualname__
        )
        raise TypeError(f"save takes a fitted estimator of skrnn. Got {kind}. {_advice(estimator)}")
    check_is_fitted(estimator)
    estimator._validate_params()
    write(path, "estimator", estimator, _stored_classes())


def _advice(found: Any) -> str:
    """Return how to save an object that is not an estimator of skrnn."""
    if isinstance(found, type):
        return "Create an object, call its fit, and save it."
    if hasattr(found, "best_estimator_"):
        return "Save its best_estimator_, or the whole search with skops or joblib."
    if isinstance(found, BaseRNNText):
        return "A file holds no classes of your own: save it with skops or joblib."
    if isinstance(found, (list, tuple, dict, set)):
        return "Save each estimator to a file of its own."
    if hasattr(found, "fit"):
        return (
            "Save the estimator of skrnn alone, for example pipeline[-1], or the whole object with "
            "skops.io.dump(pipeline, path) or joblib.dump(pipeline, path)."
        )
    return "Other objects can be saved with joblib.dump."


def load(path: str | bytes | os.PathLike, **functions: Any) -> Any:
    """Load an estimator that was saved by `save`.

    Loading runs no code from the file and imports neither Keras nor a
    backend.

    Parameters
    ----------
    path : str, bytes or PathLike
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
        raise FileError(f"{os.fsdecode(path)} cannot be loaded: it holds no estimator.")
    return estimator


def _stored_classes() -> dict[str, StoredClass]:
    """Return every class whose objects a file may hold, by its name there."""
    stored = [
        StoredClass(Tokens, Tokens.__getstate__, _build_tokens, shareable=True),
        *stored_dataclasses(),
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
    unknown += [name for name in fitted if name not in unknown and name[0] == "_" and name not in _ATTRIBUTES]
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
    """Raise a FileError unless the fitted attributes have their types and match one another."""
    cls, attributes = type(estimator), vars(estimator)
    owner, types = cls.__name__, {**_ATTRIBUTES, "_head": _HEADS.get(cls.__name__, Head)}
    needed = [*_NEEDED, *_NEEDED_BY.get(owner, ())]
    missing = [name for name in needed if name not in attributes]
    require(not missing, f"{owner} does not have {', '.join(missing)}")
    check_types(owner, attributes, types)
    spec, head, tokens = estimator._spec, estimator._head, estimator._tokens
    check_network(owner, spec, estimator._weights, tokens.n_ids)
    check_head(head, spec, attributes.get("classes_"))
    for name in _SIZES.keys() & attributes:
        least, end = _SIZES[name]
        require(least <= attributes[name] < end, f"{name} is {attributes[name]!r:.40}")
    require(attributes["n_features_in_"] == 1, f"{owner} reads {estimator.n_features_in_!r:.40} columns")
    _check_vocabulary(tokens, estimator.vocabulary_)
    names = attributes.get("feature_names_in_", np.empty(1, object))
    require(names.shape == (1,) and names.dtype == object, f"the column of texts has the name {names!r:.40}")
    if spec.head == "seq2seq":
        _check_vocabulary(estimator._target_tokens, estimator.target_vocabulary_)
        same_size = estimator._target_tokens.n_ids == spec.n_outputs
        require(same_size, "the target vocabulary has another size")
        require(not estimator._copies or spec.attention is not None, "words are copied without attention")
    if "objective_" in attributes:
        expected = HEADS[spec.head].objective
        require(estimator.objective_ == expected, f"objective_ is {estimator.objective_!r:.40}")


def _check_vocabulary(tokens: Tokens, vocabulary: dict[str, int]) -> None:
    same = vocabulary is tokens.vocabulary or vocabulary == tokens.vocabulary
    require(same, "a vocabulary is not that of the tokens")


# -- tokens ----------------------------------------------------------------------------------------


def _build_tokens(state: dict[str, Any]) -> Tokens:
    """Return Tokens with the given state after checking it."""
    state = {"spacing": None} | state  # files of older versions have no spacing
    require(state.keys() == _TOKENS.keys(), f"Tokens has the state {sorted(state)}")
    check_types("Tokens", state, _TOKENS)
    settings, vocabulary, merges = state["settings"], state["vocabulary"], state["merges"]
    require(settings.keys() == _TEXT_SETTINGS, f"Tokens has the settings {sorted(settings)}")
    BaseRNNText(**settings)._validate_params()  # they are parameters of `fit`
    ids = list(range(N_SPECIAL, len(vocabulary) + N_SPECIAL))
    require(list(vocabulary.values()) == ids, "the ids of the vocabulary are not consecutive")
    analyzer = settings["analyzer"]
    if analyzer == "word" and settings["tokenizer"] is None:
        _ = WordSplitter(settings["token_pattern"]).regex  # raises an error if the pattern is not valid
        "".join(vocabulary).encode()  # such words have no lone surrogates
    require((merges is not None) == (analyzer == "subword"), f"merges for the analyzer {analyzer!r:.40}")
    if merges is not None:
        _check_merges(merges, vocabulary)
    spacing = state["spacing"]
    require(set((spacing or {}).values()) <= {0, 1}, "the spacing of Tokens does not map strings to 0 or 1")
    return Tokens(settings, vocabulary, merges, spacing)


def _check_merges(merges: str, vocabulary: dict[str, int]) -> None:
    """Raise a FileError unless `fit` could have learned a byte-pair encoding.

    The tokenizers library reads this JSON later and does not check it.
    """
    require(merges.count("[") < 4 * len(vocabulary) + 100, "there are more merges than sub-words")
    tokenizer = parse_strict_json(merges, len(merges))
    model, splitter, joiner = (tokenizer.pop(name) for name in ("model", "pre_tokenizer", "decoder"))
    kinds = [splitter.pop("type"), joiner.pop("type"), model.pop("type")]
    require(kinds == ["ByteLevel", "ByteLevel", "BPE"], f"sub-words are split by {kinds}")
    ids, pairs = model.pop("vocab"), model.pop("merges")
    flags = [*splitter.values(), *joiner.values()]
    unused = [tokenizer.pop("version") != "1.0", tokenizer.pop("added_tokens") != []]
    unused += [value is not None and value is not False for value in [*tokenizer.values(), *model.values()]]
    valid = set(map(type, flags)) <= {bool} and not any(unused)
    require(valid, "the settings of the sub-words are not those of skrnn")
    same = ids == {piece: i - N_SPECIAL for piece, i in vocabulary.items()}
    require(same and set(map(type, ids.values())) == {int}, "sub-words of another vocabulary")
    f"{merges}{''.join(ids)}".encode()  # the library reads no lone surrogates
    pairs = [pair if isinstance(pair, list) else pair.split(" ") for pair in pairs]
    known = all(a in ids and b in ids and a + b in ids for a, b in pairs)
    require(known, "a merge uses a sub-word that is not in the vocabulary")
