"""The architecture: which modules may import which, and what the light commands may load."""

from __future__ import annotations

import ast
import json
import re
import subprocess
import sys
from functools import cache
from pathlib import Path

from tests.support.modules import MODULES, PACKAGE, name_of, tree_of
from tests.support.paths import ROOT

HEAVY = {"torch", "onnx", "onnxruntime"}

# From the bottom layer to the top: a module imports only from its own line or a line above it.
LAYERS = (
    ("version", "config", "words", "source"),
    ("diagnostics", "render", "fixes", "advising"),
    ("errors",),
    ("limits", "files", "missing", "pipes"),
    ("habits.files",),
    ("process", "arrays", "library", "pictures"),
    ("ir",),
    ("ops",),
    ("habits",),
    ("syntax",),
    ("layout",),
    ("elaborate",),
    ("analysis",),
    ("driver",),
    ("weights",),
    ("backends", "data"),
    ("draw", "weights.record"),
    ("runtime", "train", "importers", "diff"),
    ("look", "checking"),
    ("verify", "reference"),
    ("trace",),
    ("lsp",),
    ("page",),
    (
        "api",
        "api_advice",
        "api_arguments",
        "api_diff",
        "api_figures",
        "api_net",
        "api_parts",
        "api_pictures",
        "api_training",
        "api_values",
    ),
    ("notebook",),
    ("",),
    ("commands",),
    ("cli",),
    ("__main__",),
)


@cache
def height(name: str) -> int:
    """The line of `LAYERS` that contains the longest prefix of the module's name."""
    parts = name.split(".")
    for n in range(len(parts), 0, -1):
        for level, row in enumerate(LAYERS):
            if ".".join(parts[:n]) in row:
                return level
    raise AssertionError(f"netdsl.{name} has no place in the order of layers")


def imported(node: ast.AST) -> list[str]:
    """The full names of the modules that a statement or a call of `import_module` imports."""
    if isinstance(node, ast.Import):
        return [a.name for a in node.names]
    if isinstance(node, ast.ImportFrom):
        whole = [f"{node.module}.{a.name}" for a in node.names]
        return [
            w if (PACKAGE.parent / (w.replace(".", "/") + ".py")).exists() else str(node.module)
            for w in whole
        ]
    if (
        isinstance(node, ast.Call)
        and getattr(node.func, "id", "") == "import_module"
        and isinstance(node.args[0], ast.Constant)
    ):
        return [str(node.args[0].value)]
    return []


def is_for_types(node: ast.AST) -> bool:
    """Whether a statement is `if TYPE_CHECKING:`."""
    return isinstance(node, ast.If) and getattr(node.test, "id", "") == "TYPE_CHECKING"


def imports_of(path: Path, *, types: bool, inside: bool = True) -> list[str]:
    """The modules that a file imports.

    With `types`, this includes imports under `TYPE_CHECKING`; with `inside`, those in functions.
    """
    names: list[str] = []
    waiting: list[ast.AST] = [tree_of(path)]
    while waiting:
        node = waiting.pop()
        if is_for_types(node) and not types:
            continue
        if isinstance(node, (ast.FunctionDef, ast.Lambda)) and not inside:
            continue
        names += imported(node)
        waiting += ast.iter_child_nodes(node)
    return names


@cache
def own_imports() -> dict[str, list[str]]:
    """The modules of netdsl that each of its modules imports, in any way."""
    return {name_of(p): own(imports_of(p, types=True)) for p in MODULES}


def own(names: list[str]) -> list[str]:
    """The modules of netdsl among these names, without the prefix `netdsl`."""
    return [
        n.removeprefix("netdsl").removeprefix(".") for n in names if n.split(".")[0] == "netdsl"
    ]


def test_no_upward_import() -> None:
    """A module imports only modules of its own layer or of a lower one.

    This includes imports for type checking and imports inside functions.
    """
    assert [] == [
        f"netdsl.{here} imports netdsl.{other} from above"
        for here, others in own_imports().items()
        for other in others
        if height(other) > height(here)
    ]


def test_no_import_cycle() -> None:
    """No module imports itself through others.

    This includes imports for type checking and imports inside functions.
    """
    graph = {name: set(others) for name, others in own_imports().items()}
    done: set[str] = set()

    def visit(name: str, path: tuple[str, ...]) -> None:
        assert name not in path, " imports ".join([*path[path.index(name) :], name])
        if name in done:
            return
        for other in graph.get(name, ()):
            visit(other, (*path, name))
        done.add(name)

    for start in graph:
        visit(start, ())


