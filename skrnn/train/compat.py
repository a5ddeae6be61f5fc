"""Private attributes of Keras' optimizers, used here and nowhere else; a test covers each of them."""

from __future__ import annotations

from typing import Any


def optimizer_variables(optimizer: Any) -> dict[str, Any]:
    """Return the variables of an optimizer by name, except its learning rate."""
    found = [v for v in optimizer.variables if v is not optimizer._learning_rate]
    named = {f"{i}/{v.name}": v for i, v in enumerate(found)}
    if hasattr(optimizer, "_u_product"):  # nadam does not list it, and its name differs in each process
        named["u_product"] = optimizer._u_product
    return named


def variable_index(optimizer: Any, variable: Any) -> int:
    """Return the position of a trainable variable among those of an optimizer."""
    return optimizer._get_variable_index(variable)


def variable_path(optimizer: Any, variable: Any) -> str:
    """Return the path of a trainable variable, "layer/name"."""
    return optimizer._trainable_variables[optimizer._get_variable_index(variable)].path


def trainable_variables(optimizer: Any) -> list[Any]:
    """Return the trainable variables of an optimizer, in the order of its gradients."""
    return optimizer._trainable_variables


def adam_moments(optimizer: Any, index: int) -> tuple[Any, Any]:
    """Return the first and second moment of a variable of Adam."""
    return optimizer._momentums[index], optimizer._velocities[index]
