"""Seeded faults: each line of the table spoils one line of the package, and the tests named must notice.

``pytest -m slow tests/test_faults.py`` copies the package and its tests, puts one fault in, and runs the
tests of that line; they have to fail. That they pass without it is what the rest of the suite shows.
"""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]

# what is wrong: (file, the line as it is, the line as it is not to be, tests, those of them by -k)
FAULTS = {
    # -- padding, batches and neighbours
    "pooling in Keras takes the maximum over padding": (
        "network.py", "ops.max(ops.where(mask, h, -1e30), axis=1)", "ops.max(h, axis=1)",
        "test_network.py", "padding",
    ),
    "texts are padded on the left": (
        "batches.py", "out[np.arange(width) < counts[:, None]] = sequences.ids",
        "out[np.arange(width) >= width - counts[:, None]] = sequences.ids", "test_batches.py", "padding",
    ),
    "the mean is over the longest text's steps": (
        "forward.py", 'counts = np.diff(packed.offsets).astype(np.float32)[:, None]',
        'counts = np.float32(np.diff(packed.offsets).max())', "test_forward.py", "neighbours or keras",
    ),
    "the maximum starts at zero": (
        "cells.py", "np.full((peak * n_rows, units), -np.inf, np.float32)",
        "np.zeros((peak * n_rows, units), np.float32)", "test_forward.py", "vectors",
    ),
    "the results of a batch come back in the order of lengths": (
        "forward.py", "out[rows], _ = self._encode(", "out[np.sort(rows)], _ = self._encode(",
        "test_forward.py", "neighbours",
    ),
    "equal texts are told apart by their place among the different ones": (
        "base.py", "return vectors[[places[text] for text in texts]]",
        "return np.resize(vectors, (len(texts), vectors.shape[1]))", "test_contract.py", "alone",
    ),
    "a block of texts is left out": (
        "base.py", "for i in range(0, len(unique), BLOCK):", "for i in range(0, len(unique) - 1, BLOCK):",
        "test_contract.py", "alone or no_rows",
    ),
    "a batch loses its last row": (
        "batches.py", "batches.append(order[start : start + rows])",
        "batches.append(order[start : start + rows - (rows > 1)])", "test_batches.py", "serving",
    ),
    "an epoch leaves out the incomplete batch": (
        "batches.py", "for i in range(0, len(order), size)]",
        "for i in range(0, len(order) - size + 1, size)]", "test_batches.py", "epoch",
    ),
    "the rows of a batch stay together all epochs": (
        "batches.py", "order = rng.permutation(rows)", "order = rows", "test_batches.py", "epochs_differ",
    ),
    "truncation keeps the wrong side": (
        "batches.py", "head = (after + 1) // 2", "head = after", "test_batches.py", "truncation",
    ),
    "noise may leave a text without an id": (
        "batches.py", "keep[sequences.offsets[:-1]] |= np.bincount(row[keep], minlength=len(counts)) == 0",
        "pass", "test_batches.py", "noise",
    ),
    # -- the network
    "a reader from the end starts at the beginning": (
        "cells.py", "for t in range(n_steps - 1, -1, -1) if reverse else range(n_steps):",
        "for t in range(n_steps):", "test_forward.py", "vectors",
    ),
    "the gates of the LSTM are in another order": (
        "cells.py", "order = np.r_[0 : 2 * u, 3 * u : 4 * u, 2 * u : 3 * u]", "order = np.arange(4 * u)",
        "test_forward.py", "vectors",
    ),
    "the reset gate comes after the recurrent bias": (
        "cells.py", "        new += self.recurrent_bias\n        new *= zr[1]",
        "        new *= zr[1]\n        new += self.recurrent_bias", "test_forward.py", "vectors",
    ),
    "folding changes the weights it was given": (
        "cells.py", 'np.array(weights[f"{name}/{part}"])', 'np.asarray(weights[f"{name}/{part}"])',
        "test_forward.py", "left_as_they_are",
    ),
    "the folded table lacks the bias": (
        "cells.py", "return x @ self.kernel[: x.shape[1]] + self.bias",
        "return x @ self.kernel[: x.shape[1]]", "test_forward.py", "vectors or cell",
    ),
    "the last activation is left out": (
        "forward.py", "vectors = ACTIVATE[self.spec.activation](x, out=x)", "vectors = x",
        "test_forward.py", "activations",
    ),
    "attention weighs without the softmax's sum": (
        "forward.py", "        score /= np.repeat(np.add.reduceat(score, starts), counts)\n", "",
        "test_forward.py", "vectors",
    ),
    "self-attention sees what comes after": (
        "blocks.py", "if self.causal:", "if False:", "test_forward.py", "",
    ),
    "a likelihood leaves out the end": (
        "batches.py", "at = sequences.offsets[:-1] if first else sequences.offsets[1:]",
        "at = sequences.offsets[:-1]", "test_batches.py", "boundaries",
    ),
    "the sigmoid overflows": (
        "heads.py", "return np.exp(-np.logaddexp(0, -outputs))", "return 1 / (1 + np.exp(-outputs))",
        "test_heads.py", "extremes",
    ),
    "R2 does not weigh": (
        "heads.py", "error = np.average((outputs - targets) ** 2, axis=0, weights=weights)",
        "error = np.average((outputs - targets) ** 2, axis=0)", "test_heads.py", "scores",
    ),
    # -- tokens and texts
    "ties of the vocabulary fall as the hash seed has it": (
        "tokens.py", "terms = sorted(counts, key=lambda term: (-counts[term], term))",
        "terms = sorted(set(counts), key=lambda term: -counts[term])", "test_tokens.py", "fall_by or hash",
    ),
    "vocab_size does not count the special ids": (
        "tokens.py", "terms[: vocab_size - N_SPECIAL]", "terms[:vocab_size]", "test_tokens.py", "vocab_size",
    ),
    "unknown tokens become padding": (
        "tokens.py", "repeat(UNKNOWN)), np.int32, len(flat))", "repeat(PAD)), np.int32, len(flat))",
        "test_tokens.py", "apart",
    ),
    "letters and their accents are not joined": (
        "tokens.py", 'text = normalize("NFC", text)', "pass", "test_tokens.py", "equal_letters",
    ),
    "half surrogates reach the tokenizer": (
        "tokens.py", "return [text if text.isascii() else _valid(text) for text in prepared]",
        "return prepared", "test_tokens.py", "hard or every_text",
    ),
    "polars is used after a fork": (
        "words.py", "if self.portable and not _forked and", "if self.portable and",
        "test_words.py", "forked",
    ),
    "a lone string is a collection of letters": (
        "texts.py", "if isinstance(X, (str, bytes)):", "if isinstance(X, bytes):", "test_texts.py", "",
    ),
    "a frame is read as the names of its columns": (
        "texts.py", "X, shape = X[_names(X)[0]], shape[:1]", "return _names(X)", "test_texts.py", "",
    ),
    "NaN is a text": (
        "texts.py", "return isinstance(value, (float, np.floating)) and bool(np.isnan(value))",
        "return False", "test_texts.py", "missing",
    ),
    "missing values pass silently": (
        "texts.py", 'if absent and missing == "error":', 'if absent and missing == "never":',
        "test_texts.py", "missing",
    ),
    "the position in a message is off by one": (
        "texts.py", 'f"position {absent[0]}. Drop or fill', 'f"position {absent[0] + 1}. Drop or fill',
        "test_texts.py", "missing",
    ),
    # -- targets and weights
    "the classes are in the order of appearance": (
        "targets.py", "    classes = np.unique(values)\n",
        "    classes = np.asarray(list(dict.fromkeys(values.tolist())))\n", "test_classifier.py", "order",
    ),
    "the columns of the probabilities are swapped": (
        "classifier.py", "return sigmoid(np.stack([-scores, scores], axis=1)",
        "return sigmoid(np.stack([scores, -scores], axis=1)", "test_classifier.py", "two_classes",
    ),
    "an unknown label of the validation is taken for another": (
        "targets.py", "unknown = np.flatnonzero(~np.isin(y, classes))", "unknown = np.empty(0, int)",
        "test_classifier.py", "bad_validation",
    ),
    "class weights are left out": (
        "classifier.py", "return weights * compute_sample_weight(self.class_weight, y).astype(np.float32)",
        "return weights", "test_classifier.py", "weights",
    ),
    "sample weights are multiplied in place": (
        "classifier.py",
        "return weights * compute_sample_weight(self.class_weight, y).astype(np.float32)",
        "weights *= compute_sample_weight(self.class_weight, y).astype(np.float32)\n        return weights",
        "test_contract.py",
        "weights_weigh",
    ),
    "sample weights are left out of the training": (
        "training.py", "self.examples.targets[rows[twice]], weights[twice]",
        "self.examples.targets[rows[twice]], np.ones_like(weights)[twice]",
        "test_training.py", "weight",
    ),
    "numbers are predicted in standard deviations": (
        "regressor.py", "* self._scale", "* 1", "test_regressor.py", "",
    ),
    # -- fitting
    "the weights of the last epoch are kept": (
        "monitor.py", "if gain > 0 or not self.weights:", "if True:", "test_monitor.py", "",
    ),
    "training never stops early": (
        "monitor.py", "return self._waited < self.patience", "return True", "test_monitor.py", "",
    ),
    "a loss that is no number goes on": (
        "monitor.py", "if not np.isfinite(loss) or not", "if False and not", "test_monitor.py", "",
    ),
    "the held-out texts are trained on": (
        "base.py", "return _rows(train, np.sort(kept)), _rows(train, np.sort(held))",
        "return train, _rows(train, np.sort(held))", "test_classifier.py", "held or early",
    ),
    "a fit that fails has forgotten the last one": (
        "classifier.py", "        texts = self._read(X, reset=True, least=1)\n        rng",
        "        vars(self).pop('_weights', None)\n"
        "        texts = self._read(X, reset=True, least=1)\n        rng",
        "test_contract.py", "fails",
    ),
    "a fit hands on the optimizer of a stream before it": (
        "base.py", 'gone = {"_forward", "_progress"}', 'gone = {"_forward"}', "test_chunks.py", "ends",
    ),
    "a forward pass of the last fit serves the next": (
        "base.py", 'gone = {"_forward", "_progress"}', 'gone = {"_progress"}', "test_contract.py", "forgets",
    ),
    "the global random state is drawn from": (
        "base.py", "return np.random.default_rng(random_state)",
        "return np.random.default_rng(np.random.randint(9) if random_state is None else random_state)",
        "test_contract.py", "without_a_seed",
    ),
    "the seed does not reach the dropout": (
        "training.py", "[(seed + 0x9E3779B9 * (i + 1)) % 2**31, 0]",
        "np.random.default_rng().integers(9, size=2)", "test_training.py", "same_seed",
    ),
    "gradients are not clipped": (
        "tuned.py", "global_clipnorm=1.0)", "global_clipnorm=None)", "test_training.py", "clipped",
    ),
    "a frozen embedding is trained": (
        "network.py", 'spec.frozen == "nothing"', "True", "test_training.py", "frozen",
    ),
    "the target is the id before": (
        "training.py", "targets = pad(with_boundary(sequences, BOUNDARY, first=False), length + 1)",
        "targets = previous", "test_training.py", "targets_of_texts",
    ),
    "a network that is lent again goes on with its optimizer": (
        "training.py", "        variable.assign(np.full(variable.shape, start[name]))\n", "        pass\n",
        "test_training.py", "as_a_new_one",
    ),
    # -- state
    "a pickle carries the folded tables": (
        "base.py", "items() if name != \"_forward\"}", "items()}", "test_contract.py", "plain",
    ),
    "the optimizer of a stream starts anew each chunk": (
        "chunks.py", "            if slots:\n                variable.assign(slots[name])\n",
        "            pass\n", "test_chunks.py", "goes_on or same_chunks",
    ),
    "a file is written in place": (
        "files.py", "        os.replace(part, target)\n", "        target.write_bytes(part.read_bytes())\n",
        "test_files.py", "disk or link",
    ),
    "damaged arrays are read": (
        "files.py", "or hashlib.sha256(data).hexdigest() != digest:", "or False:", "test_files.py", "bit",
    ),
    "a file of another version is read": (
        "files.py", 'if manifest.get("format") != FORMAT:', "if False:", "test_files.py", "wrong_manifest",
    ),
    "a checkpoint of other texts is gone on with": (
        "checkpoint.py", "if other:", "if False:", "test_checkpoint.py", "wrong_one",
    ),
    # -- search and text to text
    "ended texts go on being written": (
        "search.py", "if not going.all():", "if not going.any():", "test_search.py", "",
    ),
    "a beam counts a beginning twice": (
        "search.py", "scores = np.zeros((n, 1))  # of each beam", "scores = np.zeros((n, 1)) + 1.0",
        "test_search.py", "",
    ),
    "the length penalty leaves out the end": (
        "search.py", "scores / (length + 1.0) ** self.length_penalty",
        "scores / max(length, 1.0) ** self.length_penalty", "test_search.py", "exhaustive",
    ),
    "no_repeat forbids one id too few": (
        "search.py", "if n and length >= n:", "if n and length > n:", "test_search.py", "",
    ),
    "a decoder looks at padding": (
        "decoder.py", "self.hidden[i, 0, len(part) :] = -1e30", "pass", "test_seq2seq.py", "keras or batch",
    ),
}  # fmt: skip


def test_each_fault_is_a_change_of_one_place():
    for name, (file, before, after, tests, _) in FAULTS.items():
        assert (ROOT / "skrnn" / file).read_text("utf-8").count(before) == 1, name
        assert before != after and (ROOT / "tests" / tests).exists(), name
    assert len(FAULTS) >= 50


@pytest.mark.slow
@pytest.mark.parametrize("name", FAULTS)
def test_the_fault_is_noticed(name, tmp_path):
    file, before, after, tests, chosen = FAULTS[name]
    for folder in ("skrnn", "tests"):
        shutil.copytree(ROOT / folder, tmp_path / folder, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    path = tmp_path / "skrnn" / file
    path.write_text(path.read_text("utf-8").replace(before, after), "utf-8")
    ran = subprocess.run(
        [sys.executable, "-m", "pytest", "-x", "-q", "-p", "no:cacheprovider", "-p", "no:randomly",
         f"tests/{tests}", "-k", chosen],
        cwd=tmp_path, env=os.environ | {"PYTHONPATH": str(tmp_path)}, capture_output=True, text=True,
    )  # fmt: skip
    assert ran.returncode == 1, ran.stdout[-2000:] + ran.stderr[-1000:]
