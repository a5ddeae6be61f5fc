"""Test that Keras saves, loads and clones `model_` of every kind, with the same predictions."""

import subprocess
import sys

import keras
import numpy as np
import pytest

from skrnn.serve import CELLS, POOLINGS, initial_weights
from skrnn.spec import Spec
from skrnn.targets import HEADS
from skrnn.train.fit import compiled_model
from skrnn.train.recipe import Recipe

SMALL = {"n_ids": 9, "embedding_dim": 4, "rnn_units": 4, "n_heads": 2}
IDS = np.array([[3, 4, 5, 0], [6, 0, 0, 0], [2, 0, 0, 0]], np.int32)
PREVIOUS = np.array([[2, 3, 4, 5, 0], [2, 6, 0, 0, 0], [2, 0, 0, 0, 0]], np.int32)
N_OUTPUTS = {"none": 0, "binary": 1, "multiclass": 3, "multilabel": 2, "regression": 2}
SPECS = {
    **{layer: Spec(**SMALL, layer=layer, n_layers=2, bidirectional=True) for layer in CELLS},
    **{pooling: Spec(**SMALL, layer="gru", pooling=pooling, n_components=3) for pooling in POOLINGS},
    **{head: Spec(**SMALL, layer="gru", head=head, n_outputs=N_OUTPUTS.get(head, 9)) for head in HEADS},
    "self_attention": Spec(**SMALL, layer="self_attention", n_layers=2, bidirectional=True),
    "causal": Spec(
        **SMALL, layer="self_attention", head="language_model", n_outputs=9, tied_embeddings=False
    ),
    "additive": Spec(**SMALL, layer="qrnn", head="seq2seq", n_outputs=9, attention="additive"),
    "general": Spec(
        **SMALL,
        layer="lstm",
        n_layers=2,
        head="seq2seq",
        n_outputs=9,
        attention="general",
        tied_embeddings=False,
    ),
    "vector": Spec(**SMALL, layer="qrnn", head="autoencoder", n_outputs=9, tied_embeddings=False),
}


def model_and_input(name):
    """Return the model of a Spec and an input."""
    spec = SPECS[name]
    weights = initial_weights(spec, np.random.default_rng(0))
    model = compiled_model(spec, weights, Recipe(dropout=0.1, recurrent_dropout=0.1), None)
    return model, [IDS, PREVIOUS] if len(model.inputs) > 1 else IDS


@pytest.mark.parametrize("name", SPECS)
def test_keras_loads_clones_and_describes_the_model(name, tmp_path):
    model, x = model_and_input(name)
    expected = np.array(model(x))
    model.save(tmp_path / "model.keras")
    copies = [keras.models.load_model(tmp_path / "model.keras")]
    for copy in (keras.models.clone_model(model), keras.models.model_from_json(model.to_json())):
        copy.set_weights(model.get_weights())
        copies.append(copy)
    for copy in copies:
        np.testing.assert_allclose(np.array(copy(x)), expected, rtol=0, atol=1e-6)


def test_a_tied_head_of_a_loaded_model_follows_the_embedding(tmp_path):
    """Both are still one weight, which further training changes."""
    model, x = model_and_input("language_model")
    model.save(tmp_path / "model.keras")
    loaded = keras.models.load_model(tmp_path / "model.keras")
    assert [w.path for w in loaded.weights] == [w.path for w in model.weights]
    for changed in (model, loaded):
        changed.get_layer("embedding").embeddings.assign(np.full((9, 4), 0.1))
    np.testing.assert_allclose(np.array(loaded(x)), np.array(model(x)), atol=1e-6)


def test_another_process_loads_the_model_after_one_import(tmp_path):
    model, x = model_and_input("additive")
    model.save(tmp_path / "model.keras")
    np.savez(tmp_path / "data.npz", ids=x[0], previous=x[1], expected=np.array(model(x)))
    code = (
        "import sys, numpy as np, keras, skrnn.train.network\n"
        f"model, data = keras.models.load_model({str(tmp_path / 'model.keras')!r}), "
        f"np.load({str(tmp_path / 'data.npz')!r})\n"
        "found = np.array(model([data['ids'], data['previous']]))\n"
        "sys.stdout.write(str(np.abs(found - data['expected']).max() < 1e-6))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.stdout == "True", done.stderr
