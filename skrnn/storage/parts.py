"""Check the parts of a fitted estimator that come from a file: their types, their sizes and how they fit."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields
from functools import partial
from types import UnionType
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints

import numpy as np

from skrnn.serve import MASK, MAX_SIZE, check_names, weight_shapes
from skrnn.spec import Spec
from skrnn.storage.encoding import FileError, StoredClass
from skrnn.targets import HEADS, Binary, Classification, Head, Regression, Supervised

# Dataclasses of plain values and arrays that a fitted estimator holds. To store another one, add it here:
# its fields are saved and their types are checked when they are loaded.
DATACLASSES: tuple[type, ...] = (Spec, *HEADS.values())
_FIELD_TYPES = {  # at import, because it evaluates code
    cls: {field.name: get_type_hints(cls)[field.name] for field in fields(cls)} for cls in DATACLASSES
}
MAX_INT = 2**31  # of sizes
MAX_TABLE = 2**26  # entries of a folded embedding that a file of any size may ask for


def require(condition: bool, problem: str) -> None:
    """Raise a FileError unless a condition holds."""
    if not condition:
        raise FileError(f"its parts do not match: {problem}")


def check_types(owner: str, values: Mapping[str, Any], types: Mapping[str, Any]) -> None:
    """Raise a FileError unless each value has the type that is declared under its name, if there is one."""
    for name, value in values.items():
        fits = name not in types or has_type(value, types[name])
        require(fits, f"{owner} has {name}={value!r:.40}")


def has_type(value: Any, annotation: Any) -> bool:
    """Return whether a value has a type.

    Parameters
    ----------
    value : Any
        The value.
    annotation : type
        A class, a Literal, a union, ``tuple[A, B]``, ``list[T]`` or ``dict[K, V]``.
    """
    origin, arguments = get_origin(annotation), get_args(annotation)
    if origin is Literal:
        return isinstance(value, str) and value in arguments
    if origin in (Union, UnionType):
        return any(has_type(value, option) for option in arguments)
    if origin is tuple:
        same = type(value) is tuple and len(value) == len(arguments)
        return same and all(map(has_type, value, arguments))
    if origin is list:
        return type(value) is list and all(has_type(item, arguments[0]) for item in value)
    if origin is dict:
        items = value.items() if type(value) is dict else [(None, None)]
        return all(has_type(key, arguments[0]) and has_type(item, arguments[1]) for key, item in items)
    return type(value) is int if annotation is int else isinstance(value, annotation)


# -- dataclasses -----------------------------------------------------------------------------------


def stored_dataclasses() -> list[StoredClass]:
    """Return how the dataclasses are stored."""
    return [StoredClass(cls, _dataclass_state, partial(_build_dataclass, cls)) for cls in DATACLASSES]


def _dataclass_state(instance: Any) -> dict[str, Any]:
    return {field.name: getattr(instance, field.name) for field in fields(instance)}


def _build_dataclass(cls: type, state: dict[str, Any]) -> Any:
    """Return a dataclass with the given fields after checking their types; ints must be sizes."""
    instance = cls(**state)
    values = {name: getattr(instance, name) for name in _FIELD_TYPES[cls]}
    check_types(cls.__name__, values, _FIELD_TYPES[cls])
    for name, value in values.items():
        least = 0 if name in ("n_outputs", "n_ngrams") else 1
        require(
            type(value) is not int or least <= value < MAX_INT, f"{cls.__name__} has {name}={value!r:.40}"
        )
    return instance


# -- the network -----------------------------------------------------------------------------------


def check_network(owner: str, spec: Spec, weights: dict[str, np.ndarray], n_ids: int) -> None:
    """Raise a FileError unless weights are those of a network for a vocabulary with `n_ids` ids."""
    check_names(spec)
    # This bounds the work of weight_shapes, which lists the weights of every layer.
    require(spec.n_layers <= len(weights), f"{owner} has too few weights")
    # Otherwise a small file could stand for a large network: predictions copy each weight.
    require(len(set(map(id, weights.values()))) == len(weights), f"{owner} has an array as several weights")
    shapes = {name: array.shape for name, array in weights.items() if array.dtype == np.float32}
    expected = weight_shapes(spec)
    wrong = sorted(name for name in expected.keys() | weights if shapes.get(name) != expected.get(name))
    require(not wrong, f"{owner} has the weights of another network: {', '.join(map(str, wrong[:3]))}")
    # A prediction multiplies the embedding with these kernels and keeps the product.
    kernels = {f"{direction}_0/kernel" for direction in spec.directions} | {"positions/kernel"}
    table = spec.n_ids * sum(expected[name][1] for name in kernels & expected.keys())
    small = table <= max(MAX_TABLE, 256 * sum(array.size for array in weights.values()))
    require(small, f"{owner} asks for a table of {table} entries")
    with np.errstate(all="ignore"):
        wrong = [name for name, array in weights.items() if not np.isfinite(array.sum(dtype=np.float64))]
    require(not wrong, f"{owner} has weights that are not finite: {', '.join(wrong[:3])}")
    require(n_ids == spec.n_ids, f"{n_ids} ids for an embedding with {spec.n_ids} rows")
    check_ngrams(spec, weights)
    divisible = spec.rnn_units % spec.n_heads == 0
    require(spec.layer != "self_attention" or divisible, f"{spec.n_heads} heads for {spec.rnn_units} units")


def check_ngrams(spec: Spec, weights: dict[str, np.ndarray]) -> None:
    """Raise a FileError unless the n-grams can be looked up."""
    if spec.ngram_range is None:
        return
    smallest, largest = spec.ngram_range
    require(1 <= smallest <= largest <= MAX_SIZE, f"ngram_range is {spec.ngram_range!r:.40}")
    hashes = weights["ngrams/hashes"]
    require(spec.n_ngrams > 0 and bool((np.diff(hashes) > 0).all()), "the n-grams are not sorted")
    require(0 <= hashes[0] and hashes[-1] <= MASK, "an n-gram has an impossible hash")


def check_head(head: Head, spec: Spec, classes: np.ndarray | None) -> None:
    """Raise a FileError unless the head fits the network and the classes, None if there are none."""
    require(head.name == spec.head, "the head is that of another network")
    n_outputs = spec.n_ids if head.predicts_ids else head.n_outputs
    require(spec.head == "seq2seq" or spec.n_outputs == n_outputs, f"the head has {n_outputs} outputs")
    if isinstance(head, Supervised):
        least, most = (1, 1) if isinstance(head, Binary) else (1 + isinstance(head, Classification), MAX_INT)
        require(least <= n_outputs <= most, f"the head {head.name} has {n_outputs} outputs")
    if isinstance(head, Classification):
        n_classes = max(spec.n_outputs, 2)
        for labels in (head.classes, head.classes if classes is None else classes):
            require(labels.shape == (n_classes,), f"shape {labels.shape} for {n_classes} classes")
            require(bool((np.unique(labels) == labels).all()), "the classes are not sorted")
    if isinstance(head, Regression):
        for numbers in (head.mean, head.scale):
            require(numbers.shape == (n_outputs,), f"mean and scale of {n_outputs} targets: {numbers.shape}")
            valid = numbers.dtype == np.float64 and bool(np.isfinite(numbers).all())
            require(valid, f"mean and scale of the targets are {numbers!r:.60}")
        require(bool((head.scale > 0).all()), f"the scale of the targets is {head.scale!r:.60}")
        require(not head.one_column or n_outputs == 1, f"one column for {n_outputs} outputs")
