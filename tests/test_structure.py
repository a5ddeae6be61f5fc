"""The borders of the package: who may import what, and that estimators read alike."""

import ast
import inspect
import os
import pickle
import re
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest

import skrnn

PACKAGE = Path(skrnn.__file__).parent
FILES = sorted(PACKAGE.rglob("*.py"))
BACKENDS = {"keras", "tensorflow", "jax", "torch", "numba"}
KERAS_HALF = {"blocks", "losses", "network", "training", "translation", "tuned", "chunks"}
# each with a fallback, imported where it pays
TUNED = {"tuned": {"tensorflow"}, "compiled": {"numba"}, "tiles": {"numba"}}
DOOR = "backend"
WAIST = {"spec", "tokens"}  # what every file may see: what a network is, and what its ids mean
MOST_IMPORTS = 2.0  # of other files of the package, on average, the waist aside
ESTIMATORS = [getattr(skrnn, name) for name in skrnn.__all__ if name.startswith("RNN")]
TEXTS = ["good film", "bad film", "very good", "very bad"] * 3
LABELS = ["5", "1", "5", "1"] * 3  # labels to a classifier, numbers to a regressor, texts to a translator


def targets(cls):
    return list(map(float, LABELS)) if cls.__name__ == "RNNTextRegressor" else LABELS


file_and_tree = pytest.mark.parametrize(
    "tree", [pytest.param(ast.parse(path.read_text("utf-8")), id=path.stem) for path in FILES]
)
estimator = pytest.mark.parametrize("cls", ESTIMATORS, ids=lambda cls: cls.__name__)


def imported(tree):
    """Return the names that a module imports, wherever in it, but for those under TYPE_CHECKING."""
    names = set()
    typing_only = {
        id(node)
        for branch in ast.walk(tree)
        if isinstance(branch, ast.If) and "TYPE_CHECKING" in ast.unparse(branch.test)
        for statement in branch.body
        for node in ast.walk(statement)
    }
    for node in ast.walk(tree):
        if id(node) in typing_only:
            continue
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            package = "skrnn" if node.level else ""
            base = ".".join(filter(None, [package, node.module]))
            names |= {base} if base != "skrnn" else {f"skrnn.{alias.name}" for alias in node.names}
    return names


def internal_imports():
    """Return {module: modules of the package that it imports}, `__init__` left out."""
    stems = {path.stem for path in FILES}
    graph = {}
    for path in FILES:
        if path.stem != "__init__":
            names = imported(ast.parse(path.read_text("utf-8")))
            parts = {name.split(".")[1] for name in names if name.startswith("skrnn.")}
            graph[path.stem] = parts & stems
    return graph


def run(code):
    """Run code in a new process and return its standard output."""
    environment = {name: value for name, value in os.environ.items() if name != "KERAS_BACKEND"}
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=environment)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


LOADED = f"import sys; print(sorted(set(sys.modules) & {BACKENDS!r}))"


def test_importing_the_package_loads_no_backend():
    assert run(f"import skrnn, skrnn.datasets; {LOADED}") == "[]"


@estimator
def test_unpickling_and_predicting_load_no_backend(cls, tmp_path):
    fitted = cls(rnn_units=3, embedding_dim=3, epochs=1, random_state=0).fit(TEXTS, targets(cls))
    path = tmp_path / "fitted.pickle"
    path.write_bytes(pickle.dumps(fitted))
    code = (
        "import pickle, pathlib\n"
        f"fitted = pickle.loads(pathlib.Path({str(path)!r}).read_bytes())\n"
        "from sklearn.base import clone\n"
        "repr(clone(fitted)), fitted._repr_html_()\n"
        "fitted.transform(['good film', 'unseen']), fitted.transform_sequences(['good'])\n"
        "getattr(fitted, 'predict', len)(['good film'])\n"
        f"{LOADED}"
    )
    assert run(code) == "[]"


def test_random_networks_are_fitted_without_a_backend():
    code = f"import skrnn; skrnn.RNNTextEncoder(objective='random').fit_transform({TEXTS}); {LOADED}"
    assert run(code) == "[]"


def test_fitting_loads_the_backend():
    """The two tests above could not fail if the names were never in sys.modules."""
    code = f"import skrnn; skrnn.RNNTextClassifier(rnn_units=2, epochs=1).fit({TEXTS}, {LABELS}); {LOADED}"
    assert "keras" in run(code)