def test_rules_see_every_form_of_import(tmp_path: Path) -> None:
    """`imports_of` finds imports at the top, for type checking, and inside functions.

    Calls of `import_module` count too.
    """
    path = tmp_path / "m.py"
    path.write_text(
        "import a\nfrom b import c\nif TYPE_CHECKING:\n    import d\ndef f():\n    import e\n   "
        " import_module('g.h')\n"
    )
    assert {"a", "b"} == set(imports_of(path, types=False, inside=False))
    assert {"a", "b", "d"} == set(imports_of(path, types=True, inside=False))
    assert {"a", "b", "e", "g.h"} == set(imports_of(path, types=False))
    assert (
        height("source")
        < height("ir.types")
        < height("ops.conv")
        < height("elaborate.infer")
        < height("backends.onnx.graph")
        < height("cli")
    )


LIGHT = [
    p
    for p in MODULES
    if name_of(p).split(".")[0]
    in {
        "ops",
        "ir",
        "syntax",
        "layout",
        "elaborate",
        "analysis",
        "driver",
        "diff",
        "source",
        "library",
        "diagnostics",
        "render",
        "limits",
        "missing",
        "cli",
    }
]


def test_light_modules() -> None:
    """The modules of the compiler import neither torch, onnx, onnxruntime nor numpy."""
    packages = {name_of(p): {n.split(".")[0] for n in imports_of(p, types=True)} for p in LIGHT}
    heavy = {name: used & {*HEAVY, "numpy"} for name, used in packages.items()}
    assert {} == {name: used for name, used in heavy.items() if used}


def test_files_have_docstrings() -> None:
    """Every file that has code begins with a docstring."""
    with_code = [path for path in MODULES if path.read_text().strip()]
    assert [] == [
        name_of(path) for path in with_code if not (ast.get_docstring(tree_of(path)) or "").strip()
    ]


# These modules import heavy packages, or modules for texts with errors, inside functions, only when
# they are needed. So do `commands`.
BOUNDARY = {
    "",
    "checking",
    "cli",
    "__main__",
    "process.streams",
    "api_net",
    "api_pictures",
    "api_training",
    "ops",
    "data.catalog",
    "data.source",
    "data.metrics",
    "diagnostics",
    "diff.sides",
    "analysis.expect",
    "backends.onnx.write",
    "elaborate.arguments",
    "elaborate.bodies",
    "elaborate.builder",
    "elaborate.called_nets",
    "elaborate.calls",
    "elaborate.ends",
    "elaborate.layers",
    "elaborate.loader",
    "elaborate.notes",
    "ir.op",
    "library",
    "look.attribution",
    "lsp.completion",
    "render",
    "syntax.parser",
    "train.logs",
    "train.pipeline",
    "weights.checkpoints",
    "weights.record",
    "weights.tensors",
}


def test_imports_are_at_the_top() -> None:
    """Imports are at the top of their module, except in the modules of `BOUNDARY`."""
    hidden = {
        name_of(path): {*imports_of(path, types=False)}
        - {*imports_of(path, types=False, inside=False)}
        for path in MODULES
        if name_of(path) not in BOUNDARY and not name_of(path).startswith("commands")
    }
    assert {} == {name: names for name, names in hidden.items() if names}


def test_comments() -> None:
    """No line has a mark such as TODO, silences ruff, or contains a path of one machine."""
    marks = re.compile(r"\b(TODO|FIXME|XXX|HACK)\b|#\s*noqa|/(home|work|root|tmp)/")
    assert [] == [
        f"{name_of(path)}:{number}: {line}"
        for path in MODULES
        for number, line in enumerate(path.read_text().splitlines(), start=1)
        if marks.search(line)
    ]


def test_no_test_file_is_imported() -> None:
    """No test module is imported: code that several of them use is in `tests/support`."""
    files = sorted((ROOT / "tests").rglob("*.py"))
    assert len(files) > 100
    assert [] == [
        f"{path.relative_to(ROOT)}: {name}"
        for path in files
        for name in imports_of(path, types=True)
        if re.search(r"(^|\.)(test_|conftest)", name)
    ]


# ---- the modules that light commands load

# Modules that the interpreter loads by itself, for example for an editable install, do not count.
PROBE = """
import sys
before = set(sys.modules)
from netdsl.cli import run
code = run(sys.argv[1:])
names = sorted(set(sys.modules) - before)
import json
print(json.dumps([code, names]), file=sys.stderr)
"""


