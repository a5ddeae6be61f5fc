"""Products of a few rows with a kernel that stays the same from step to step.

At each call, BLAS copies the kernel into an order that it can read in one
pass, and its fastest loops need more rows than a step of a batch has. Here
:func:`panels` copies the kernel once, and :func:`product` computes tiles of
some rows by some columns. A tile stays in the registers of the core from
the first term to the last (Goto & van de Geijn 2008).

Each row of a product depends on that row of `x` alone, to the last bit.
"""
# mypy: disallow-untyped-defs=False

from __future__ import annotations

from functools import partial
from typing import Any

import numpy as np
from llvmlite import ir
from llvmlite.binding import get_host_cpu_features
from numba import njit, types
from numba.extending import intrinsic


def _vectors() -> int:
    """Return the number of vectors in a row of a tile: four with the registers of AVX-512, else one."""
    try:
        return 4 if get_host_cpu_features().get("avx512f") else 1
    except RuntimeError:  # LLVM does not know the features of this machine
        return 1


ROWS, LANES = 4, 16  # rows of a tile, numbers in a vector
COLUMNS = LANES * _vectors()  # columns of a tile, and of a panel


def panels(kernel: np.ndarray) -> np.ndarray:
    """Cut a kernel into panels of columns and pad the last panel with zeros.

    Parameters
    ----------
    kernel : ndarray of float32 of shape (d, n)
        Right factor of the products.

    Returns
    -------
    panels : ndarray of float32 of shape (n_panels, d, COLUMNS)
        An empty kernel, or its transpose, has no panels.

    Examples
    --------
    >>> import numpy as np
    >>> from skrnn.kernels.products import panels
    >>> panels(np.ones((2, 3), np.float32)).shape[:2]
    (1, 2)
    """
    depth, n = kernel.shape
    if not kernel.size:
        return np.empty((0, depth, COLUMNS), np.float32)
    padded = np.zeros((depth, -(-n // COLUMNS) * COLUMNS), np.float32)
    padded[:, :n] = kernel
    return np.ascontiguousarray(padded.reshape(depth, -1, COLUMNS).swapaxes(0, 1))


def _address(builder: Any, start: Any, *factors: Any) -> Any:
    """Return the address that is the product of `factors` numbers after `start`."""
    n = ir.Constant(ir.IntType(64), 1)
    for factor in factors:
        n = builder.mul(n, ir.Constant(ir.IntType(64), factor) if isinstance(factor, int) else factor)
    return builder.gep(start, [n])


@intrinsic
def _tile(typing_context: Any, x: Any, i: Any, kernel: Any, p: Any, out: Any) -> tuple:
    """Write ``x[i : i + ROWS] @ kernel[p]`` to its place in `out`.

    Numba calls this function with the types of the arguments, and the
    function that it returns with their values, to write LLVM code::

        sums = zeros(ROWS, COLUMNS)
        for k in range(depth):
            sums += x[i : i + ROWS, k, None] * kernel[p, k]
        out[i : i + ROWS, p * COLUMNS : (p + 1) * COLUMNS] = sums
    """

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        number, vector = ir.IntType(64), ir.VectorType(ir.FloatType(), LANES)
        zero, nothing = ir.Constant(vector, [0.0] * LANES), ir.Constant(vector, ir.Undefined)
        first_lane = ir.Constant(ir.VectorType(ir.IntType(32), LANES), [0] * LANES)
        x, kernel, out = (
            context.make_array(kind)(context, builder, argument)
            for kind, argument in zip(signature.args[::2], arguments[::2], strict=True)
        )
        i, p = arguments[1], arguments[3]
        depth, width = (builder.extract_value(array.shape, 1) for array in (x, out))

        at = partial(_address, builder)

        def vectors(start: Any) -> list[Any]:
            """Return the addresses of the vectors in a row of the tile."""
            return [builder.bitcast(at(start, j), vector.as_pointer()) for j in range(0, COLUMNS, LANES)]

        rows = [at(at(x.data, i, depth), k, depth) for k in range(ROWS)]
        panel = at(kernel.data, p, depth, COLUMNS)
        begin, loop, end = builder.block, *map(builder.append_basic_block, ("loop", "end"))
        builder.branch(loop)

        builder.position_at_end(loop)
        k = builder.phi(number)
        sums = [[builder.phi(vector) for _ in range(0, COLUMNS, LANES)] for _ in rows]
        columns = [builder.load(place, align=4) for place in vectors(at(panel, k, COLUMNS))]
        results = []
        for row, before in zip(rows, sums, strict=True):
            value = builder.insert_element(nothing, builder.load(at(row, k)), ir.IntType(32)(0))
            value = builder.shuffle_vector(value, nothing, first_lane)  # the value in each lane
            fused = {"flags": ("contract",)}  # multiply and add, rounded once
            results.append(
                [
                    builder.fadd(builder.fmul(value, column, **fused), part, **fused)
                    for column, part in zip(columns, before, strict=True)
                ]
            )
        following = builder.add(k, ir.Constant(number, 1))
        k.add_incoming(ir.Constant(number, 0), begin)
        k.add_incoming(following, loop)
        for parts, new in zip(sums, results, strict=True):
            for part, value in zip(parts, new, strict=True):
                part.add_incoming(zero, begin)
                part.add_incoming(value, loop)
        builder.cbranch(builder.icmp_signed("<", following, depth), loop, end)

        builder.position_at_end(end)
        corner = at(at(out.data, i, width), p, COLUMNS)
        for n, new in enumerate(results):
            for value, place in zip(new, vectors(at(corner, n, width)), strict=True):
                builder.store(value, place, align=4)
        return context.get_dummy_value()

    return types.void(x, i, kernel, p, out), generate


@njit(nogil=True, error_model="numpy")
def room(rows, width):
    """Return zeros, with as many rows as whole tiles need."""
    return np.zeros(((rows + ROWS - 1) // ROWS * ROWS, width), np.float32)


@njit(nogil=True, error_model="numpy")
def product(x, n, kernel, out):
    """Write ``x[:n] @ kernel`` to the first n rows of `out`.

    Parameters
    ----------
    x : array of float32 of shape (n or more, d)
        Left factor, made by :func:`room`.
    n : int
        Number of rows.
    kernel : array of float32 of shape (n_panels, d, COLUMNS)
        Right factor, cut into :func:`panels`. Without panels, nothing happens.
    out : array of float32 of shape (n or more, n_panels * COLUMNS)
        Receives the product, made by :func:`room`. Rows that complete the last
        tile are overwritten, too.
    """
    for p in range(len(kernel)):
        for i in range(0, n, ROWS):
            _tile(x, i, kernel, p, out)  # type: ignore[call-arg]  # Numba passes typing_context
