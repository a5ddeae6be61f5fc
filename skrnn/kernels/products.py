"""Products of a few rows with a kernel that stays the same from step to step, for the compiled loops.

BLAS copies the kernel at each call to where it can be read in order, and its fastest loops are for more rows
than a step has. Here the kernel is laid out once, and a tile of the product, some rows by some vectors of
columns, stays in the registers of the core from the first term to the last (Goto & van de Geijn 2008). Each
row of a product depends on that row alone, and so do its bits.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from llvmlite import ir
from llvmlite.binding import get_host_cpu_features
from numba import njit, types
from numba.core import cgutils
from numba.extending import intrinsic


def _vectors() -> int:
    """Return how many vectors a row of a tile has: registers of AVX-512 hold four, others one, in parts."""
    try:
        return 4 if get_host_cpu_features().get("avx512f") else 1
    except RuntimeError:  # not known of this machine
        return 1


ROWS, LANES = 4, 16
COLUMNS = LANES * _vectors()


def panels(kernel: np.ndarray) -> np.ndarray:
    """Cut a kernel into panels of columns, the last filled up with zeros.

    Parameters
    ----------
    kernel : ndarray of float32 of shape (d, n)
        What rows are to be multiplied by.

    Returns
    -------
    panels : ndarray of float32 of shape (n_panels, d, COLUMNS)

    Examples
    --------
    >>> import numpy as np
    >>> from skrnn.kernels.products import panels
    >>> panels(np.ones((2, 3), np.float32)).shape[:2]
    (1, 2)
    """
    depth, n = kernel.shape
    wide = np.zeros((depth, -(-n // COLUMNS) * COLUMNS), np.float32)
    wide[:, :n] = kernel
    return np.ascontiguousarray(wide.reshape(depth, -1, COLUMNS).swapaxes(0, 1))


@intrinsic
def _tile(typing_context: Any, x: Any, i: Any, kernel: Any, p: Any, out: Any) -> tuple:
    """Write ``x[i : i + ROWS] @ kernel[p]`` to its place in `out`."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        number, vector = ir.IntType(64), ir.VectorType(ir.FloatType(), LANES)
        zero, nothing = ir.Constant(vector, [0.0] * LANES), ir.Constant(vector, ir.Undefined)
        same_lane = ir.Constant(ir.VectorType(ir.IntType(32), LANES), [0] * LANES)
        x, kernel, out = (
            context.make_array(kind)(context, builder, argument)
            for kind, argument in zip(signature.args[::2], arguments[::2], strict=True)
        )
        i, p = arguments[1], arguments[3]
        depth, width = (cgutils.unpack_tuple(builder, array.shape)[1] for array in (x, out))

        def at(start: Any, *factors: Any) -> Any:
            """Return the address so many numbers on, a product of factors."""
            n = ir.Constant(number, 1)
            for factor in factors:
                n = builder.mul(n, ir.Constant(number, factor) if isinstance(factor, int) else factor)
            return builder.gep(start, [n])

        def vectors(start: Any) -> list[Any]:
            """Return the addresses of the vectors of a tile's row."""
            return [builder.bitcast(at(start, j), vector.as_pointer()) for j in range(0, COLUMNS, LANES)]

        rows = [at(at(x.data, i, depth), k, depth) for k in range(ROWS)]
        panel = at(kernel.data, p, depth, COLUMNS)
        begin, loop, end = builder.block, *map(builder.append_basic_block, ("loop", "end"))
        builder.branch(loop)

        builder.position_at_end(loop)
        k = builder.phi(number)  # the term that is added
        sums = [[builder.phi(vector) for _ in range(0, COLUMNS, LANES)] for _ in rows]
        columns = [builder.load(place, align=4) for place in vectors(at(panel, k, COLUMNS))]
        results = []
        for row, before in zip(rows, sums, strict=True):
            value = builder.insert_element(nothing, builder.load(at(row, k)), ir.IntType(32)(0))
            value = builder.shuffle_vector(value, nothing, same_lane)
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


@njit(nogil=True, cache=True, error_model="numpy")
def room(rows, width):  # type: ignore[no-untyped-def]
    """Return zeros of that many rows and some more, so that tiles fill them."""
    return np.zeros(((rows + ROWS - 1) // ROWS * ROWS, width), np.float32)


@njit(nogil=True, cache=True, error_model="numpy")
def product(x, n, kernel, out):  # type: ignore[no-untyped-def]
    """Write ``x[:n] @ kernel`` to the first n rows of `out`; both have :func:`room` for whole tiles.

    `kernel` is cut into :func:`panels`; `out` has their columns.
    """
    for p in range(len(kernel)):
        for i in range(0, n, ROWS):
            _tile(x, i, kernel, p, out)  # type: ignore[call-arg]  # numba gives the context
