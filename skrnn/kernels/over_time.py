"""The two loops over time that all compiled cells share.

Both work on packed batches (:class:`skrnn.serve.batches.Packed`): step t
consists of rows ``starts[t]`` to ``starts[t + 1]``, the longest texts
first. Numba inlines them into the ``forward`` and ``backward`` functions of
each cell and replaces `row` by the cell's own function for one row.

Sizes: b rows of the batch, n tokens, u units, g u columns of the input's
share of the gates (4 u for the QRNN, whose share serves two tokens).
"""
# mypy: disallow-untyped-defs=False

from __future__ import annotations

from numba import njit

from skrnn.kernels.gates import OPTIONS, copy
from skrnn.kernels.products import product, room


@njit(inline="always", **OPTIONS)
def forward_over_time(row, arguments):
    """Read a packed batch.

    Parameters
    ----------
    row : function
        Updates the state of one text by one token; see :func:`skrnn.kernels.gru.row`.
    arguments : tuple
        In this order:

        - table (any, g u): the input's share of the gates, bias included;
        - ids (n,) int64: the row of `table` of each token;
        - starts (t + 1,) int64: the first token of each step;
        - recurrent (p, u, columns): the recurrent kernel, cut into panels;
          p is 0 for a cell without a recurrent product;
        - bias (u,): bias inside a gate of the GRU; other cells ignore it;
        - half: factor of the arguments of sigmoids, 0.5, or 1 if the
          weights have been halved already;
        - output_at, candidate_at: first column of the LSTM's output gate
          and candidate; other cells ignore them;
        - reverse: whether to read from the end;
        - h (b, u): the first hidden state, overwritten by the last;
        - memory: the second state of each row, overwritten likewise;
          cells with one state ignore it;
        - sequence (n, u): receives all hidden states;
        - saved (n, s u): receives what the backward loop needs, where s is
          `SAVED_PER_UNIT` of the cell;
        - total (b, u): the hidden states of each text are added to it;
        - peak (b, u): becomes the maximum of itself and the hidden states.

        The last four may have no rows: then they receive nothing.
    """
    (table, ids, starts, recurrent, bias, half, output_at, candidate_at, reverse,
     first, memory, sequence, saved, total, peak) = arguments  # fmt: skip
    n_steps = len(starts) - 1
    h = room(len(first), first.shape[1])
    for i in range(len(first)):
        copy(first[i], h[i])
    gates = room(len(first), recurrent.shape[0] * recurrent.shape[2])
    for k in range(n_steps):
        t = n_steps - 1 - k if reverse else k
        start, n = starts[t], starts[t + 1] - starts[t]
        product(h, n, recurrent, gates)
        for i in range(n):
            x = table[ids[start + i]]
            row(x, gates[i], bias, half, output_at, candidate_at, h[i], memory[i], saved, start + i)
        _collect(h, start, n, sequence, total, peak)
    for i in range(len(first)):
        copy(h[i], first[i])


@njit(**OPTIONS)
def _collect(h, start, n, sequence, total, peak):
    """Copy, sum and compare the hidden states of one step."""
    u = h.shape[1]
    for i in range(n):
        if len(sequence):
            for j in range(u):
                sequence[start + i, j] = h[i, j]
        if len(total):
            for j in range(u):
                total[i, j] += h[i, j]
        if len(peak):
            for j in range(u):
                peak[i, j] = h[i, j] if h[i, j] > peak[i, j] else peak[i, j]


@njit(inline="always", **OPTIONS)
def backward_over_time(row, arguments):
    """Compute the gradients by backpropagation through time (Werbos 1990).

    Parameters
    ----------
    row : function
        Goes back by one token of one text; see :func:`skrnn.kernels.gru.backward_row`.
    arguments : tuple
        In this order:

        - starts (t + 1,), reverse: as in :func:`forward_over_time`;
        - transposed (p, g u, columns): the transpose of the recurrent
          kernel, cut into panels; p is 0 as above;
        - first (b, u): the first hidden states;
        - sequence (n, u), saved (n, s u): what the forward loop wrote;
        - d_sequence (n, u): gradient with respect to all hidden states;
        - dh (b, u): gradient with respect to the last hidden states,
          overwritten by that of the first;
        - d_memory: the same for the second states;
        - dx (n, g u): receives the gradient of the input's share;
        - d_recurrent (n, g u): receives the gradient of the recurrent
          share; cells that add the two shares ignore it, as both gradients
          are then `dx`;
        - previous (n, u): receives the hidden state before each token.
    """
    (starts, transposed, reverse, first, sequence, saved,
     d_sequence, dh, d_memory, dx, d_recurrent, previous) = arguments  # fmt: skip
    n_steps, u = len(starts) - 1, dh.shape[1]
    _previous_states(starts, reverse, first, sequence, previous)
    d_gates = room(len(dh), dx.shape[1])
    through = room(len(dh), transposed.shape[0] * transposed.shape[2])
    for k in range(n_steps):
        t = k if reverse else n_steps - 1 - k
        start, n = starts[t], starts[t + 1] - starts[t]
        for i in range(n):
            token = start + i
            for j in range(u):
                dh[i, j] += d_sequence[token, j]
            row(
                saved[token], previous[token], sequence[token], dh[i], d_memory[i],
                dx[token], d_recurrent[token], d_gates[i],
            )  # fmt: skip
        product(d_gates, n, transposed, through)
        if len(transposed):
            for i in range(n):
                for j in range(u):
                    dh[i, j] += through[i, j]


@njit(**OPTIONS)
def _previous_states(starts, reverse, first, sequence, previous):
    """Write the hidden state before each token to `previous`."""
    n_steps = len(starts) - 1
    for t in range(n_steps):
        other = t + 1 if reverse else t - 1
        n = starts[t + 1] - starts[t]
        known = min(n, starts[other + 1] - starts[other]) if 0 <= other < n_steps else 0
        for i in range(n):
            copy(sequence[starts[other] + i] if i < known else first[i], previous[starts[t] + i])
