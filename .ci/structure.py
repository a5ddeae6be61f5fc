"""Measure the structure of the package ``skrnn``. The exit status is 1 if a rule is broken."""

import ast
import sys
from collections.abc import Iterator
from graphlib import CycleError, TopologicalSorter
from pathlib import Path
from statistics import median
from typing import NamedTuple

ESTIMATORS = ("classifier", "encoder", "regressor", "seq2seq")
ORDER = (  # folders and files of the package, lowest level first; a level imports itself and those before
    {"compat", "ragged", "spec", "text", "targets", "kernels", "datasets", "threads"},
    {"serve", "storage", "inspection"},
    {"parameters", "train"},
    {"fitting"},
    {"base"},
    {*ESTIMATORS, "generation", "saving", "commands"},
    {"displays", "__init__", "__main__"},
)
# Plain values that every file may know; imports of them do not count as arrows.
WAIST = {"spec.py", "ragged.py", "targets.py", "train/recipe.py", "compat.py"}
HOMES = dict.fromkeys(("keras", "tensorflow", "jax", "torch"), "train")  # may be imported there only
HOMES |= dict.fromkeys(("numba", "llvmlite"), "kernels")
PRIVATE = ("numba.core.", "keras.src.")  # private modules without an underscore
VAGUE = {"utils", "helpers", "common", "misc"}
MAX_ARROWS = 2.0  # imports of other files of the package, average per file
MAX_FUNCTION = 60  # lines without the docstring
MAX_FILE, LONG_FILE, MAX_ESTIMATOR = 400, 350, 299  # lines: limit, warning, limit of base.py and estimators
Graph = dict[str, dict[str, int]]  # for each node, the nodes that it imports and the line of the first import


class File(NamedTuple):
    """One source file of the package."""

    path: str  # within the package
    part: str  # first item of the path: a folder, or a file beside the folders
    n_lines: int
    tree: ast.Module
    imports: list[tuple[str, int]]  # full name and line

    def functions(self) -> Iterator[tuple[str, int, int]]:
        """Yield name, first line and number of lines, without the docstring, of each function."""
        for node in ast.walk(self.tree):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                first = node.body[0]
                n_docstring = first.end_lineno - first.lineno + 1 if ast.get_docstring(node) else 0
                yield node.name, node.lineno, node.end_lineno - node.lineno + 1 - n_docstring


class Package(NamedTuple):
    """The files of a package and the imports between them."""

    files: list[File]
    graph: Graph

    def arrows(self) -> dict[str, int]:
        """Return how many files each file imports; ``__init__.py`` and the waist do not count."""
        return {p: len(to.keys() - WAIST) for p, to in self.graph.items() if not p.endswith("__init__.py")}


def read(folder: Path) -> Package:
    """Read the files of a package."""
    files, modules = [], {}
    for path in sorted(folder.rglob("*.py")):
        text, name = path.read_text("utf-8"), path.relative_to(folder).as_posix()
        tree = ast.parse(text, name)
        imports = list(_imports(tree, path.relative_to(folder.parent).parent.parts))
        part = name.split("/")[0].removesuffix(".py")
        files.append(File(name, part, len(text.splitlines()), tree, imports))
        module = ".".join([folder.name, *name.removesuffix(".py").split("/")])
        modules |= {module: name, module.removesuffix(".__init__"): name}
    graph: Graph = {file.path: {} for file in files}
    for file in files:
        for name, line in file.imports:
            if target := modules.get(name, modules.get(name.rpartition(".")[0])):
                graph[file.path].setdefault(target, line)
    return Package(files, graph)


def _imports(node: ast.AST, package: tuple[str, ...]) -> Iterator[tuple[str, int]]:
    """Yield name and line of each import below a node, late ones included, those for type checkers not."""
    if isinstance(node, ast.Import):
        yield from ((alias.name, node.lineno) for alias in node.names)
    elif isinstance(node, ast.ImportFrom):
        above = package[: len(package) + 1 - node.level] if node.level else ()
        module = ".".join(filter(None, [*above, node.module]))
        yield from ((f"{module}.{alias.name}", node.lineno) for alias in node.names)
    elif isinstance(node, ast.Call) and ast.unparse(node.func).endswith(("import_module", "__import__")):
        name = node.args[0]
        yield name.value if isinstance(name, ast.Constant) else ast.unparse(name), node.lineno
    typing_only = isinstance(node, ast.If) and ast.unparse(node.test).split(".")[-1] == "TYPE_CHECKING"
    for child in node.orelse if typing_only else ast.iter_child_nodes(node):
        yield from _imports(child, package)


def cycles(graph: Graph) -> list[list[str]]:
    """Return paths that end where they start; cutting the first step of each leaves no other cycle."""
    left, found = {node: list(targets) for node, targets in graph.items()}, []
    while True:
        try:
            TopologicalSorter(left).prepare()
            return found
        except CycleError as error:
            found.append(error.args[1][::-1])  # graphlib lists a file before those that import it
            left[found[-1][0]].remove(found[-1][1])


