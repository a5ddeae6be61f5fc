"""The borders of the package, and the form that all estimators share."""

import ast
import importlib.util
import inspect
import os
import pickle
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pandas as pd
import pytest

import skrnn

ROOT = Path(__file__).parents[1]
PACKAGE = Path(skrnn.__file__).parent
BACKENDS = {"keras", "tensorflow", "jax", "torch", "numba", "llvmlite"}
ESTIMATORS = [getattr(skrnn, name) for name in skrnn.__all__ if name.startswith("RNN")]
TEXTS = ["good film", "bad film", "very good", "very bad"] * 3
LABELS = ["5", "1", "5", "1"] * 3  # classes for a classifier, texts for RNNTextSeq2Seq

estimator = pytest.mark.parametrize("cls", ESTIMATORS, ids=lambda cls: cls.__name__)


def load_script():
    spec = importlib.util.spec_from_file_location("structure", ROOT / ".ci" / "structure.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


structure = load_script()
SOURCE = structure.read(PACKAGE)


def targets(cls):
    return list(map(float, LABELS)) if cls.__name__ == "RNNTextRegressor" else LABELS


# -- the source ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("rule", structure.RULES, ids=lambda rule: rule.__name__)
def test_the_package_keeps_the_rules(rule):
    places = list(rule(SOURCE))
    assert not places, "\n".join([rule.__doc__, *places])


# A package that keeps every rule.
CLEAN = {
    "__init__.py": '"""A package."""\n\nfrom skrnn.base import Base\n\n__all__ = ["Base"]\n',
    "base.py": "from typing import TYPE_CHECKING\n\n"
    "from skrnn import spec\n"
    "from skrnn.serve.cells import run\n\n"
    "if TYPE_CHECKING:\n    import keras\n\n"
    "    from skrnn import Base\n\n\n"
    "class Base:\n"
    '    def run(self):\n        """Run."""\n        return run(spec)\n',
    "compat.py": "from sklearn.base import _fit_context\n",
    "kernels/__init__.py": "",
    "kernels/compat.py": "from numba.core import cgutils\n",
    "serve/__init__.py": '"""Serve."""\n',
    "serve/cells.py": "from __future__ import annotations\n\n\ndef run(spec):\n    return spec\n",
    "spec.py": "SIZES = 3\n",
    "train/__init__.py": "",
    "train/fit.py": "from importlib import import_module\n\n\n"
    "def fit(name):\n    import keras\n\n    return keras, import_module(f'skrnn.train.{name}')\n",
}
LINES = "x = 1\n"
BROKEN = {  # rule, what is added to the clean package, and the place and words that the script reports
    "import cycle": (
        "acyclic",
        {
            "serve/cells.py": "from skrnn.serve.pooling import x\n",
            "serve/pooling.py": "import skrnn.serve.cells\n",
        },
        "serve/cells.py:1: import cycle serve/cells.py -> serve/pooling.py -> serve/cells.py",
    ),
    "late import cycle": (
        "acyclic",
        {"spec.py": "def f():\n    from skrnn import base\n"},
        "import cycle base.py -> spec.py -> base.py",
    ),
    "relative import cycle": (
        "acyclic",
        {"serve/cells.py": "from .pooling import x\n", "serve/pooling.py": "from ..serve import cells\n"},
        "import cycle serve/cells.py -> serve/pooling.py -> serve/cells.py",
    ),
    "upward import": (
        "one_way",
        {"serve/cells.py": "import numpy\nfrom skrnn.train.fit import fit\n"},
        "serve/cells.py:2: serve imports train/fit.py, which stands above it",
    ),
    "mutual import of folders": (
        "one_way",
        {"text/words.py": "import skrnn.kernels.compat\n", "kernels/loops.py": "import skrnn.text.tokens\n"}
        | {"text/tokens.py": ""},
        "parts import each other: ",
    ),
    "unknown part": ("one_way", {"networks/cells.py": ""}, "networks/cells.py:1: networks has no place"),
    "many imports": (
        "few_arrows",
        {f"serve/{name}.py": "from skrnn.serve import b, c, d, e, f" for name in "aghijklm"}
        | {f"serve/{name}.py": "" for name in "bcdef"},
        "serve/a.py:1: 41 imports in 19 files, 5 of them here",
    ),
    "long file": ("short", {"spec.py": LINES * 401}, "spec.py:401: 401 lines, more than 400"),
    "long estimator": ("short", {"encoder.py": LINES * 300}, "encoder.py:300: 300 lines, more than 299"),
    "long base": ("short", {"base.py": LINES * 300}, "base.py:300: 300 lines, more than 299"),
    "long function": (
        "short",
        {"spec.py": "class A:\n    def f(self):\n" + "        x = 1\n" * 60},
        "spec.py:2: f has 61 lines, more than 60",
    ),
    "Keras outside train": (
        "at_home",
        {"base.py": "def f():\n    from keras import ops\n"},
        "base.py:2: keras.ops may be imported in train/ only",
    ),
    "Numba outside kernels": (
        "at_home",
        {"serve/cells.py": "import numba as nb\n"},
        "serve/cells.py:1: numba may be imported in kernels/ only",
    ),
    "backend by name": (
        "at_home",
        {"base.py": "import importlib\nimportlib.import_module('tensorflow')\n"},
        "base.py:2: tensorflow may be imported in train/ only",
    ),
    "computed name": (
        "at_home",
        {"base.py": "from importlib import import_module\nimport_module(f'skrnn.train.{x}')\n"},
        "base.py:2: the imported name f'skrnn.train.{x}' is computed",
    ),
    "private name": (
        "at_home",
        {"base.py": "from sklearn.base import BaseEstimator, _fit_context\n"},
        "base.py:1: sklearn.base._fit_context is private",
    ),
    "private module": (
        "at_home",
        {"base.py": "from sklearn.utils._param_validation import Interval\n"},
        "base.py:1: sklearn.utils._param_validation.Interval is private",
    ),
    "numba.core": (
        "at_home",
        {"kernels/loops.py": "from numba import core\n"},
        "kernels/loops.py:1: numba.core is private",
    ),
    "vague name": ("tidy", {"serve/_utils.py": ""}, "serve/_utils.py:1: the name utils does not say"),
    "assert": ("tidy", {"spec.py": "def f(x):\n    assert x\n"}, "spec.py:2: assert"),
    "print": ("tidy", {"spec.py": "x = 1\nprint(x)\n"}, "spec.py:2: print"),
    "code in __init__": (
        "tidy",
        {"serve/__init__.py": '"""Serve."""\nx = 1\nfor i in range(3):\n    pass\n'},
        "serve/__init__.py:3: neither docstring nor import nor assignment",
    ),
}


def write_package(folder, files):
    for name, text in files.items():
        path = folder / "skrnn" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return folder / "skrnn"


def run_script(package):
    command = [sys.executable, str(ROOT / ".ci" / "structure.py"), str(package)]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def test_a_clean_package_breaks_no_rule(tmp_path):
    package = write_package(tmp_path, CLEAN)
    assert {rule.__name__: list(rule(structure.read(package))) for rule in structure.RULES} == {
        rule.__name__: [] for rule in structure.RULES
    }
    done = run_script(package)
    assert done.returncode == 0 and "0.17 arrows per file, 0 cycles" in done.stdout, done.stdout


@pytest.mark.parametrize(("name", "files", "place"), BROKEN.values(), ids=BROKEN)
def test_a_broken_rule_is_reported_with_its_place(name, files, place, tmp_path):
    package = structure.read(write_package(tmp_path, CLEAN | files))
    found = [found for rule in structure.RULES if rule.__name__ == name for found in rule(package)]
    assert any(place in line for line in found), found


def test_each_rule_has_a_package_that_breaks_it():
    assert {name for name, *_ in BROKEN.values()} == {rule.__name__ for rule in structure.RULES}


def test_the_script_fails_on_a_broken_rule_and_warns_of_long_files(tmp_path):
    package = write_package(tmp_path, CLEAN | {"spec.py": LINES * 351, "serve/common.py": ""})
    done = run_script(package)
    assert done.returncode == 1
    assert "serve/common.py:1: the name common does not say what the file holds (tidy)" in done.stdout
    assert "spec.py: warning: 351 lines, more than 350" in done.stdout
    assert "(short)" not in done.stdout


# -- what is loaded --------------------------------------------------------------------------------------


def run(code):
    """Run code in a new process and return its standard output."""
    environment = {name: value for name, value in os.environ.items() if name != "KERAS_BACKEND"}
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=environment)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