def test_backends_are_imported_in_the_keras_half_only():
    for path in FILES:
        tops = {name.partition(".")[0] for name in imported(ast.parse(path.read_text("utf-8")))}
        found = (tops & BACKENDS) - TUNED.get(path.stem, set())
        if path.stem not in KERAS_HALF:
            assert not found, f"{path.name} imports {found}"
        else:
            assert found == {"keras"}, f"{path.name}: Keras 3 API only"


def test_the_keras_half_is_entered_through_one_door():
    graph = internal_imports()
    for module, imports in graph.items():
        if module not in KERAS_HALF:
            assert not imports & KERAS_HALF, f"{module} imports {imports & KERAS_HALF}"
    for path in FILES:  # imports by name, as the door makes them
        if path.stem != DOOR:
            assert "import_module" not in path.read_text("utf-8"), path.name
    assert "import_module" in (PACKAGE / f"{DOOR}.py").read_text("utf-8")


def test_imports_run_one_way():
    graph = internal_imports()
    left = dict(graph)
    while left:
        ready = [module for module, imports in left.items() if not imports & left.keys()]
        assert ready, f"import cycle among {sorted(left)}"
        left = {module: imports for module, imports in left.items() if module not in ready}


def test_a_file_imports_few_others():
    graph = internal_imports()
    assert sum(len(imports - WAIST) for imports in graph.values()) / len(graph) <= MOST_IMPORTS


def test_nothing_imports_an_estimator_but_estimators_and_the_package():
    estimators = {cls.__module__.rpartition(".")[2] for cls in ESTIMATORS}
    for module, imports in internal_imports().items():
        assert module in estimators or not imports & estimators, f"{module} imports an estimator"


def test_data_and_displays_stand_apart():
    for module in ("datasets", "texts", "tokens"):
        assert internal_imports()[module] <= {"texts", "tokens", "words"}, module


@file_and_tree
def test_no_print_and_no_assert(tree):
    for node in ast.walk(tree):
        assert not isinstance(node, ast.Assert), f"assert in line {node.lineno}"
        is_print = isinstance(node, ast.Call) and ast.unparse(node.func) == "print"
        assert not is_print, f"print in line {node.lineno}"


def test_files_are_named_by_what_they_hold():
    assert not {path.stem for path in FILES} & {"utils", "_utils", "helpers", "common", "misc"}


def test_init_only_hands_names_on():
    tree = ast.parse((PACKAGE / "__init__.py").read_text("utf-8"))
    docstring, *rest = tree.body
    assert isinstance(docstring, ast.Expr)
    assert all(isinstance(node, ast.ImportFrom | ast.Assign) for node in rest)
    assert all(hasattr(skrnn, name) for name in skrnn.__all__)


def documented(cls, section):
    """Return {name: (type and default, description)} of a section of a class's docstring."""
    lines = inspect.getdoc(cls).splitlines()
    start = next(i for i in range(len(lines)) if lines[i : i + 2] == [section, "-" * len(section)])
    entries = {}
    for i in range(start + 2, len(lines)):
        line = lines[i]
        if i + 1 < len(lines) and re.fullmatch("-+", lines[i + 1]):
            break
        if match := re.match(r"(\w+) : (.*)", line):
            name = match[1]
            entries[name] = (match[2], [])
        elif line.strip():
            entries[name][1].append(line.strip())
    return {name: (kind, " ".join(text)) for name, (kind, text) in entries.items()}


@estimator
def test_signature_docstring_and_constraints_agree(cls):
    signature = inspect.signature(cls).parameters
    entries = documented(cls, "Parameters")
    assert list(entries) == list(signature)
    assert cls._parameter_constraints.keys() == signature.keys()
    for name, parameter in signature.items():
        assert entries[name][0].endswith(f"default={parameter.default!r}"), name
        assert entries[name][1], f"{name} is not described"


def test_defaults_differ_only_where_it_is_said():
    defaults = {cls.__name__: inspect.signature(cls).parameters for cls in ESTIMATORS}
    first = defaults["RNNTextClassifier"]
    for name, parameters in defaults.items():
        shared = [p for p in parameters if p in first]
        differing = {p for p in shared if parameters[p].default != first[p].default}
        assert differing == OTHER_DEFAULTS.get(name, set()), name