def acyclic(package: Package) -> Iterator[str]:
    """Forbid import cycles between files."""
    for cycle in cycles(package.graph):
        yield f"{cycle[0]}:{package.graph[cycle[0]][cycle[1]]}: import cycle {' -> '.join(cycle)}"


def one_way(package: Package) -> Iterator[str]:
    """Let imports between the parts of the package follow ORDER, without a cycle."""
    level = {part: i for i, parts in enumerate(ORDER) for part in parts}
    between: Graph = {file.part: {} for file in package.files}
    for path, part in ((file.path, file.part) for file in package.files):
        if part not in level:
            yield f"{path}:1: {part} has no place in ORDER of structure.py"
        for target, line in package.graph[path].items():
            other = target.split("/")[0].removesuffix(".py")
            if level.get(other, 0) > level.get(part, 0):
                yield f"{path}:{line}: {part} imports {target}, which stands above it"
            elif part != other:
                between[part][other] = line
    yield from (f"{cycle[0]}: parts import each other: {' -> '.join(cycle)}" for cycle in cycles(between))


def few_arrows(package: Package) -> Iterator[str]:
    """Let a file import few others on average."""
    arrows = package.arrows()
    if sum(arrows.values()) > MAX_ARROWS * len(arrows):
        most = max(arrows, key=lambda path: arrows[path])
        yield f"{most}:1: {sum(arrows.values())} imports in {len(arrows)} files, {arrows[most]} of them here"


def short(package: Package) -> Iterator[str]:
    """Keep files and functions short."""
    for file in package.files:
        limit = MAX_ESTIMATOR if file.part in ("base", *ESTIMATORS) else MAX_FILE
        if file.n_lines > limit:
            yield f"{file.path}:{limit + 1}: {file.n_lines} lines, more than {limit}"
        for name, line, n_lines in file.functions():
            if n_lines > MAX_FUNCTION:
                yield f"{file.path}:{line}: {name} has {n_lines} lines, more than {MAX_FUNCTION}"


def at_home(package: Package) -> Iterator[str]:
    """Import Keras and Numba in one folder each, private names in compat.py, no unknown module."""
    for path, part, name, line in ((f.path, f.part, *entry) for f in package.files for entry in f.imports):
        if (home := HOMES.get(name.split(".")[0], part)) != part:
            yield f"{path}:{line}: {name} may be imported in {home}/ only"
        underscore = any(x.startswith("_") and not x.endswith("__") for x in name.split("."))
        private = (underscore and not name.startswith("skrnn.")) or f"{name}.".startswith(PRIVATE)
        if private and not path.endswith("compat.py"):
            yield f"{path}:{line}: {name} is private; import it in compat.py"
        if not name.replace(".", "").isidentifier() and not name.startswith(f"f'skrnn.{part}."):
            yield f"{path}:{line}: the imported name {name} is computed"


def tidy(package: Package) -> Iterator[str]:
    """Forbid vague file names, assert and print; let ``__init__.py`` only hand names on."""
    for file in package.files:
        if vague := VAGUE & {name.strip("_") for name in file.path.removesuffix(".py").split("/")}:
            yield f"{file.path}:1: the name {vague.pop()} does not say what the file holds"
        for node in ast.walk(file.tree):
            if isinstance(node, ast.Assert) or (isinstance(node, ast.Name) and node.id == "print"):
                yield f"{file.path}:{node.lineno}: {'assert' if isinstance(node, ast.Assert) else 'print'}"
        if file.path.endswith("__init__.py"):
            for node in file.tree.body[bool(ast.get_docstring(file.tree)) :]:
                if type(node) not in (ast.Import, ast.ImportFrom, ast.Assign, ast.AnnAssign):
                    yield f"{file.path}:{node.lineno}: neither docstring nor import nor assignment"


RULES = (acyclic, one_way, few_arrows, short, at_home, tidy)


def table(package: Package) -> Iterator[str]:
    """Yield the measures of each part and of all, and a warning for each file that is nearly too long."""
    yield "part          files  lines  longest file  functions  median  longest   arrows"
    arrows = package.arrows()
    for part in [*dict.fromkeys(file.part for file in package.files), "all"]:
        files = [file for file in package.files if part in ("all", file.part)]
        lengths, own = [file.n_lines for file in files], [arrows.get(file.path, 0) for file in files]
        functions = [n for file in files for _, _, n in file.functions()] or [0]
        row = f"{part:<14}{len(files):>5}{sum(lengths):>7}{max(lengths):>14}{len(functions):>11}"
        yield f"{row}{median(functions):>8.0f}{max(functions):>9}{sum(own):>9}"
    yield f"{sum(arrows.values()) / len(arrows):.2f} arrows per file, {len(cycles(package.graph))} cycles"
    long = [file for file in package.files if file.n_lines > LONG_FILE]
    yield from (f"{file.path}: warning: {file.n_lines} lines, more than {LONG_FILE}" for file in long)


if __name__ == "__main__":
    package = read(Path(sys.argv[1]) if sys.argv[1:] else Path(__file__).parents[1] / "skrnn")
    broken = [f"{place} ({rule.__name__})" for rule in RULES for place in rule(package)]
    print("\n".join([*table(package), *broken]))  # noqa: T201
    sys.exit(bool(broken))