LOADED = f"import sys; print(sorted(set(sys.modules) & {BACKENDS!r}))"


def test_importing_the_package_loads_no_backend():
    assert run(f"import skrnn, skrnn.datasets, skrnn.displays; {LOADED}") == "[]"


@estimator
def test_a_fitted_estimator_is_used_without_a_backend(cls, tmp_path):
    fitted = cls(rnn_units=3, embedding_dim=3, epochs=1, random_state=0).fit(TEXTS, targets(cls))
    pickled, saved = tmp_path / "fitted.pickle", tmp_path / "fitted.skrnn"
    pickled.write_bytes(pickle.dumps(fitted))
    skrnn.save(fitted, saved)
    code = (
        "import pickle, pathlib, skrnn\n"
        "from sklearn.base import clone\n"
        f"pickled = pickle.loads(pathlib.Path({str(pickled)!r}).read_bytes())\n"
        f"for fitted in (pickled, skrnn.load({str(saved)!r})):\n"
        "    repr(clone(fitted)), fitted._repr_html_()\n"
        "    fitted.transform(['good film', 'unseen']), fitted.transform_sequences(['good'])\n"
        "    getattr(fitted, 'predict', len)(['good film'])\n"
        f"{LOADED}"
    )
    assert run(code) == "[]"


