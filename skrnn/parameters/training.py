"""The parameters of every estimator that describe the training, and how to run."""

from __future__ import annotations

import os
from numbers import Integral, Real
from typing import Any

from skrnn.compat import NON_NEGATIVE, POSITIVE_INT, Interval, StrOptions
from skrnn.parameters.declaration import SHARE, Unused, estimator, parameter


@estimator
class TrainingParameters:
    """How a network is trained and run. Within a stage, the docstring keeps this order."""

    epochs: int | str = parameter(
        default="auto",
        allowed=[POSITIVE_INT, StrOptions({"auto"})],
        stage="first",
        doc="""int or "auto"
        Maximum number of epochs. "auto" is 10, or 15 if texts average 12 tokens or fewer. For more than
        1.7 million training tokens it falls, down to 4. objective="contrastive" reads at most 45,000 texts
        in all epochs, but makes at least 2 epochs.""",
    )
    learning_rate: float = parameter(
        default=0.004,
        allowed=[Interval(Real, 0, None, closed="neither")],
        stage="first",
        doc="""float
        Step size of the optimizer. With schedule="one_cycle" it is the highest step size.""",
    )

    # -- training
    dropout: float | str = parameter(
        default="auto",
        allowed=[SHARE, StrOptions({"auto"})],
        stage="training",
        doc="""float in [0, 1) or "auto"
        Share of the values of the embedding and of the encoding that dropout sets to zero. "auto" is 0.5,
        or 0.25 for vocabularies of at most 253 terms, for example characters, or 0.05 for autoencoders,
        or 0.1 for objective="contrastive".""",
    )
    recurrent_dropout: float = parameter(
        default=0.0,
        allowed=[SHARE],
        stage="training",
        doc="""float in [0, 1)
        Share of the values of the hidden state that dropout sets to zero inside the cell. For
        self-attention, share of the values that are added to a state.""",
        unused=Unused('layer is "qrnn"', lambda e, _: e.layer == "qrnn"),
    )
    optimizer: str = parameter(
        default="adam",
        allowed=[StrOptions({"adam", "adamw", "nadam", "rmsprop", "sgd", "adagrad"})],
        stage="training",
        doc="""{"adam", "adamw", "nadam", "rmsprop", "sgd", "adagrad"}
        Keras optimizer. Gradients are clipped to a global norm of 1.""",
    )
    schedule: str = parameter(
        default="one_cycle",
        allowed=[StrOptions({"one_cycle", "constant"})],
        stage="training",
        doc="""{"one_cycle", "constant"}
        How the learning rate changes. "one_cycle" raises it over the first 15 % of all steps and then lowers
        it to zero along a cosine (Smith & Topin 2019). `partial_fit` always uses a constant rate.""",
    )
    batch_size: int | str = parameter(
        default="auto",
        allowed=[POSITIVE_INT, StrOptions({"auto"})],
        stage="training",
        doc="""int or "auto"
        Number of texts in a mini-batch; batches of very long texts are smaller. "auto" is 64, or less, down
        to 8, if an epoch would otherwise have fewer than 80 steps. It is 256 for objective="contrastive".""",
    )
    early_stopping: bool | str = parameter(
        default=False,
        allowed=[StrOptions({"auto", "score"}), "boolean"],
        stage="training",
        doc="""bool, "auto" or "score"
        Whether a share of the training texts is held out and training stops when the loss on them no longer
        falls. The weights with the lowest loss are kept. "auto" does this for 100 texts or more. "score"
        uses the `score` of the held-out texts instead of their loss.""",
    )
    validation_fraction: float = parameter(
        default=0.1,
        allowed=[Interval(Real, 0, 1, closed="neither")],
        stage="training",
        doc="""float in (0, 1)
        Share of the texts that early stopping holds out, stratified by label where possible.""",
        unused=Unused(
            "early_stopping is False and no X_val is passed",
            lambda e, held_out: not (e.early_stopping or held_out),
        ),
    )
    n_iter_no_change: int = parameter(
        default=3,
        allowed=[POSITIVE_INT],
        stage="training",
        doc="""int
        Number of epochs without improvement after which early stopping stops.""",
        unused=Unused(
            "early_stopping is False and no X_val is passed",
            lambda e, held_out: not (e.early_stopping or held_out),
        ),
    )
    tol: float = parameter(
        default=0.0,
        allowed=[NON_NEGATIVE],
        stage="training",
        doc="""float
        Smallest fall of the validation loss, or rise of the score, that counts as an improvement.""",
        unused=Unused(
            "early_stopping is False and no X_val is passed",
            lambda e, held_out: not (e.early_stopping or held_out),
        ),
    )
    warm_start: bool = parameter(
        default=False,
        allowed=["boolean"],
        stage="training",
        doc="""bool
        Whether `fit` starts from the weights and the vocabulary of the previous fit.""",
    )
    callbacks: Any = parameter(
        default=None,
        allowed=[list, tuple, None],
        stage="training",
        doc="""list of keras.callbacks.Callback or None
        Keras callbacks for the training. With held-out texts their logs have "val_loss" and "val_score".
        Callbacks that change the learning rate need schedule="constant".""",
    )
    checkpoint: Any = parameter(
        default=None,
        allowed=[str, os.PathLike, None],
        stage="training",
        doc="""path of a file or folder, or None
        File in which `fit` saves its state after each epoch. If a fit is killed, call `fit` again with the
        same data and parameters: it continues after the last epoch and ends with the same weights, bit for
        bit. `random_state` must be set. Each fit needs a file of its own; a file of another fit is refused.
        For several fits, for example those of `cross_val_score` or GridSearchCV, give an existing folder:
        each fit then has its own file there. A file is removed at the end of its fit. The state of
        `callbacks` is not saved; `partial_fit` does not use the file.""",
    )

    # -- how to run
    random_state: Any = parameter(
        default=None,
        allowed=["random_state"],
        stage="running",
        doc="""int, RandomState instance or None
        Seeds the initial weights, the order of the batches, dropout and the held-out split. The same int
        gives the same weights, bit for bit. No global random state is read or set.""",
    )
    verbose: int = parameter(
        default=0,
        allowed=["verbose"],
        stage="running",
        doc="""int
        1 writes a line to the standard output before each phase, after each epoch, and every ten seconds
        during an epoch, except in worker processes, whose lines would mix. 2 writes them there too.""",
    )
    n_jobs: int | None = parameter(
        default=None,
        allowed=[POSITIVE_INT, Interval(Integral, None, -1, closed="right"), None],
        stage="running",
        doc="""int or None
        Number of threads of `transform` and `predict`; results do not depend on it. None uses all cores, or
        the number in OMP_NUM_THREADS. -1 uses all cores.""",
    )