def loaded(*arguments: str) -> set[str]:
    """The top-level packages that a successful command loads."""
    return {name.split(".")[0] for name in modules_of(*arguments)}


def modules_of(*arguments: str) -> set[str]:
    """The modules that a successful command loads."""
    command = [sys.executable, "-c", PROBE, *arguments]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    code, names = json.loads(done.stderr.splitlines()[-1])
    assert code == 0, done.stderr
    return set(names)


# Packages that `check` does not load. Each would cost some milliseconds in every run;
# `python benchmarks/check.py --phases` prints the times.
UNUSED = {
    *HEAVY,
    *"""
    numpy lark rich platformdirs pathlib dataclasses inspect ast pickle shutil tempfile subprocess
    logging urllib socket difflib random hashlib textwrap asyncio threading
""".split(),
}
OWN = set(
    """
    analysis checking cli commands diagnostics draw driver elaborate errors ir library limits ops
    pipes process render source syntax version words
""".split()
)


def test_check_loads_little() -> None:
    """`check` loads no package of another project, and no large part of the standard library."""
    table = loaded("check", "resnet:ResNet50")
    assert not table & UNUSED
    assert not table & {"json"}
    assert not loaded("check", "resnet:ResNet50", "--format", "json") & UNUSED


def test_check_loads_only_what_it_uses() -> None:
    """`check` loads the compiler, the table and its own command, but not the Python API."""
    names = [name.split(".") for name in modules_of("check", "resnet:ResNet50")]
    modules = [name[1:] for name in names if name[0] == "netdsl" and len(name) > 1]
    assert OWN == {m[0] for m in modules}
    commands = {m[1] for m in modules if m[0] == "commands" and m[1:]}
    declaring = {"model_arguments", "training_arguments", "table_options", "parallel_options"}
    declaring |= {"arguments", "diff_arguments", "import_arguments", "look_arguments"}
    declaring |= {"page_arguments", "options", "parser"}
    assert declaring | {"check", "common", "foreign", "output", "table"} == commands
    assert {"table", "rows", "columns", "options"} == {
        m[1] for m in modules if m[0] == "draw" and m[1:]
    }
    assert {"stops", "streams"} == {m[1] for m in modules if m[0] == "process" and m[1:]}


def test_diff_loads_little() -> None:
    """`diff` of two files loads no more packages than `check`, but rich measures its arrows."""
    assert loaded("diff", "resnet:ResNet18", "resnet:ResNet50") & UNUSED <= {"rich"}


def test_draw_loads_little(tmp_path: Path) -> None:
    """`draw` loads neither torch nor onnx."""
    assert not loaded("draw", "lenet5:LeNet5", "-o", str(tmp_path / "n.dot")) & HEAVY


def test_export_loads_no_runtime(tmp_path: Path) -> None:
    """An export of fresh weights to ONNX loads neither torch nor onnxruntime.

    An export to PyTorch source does not load onnx either.
    """
    assert not loaded("export", "lenet5:LeNet5", "-o", str(tmp_path / "n.onnx")) & {
        "torch",
        "onnxruntime",
    }
    assert not loaded("export", "lenet5:LeNet5", "-o", str(tmp_path / "n.py")) & HEAVY


def test_the_language_server_loads_little() -> None:
    """The language server loads neither torch nor onnx, and what trains nets only when asked."""
    code = "import sys, netdsl.lsp.server; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    modules = set(done.stdout.split())
    assert not {name.split(".")[0] for name in modules} & {*HEAVY, "numpy"}
    assert not {"netdsl.train", "netdsl.data"} & modules


def test_importing_netdsl_loads_little() -> None:
    """`import netdsl` loads no other module of netdsl.

    The API is loaded when one of its names is first used.
    """
    code = "import sys, netdsl; print(*sys.modules); netdsl.loads; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    lines = [line.split() for line in done.stdout.splitlines()]
    first, second = ({m for m in line if m.startswith("netdsl.")} for line in lines)
    assert set() == first
    assert "netdsl.api" in second
    assert not {n.split(".")[0] for n in done.stdout.split()} & {*HEAVY, "numpy"}


def test_netdsl_lists_its_names() -> None:
    """`dir()` lists names before they are loaded; a wrong name is an `AttributeError`."""
    code = "import netdsl; print(*dir(netdsl)); print(hasattr(netdsl, 'lods'), netdsl.Net.__name__)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    names, answers = done.stdout.splitlines()
    assert {"CompileError", "Net", "load", "loads", "nets", "__version__"} <= set(names.split())
    assert "False Net" == answers