def test_a_random_network_is_fitted_without_a_backend():
    code = f"import skrnn; skrnn.RNNTextEncoder(objective='random').fit_transform({TEXTS}); {LOADED}"
    assert run(code) == "[]"


@pytest.mark.parametrize(("optimizer", "expected"), [("adam", {"numba", "llvmlite"}), ("nadam", {"keras"})])
def test_fitting_loads_what_trains(optimizer, expected):
    """Without this test, the tests above would also pass if sys.modules never listed a backend."""
    pytest.importorskip("numba")
    options = f"rnn_units=2, epochs=1, optimizer={optimizer!r}"
    code = f"import skrnn; skrnn.RNNTextClassifier({options}).fit({TEXTS}, {LABELS}); {LOADED}"
    loaded = set(ast.literal_eval(run(code)))
    assert loaded == expected if optimizer == "adam" else loaded > expected


# -- parameters, attributes and methods ------------------------------------------------------------------


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
        elif line.startswith(" "):  # other lines are headings between entries
            entries[name][1].append(line.strip())
    return {name: (kind, " ".join(text)) for name, (kind, text) in entries.items()}


@estimator
def test_signature_docstring_and_constraints_agree(cls):
    signature = inspect.signature(cls).parameters
    entries = documented(cls, "Parameters")
    assert list(entries) == list(signature)
    assert cls._parameter_constraints.keys() == signature.keys()
    for name, parameter in signature.items():
        assert parameter.kind is parameter.KEYWORD_ONLY, name
        assert entries[name][0].endswith(f"default={parameter.default!r}"), name
        assert entries[name][1], f"{name} has no description"


@estimator
def test_the_constructor_stores_its_arguments_unchanged(cls):
    given = {name: object() for name in inspect.signature(cls).parameters}  # validated by fit only
    assert vars(cls(**given)) == given
    assert vars(cls()) == {name: p.default for name, p in inspect.signature(cls).parameters.items()}


@estimator
def test_an_editor_completes_every_parameter(cls):
    jedi = pytest.importorskip("jedi", reason="needs jedi, which completes code in editors")
    call = f"{cls.__name__}("
    script = jedi.Script(
        f"from skrnn import {cls.__name__}\n{call}",
        project=jedi.Project(PACKAGE.parent),
        environment=jedi.InterpreterEnvironment(),
    )
    offered = {completion.name.removesuffix("=") for completion in script.complete(2, len(call))}
    missing = inspect.signature(cls).parameters.keys() - offered
    assert not missing, f"not completed: {sorted(missing)}"


