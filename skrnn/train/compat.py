"""Private attributes of Keras' optimizers, used here and nowhere else; a test covers each of them."""

from __future__ import annotations

from typing import Any


def optimizer_variables(optimizer: Any) -> dict[str, Any]:
    """Return the variables of an optimizer by name, except its learning rate."""
    product = getattr(optimizer, "_u_product", None)  # of nadam: Keras gives it another name in each process
    found = [v for v in optimizer.variables if v is not optimizer._learning_rate and v is not product]
    named = {f"{i}/{v.name}": v for i, v in enumerate(found)}
    return named if product is None else named | {"u_product": product}


def variable_path(optimizer: Any, variable: Any) -> str:
    """Return the path of a trainable variable, "layer/name"."""
    return optimizer._trainable_variables[optimizer._get_variable_index(variable)].path


def trainable_variables(optimizer: Any) -> list[Any]:
    """Return the trainable variables of an optimizer, in the order of its gradients."""
    return optimizer._trainable_variables


def adam_moments(optimizer: Any, variable: Any) -> tuple[Any, Any]:
    """Return the first and second moment of a trainable variable of Adam."""
    index = optimizer._get_variable_index(variable)
    return optimizer._momentums[index], optimizer._velocities[index]