@estimator
def test_constructor_only_assigns(cls):
    (init,) = ast.parse(inspect.cleandoc("\n" + inspect.getsource(cls.__init__))).body
    assigned = [ast.unparse(statement) for statement in init.body]
    assert assigned == [f"self.{name} = {name}" for name in inspect.signature(cls).parameters]


# Texts to texts need more units, more dropout is too much for them, and sub-words leave none unknown.
OTHER_DEFAULTS = {
    "RNNTextSeq2Seq": {
        *("analyzer", "vocab_size", "embeddings", "embedding_dim", "rnn_units", "dropout", "learning_rate"),
        *("schedule", "epochs", "batch_size", "early_stopping"),
    },
}


def shared_entries(cls, section):
    """Return what `documented` returns, without those defaults that may differ."""
    entries = documented(cls, section)
    for name in set().union(*OTHER_DEFAULTS.values()) & entries.keys():
        kind, text = entries[name]
        entries[name] = (kind.partition(", default=")[0], text)
    return entries


@pytest.mark.parametrize("section", ["Parameters", "Attributes"])
def test_what_estimators_share_reads_the_same(section):
    first, *others = (shared_entries(cls, section) for cls in ESTIMATORS)
    for other in others:
        shared = [name for name in first if name in other]
        assert len(shared) > 5
        assert {name: first[name] for name in shared} == {name: other[name] for name in shared}
        assert shared == [name for name in other if name in first], "another order"


@estimator
def test_public_methods_are_documented(cls):
    own = [
        (name, member)
        for name, member in inspect.getmembers(cls)
        if not name.startswith("_") and getattr(member, "__module__", "").startswith("skrnn")
    ]
    assert own
    for name, member in own:
        lines = (inspect.getdoc(member) or "").splitlines()
        assert lines and "Returns" in lines, f"{cls.__name__}.{name}"
        for parameter in list(inspect.signature(member).parameters)[1:]:
            assert any(re.match(rf"(\w+, )*{parameter}(, \w+)* : ", line) for line in lines), (
                f"{cls.__name__}.{name} does not document {parameter}"
            )


@estimator
def test_documented_attributes_are_set_by_fit(cls):
    fitted = cls(rnn_units=3, embedding_dim=3, epochs=1, early_stopping=True, random_state=0)
    fitted.fit(pd.DataFrame({"text": TEXTS}), targets(cls))
    missing = [name for name in documented(cls, "Attributes") if not hasattr(fitted, name)]
    assert not missing
    public = {name for name in vars(fitted) if name.endswith("_") and not name.startswith("_")}
    assert public <= documented(cls, "Attributes").keys()


@pytest.mark.slow
def test_a_strictly_typed_user_is_content(tmp_path):
    pytest.importorskip("mypy", reason="needs mypy")
    (tmp_path / "use.py").write_text(
        "import numpy as np\n"
        "from skrnn import RNNTextClassifier, RNNTextEncoder, RNNTextSeq2Seq\n"
        "from skrnn import WordVectors, save, train_vectors\n"
        "def use(texts: list[str], labels: list[int]) -> np.ndarray[tuple[int, ...], np.dtype[np.float32]]:\n"
        "    classifier = RNNTextClassifier(rnn_units=8, layer='gru', vocab_size=None)\n"
        "    save(classifier.fit(texts, labels), 'file')\n"
        "    vectors: WordVectors = train_vectors(texts)\n"
        "    written: np.ndarray[tuple[int, ...], np.dtype[np.object_]] = RNNTextSeq2Seq().predict(texts)\n"
        "    return RNNTextEncoder(embeddings=vectors).transform(written)\n"
    )
    command = [sys.executable, "-m", "mypy", "--strict", str(tmp_path / "use.py")]
    checked = subprocess.run(command, capture_output=True, text=True, check=False, cwd=tmp_path)
    assert checked.returncode == 0, checked.stdout
    wrong = (tmp_path / "use.py").read_text().replace("rnn_units=8", "rnn_units='8'")
    (tmp_path / "use.py").write_text(wrong)
    assert subprocess.run(command, capture_output=True, check=False, cwd=tmp_path).returncode == 1