# RNNTextSeq2Seq reads subwords, so that no target token is unknown, and needs more units and less dropout.
OTHER_DEFAULTS = {
    "RNNTextSeq2Seq": {
        *("analyzer", "vocab_size", "embeddings", "rnn_units", "dropout", "learning_rate"),
        *("schedule", "epochs", "batch_size", "early_stopping", "truncation"),
    },
}


def test_estimators_share_their_defaults_with_few_exceptions():
    defaults = {cls.__name__: inspect.signature(cls).parameters for cls in ESTIMATORS}
    first = defaults["RNNTextClassifier"]
    for name, parameters in defaults.items():
        differing = {p for p in parameters if p in first and parameters[p].default != first[p].default}
        assert differing == OTHER_DEFAULTS.get(name, set()), name


def without_defaults(cls, section):
    """Return the documented entries of a section, without the defaults that differ between estimators."""
    entries = documented(cls, section)
    for name in set().union(*OTHER_DEFAULTS.values()) & entries.keys():
        kind, text = entries[name]
        entries[name] = (kind.partition(", default=")[0], text)
    return entries


@pytest.mark.parametrize("section", ["Parameters", "Attributes"])
def test_shared_entries_have_one_text_and_one_order(section):
    first, *others = (without_defaults(cls, section) for cls in ESTIMATORS)
    for other in others:
        shared = [name for name in first if name in other]
        assert len(shared) > 5
        assert {name: first[name] for name in shared} == {name: other[name] for name in shared}
        assert shared == [name for name in other if name in first]


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
def test_fit_sets_the_documented_attributes(cls):
    fitted = cls(rnn_units=3, embedding_dim=3, epochs=1, early_stopping=True, random_state=0)
    fitted.fit(pd.DataFrame({"text": TEXTS}), targets(cls))
    missing = [name for name in documented(cls, "Attributes") if not hasattr(fitted, name)]
    assert not missing
    public = {name for name in vars(fitted) if name.endswith("_") and not name.startswith("_")}
    assert public <= documented(cls, "Attributes").keys()


@pytest.mark.slow
def test_strict_mypy_accepts_right_types_and_rejects_wrong_ones(tmp_path):
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

    def check():
        command = [sys.executable, "-m", "mypy", "--strict", str(tmp_path / "use.py")]
        environment = os.environ | {"MYPYPATH": str(PACKAGE.parent)}
        return subprocess.run(
            command, capture_output=True, text=True, check=False, cwd=tmp_path, env=environment
        )

    checked = check()
    assert checked.returncode == 0, checked.stdout
    wrong = (tmp_path / "use.py").read_text().replace("rnn_units=8", "rnn_units='8'")
    (tmp_path / "use.py").write_text(wrong)
    assert check().returncode == 1


def project():
    return tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]


def required(requirements):
    return {re.match(r"[\w.-]+", requirement)[0] for requirement in requirements}


def test_every_library_that_the_package_imports_is_declared():
    extras = project()["optional-dependencies"]
    declared = required(project()["dependencies"]).union(*map(required, extras.values()))
    declared |= {"sklearn", "llvmlite"}  # of scikit-learn and of Numba
    for path in (ROOT / "skrnn").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            names += [node.module] if isinstance(node, ast.ImportFrom) else []
            for name in {name.partition(".")[0] for name in names} - {"skrnn", *sys.stdlib_module_names}:
                assert name in declared, (path, name)


def test_errors_tell_to_install_packages_of_the_extras():
    """The packages can be installed wherever skrnn comes from, for example from a clone."""
    extras = set().union(*map(required, project()["optional-dependencies"].values()))
    found = []
    for path in (ROOT / "skrnn").rglob("*.py"):
        text = re.sub(r'"\n\s*f?"', "", path.read_text("utf-8"))
        found += re.findall(r"pip install ([^.()]+)", text)
    names = [name for command in found for name in command.split() if not name.startswith("--")]
    assert len(found) == 4 and set(names) <= extras
