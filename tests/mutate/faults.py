"""The faults that can be planted in each family of code; each changes one expression."""

from __future__ import annotations

import ast
import copy
import random
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tests.support.paths import ROOT

if TYPE_CHECKING:
    from collections.abc import Iterator

FAMILIES = ("shape rules", "counters", "emitters", "diagnostics")
COUNTERS = {"macs", "params", "buffers", "connections", "units", "weights"}
EMITTERS = {"torch", "onnx"}
# Functions that bound rounding errors. Only the first digits matter, so no test notices a small
# change.
BOUNDS = set(
    """
    rounding carried next_state _direction _normalised _softmax _projections _sloped _hard_swish
    _sum _plus _squares_around
""".split()
)
WHOLE_FILES = {
    "analysis/cost.py": "counters",
    "analysis/receptive.py": "counters",
    "analysis/summary.py": "counters",
    "analysis/valid.py": "shape rules",
    "ir/types.py": "shape rules",
    "ops/conv.py": "shape rules",
    "ops/deconv.py": "shape rules",
    "ops/pool.py": "shape rules",
    "ops/pool_global.py": "shape rules",
    "ops/window_text.py": "emitters",
    "backends/onnx/graph.py": "emitters",
    "backends/onnx/write.py": "emitters",
    "backends/torch/source.py": "emitters",
    "backends/torch/names.py": "emitters",
    "backends/torch/parts.py": "emitters",
    "backends/torch/starts.py": "emitters",
    "backends/torch/modules.py": "emitters",
    "draw/columns.py": "emitters",
    "draw/describe.py": "emitters",
    "draw/dot.py": "emitters",
    "draw/mermaid.py": "emitters",
    "draw/tikz.py": "emitters",
    "draw/picture.py": "emitters",
    "draw/rows.py": "emitters",
    "draw/table.py": "emitters",
    "draw/tree.py": "emitters",
    "weights/fresh.py": "emitters",
    "look/backward.py": "emitters",
    "look/errors.py": "emitters",
    "look/excite.py": "emitters",
    "look/filters.py": "emitters",
    "look/layers.py": "diagnostics",
    "look/maps.py": "emitters",
    "look/net.py": "emitters",
    "look/pictures.py": "emitters",
    "look/reconstruct.py": "emitters",
    "look/saliency.py": "emitters",
    "look/survey.py": "emitters",
    "trace/animation.py": "emitters",
    "trace/batch_norm.py": "emitters",
    "trace/choice.py": "diagnostics",
    "trace/elementwise.py": "emitters",
    "trace/inputs.py": "diagnostics",
    "trace/sequences.py": "emitters",
    "trace/text.py": "emitters",
    "trace/values.py": "diagnostics",
    "trace/vectors.py": "emitters",
    "trace/windows.py": "emitters",
    "train/compare/errors.py": "counters",
    "train/compare/runs.py": "counters",
    "train/compare/table.py": "emitters",
    "train/compare/varied.py": "diagnostics",
    "train/compare/variants.py": "diagnostics",
    "train/compare/where.py": "diagnostics",
    "render.py": "diagnostics",
    "diagnostics.py": "diagnostics",
    "elaborate/infer.py": "diagnostics",
    "syntax/expected.py": "diagnostics",
}


@dataclass(frozen=True, eq=False)
class Fault:
    """One change of a module.

    `function` has the first and last line of the function, whose name is `within`. `change` is the
    syntax tree of the file, the node that is replaced and its replacement.
    """

    path: Path
    family: str
    line: int
    function: tuple[int, int]
    within: str
    before: str
    after: str
    change: tuple[ast.Module, ast.AST, ast.AST]

    @property
    def source(self) -> str:
        """The text of the whole file with the fault."""
        return replaced(*self.change)

    @property
    def module(self) -> str:
        return ".".join(self.path.relative_to(ROOT).with_suffix("").parts)

    @property
    def key(self) -> str:
        return (
            f"{self.path.relative_to(ROOT / 'netdsl')} {self.within}: {self.before} => {self.after}"
        )


# ---- where and what to change


def changes(node: ast.AST) -> Iterator[ast.AST]:
    """The nodes that may replace a node."""
    match node:
        case ast.BinOp(op=ast.Add() | ast.Sub() | ast.Mult() | ast.FloorDiv()) if not isinstance(
            node.left, (ast.Constant, ast.JoinedStr)
        ) or isinstance(getattr(node.left, "value", 0), int):
            other = {ast.Add: ast.Sub, ast.Sub: ast.Add, ast.Mult: ast.Add, ast.FloorDiv: ast.Mult}[
                type(node.op)
            ]
            yield ast.BinOp(node.left, other(), node.right)
        case ast.Compare(ops=[op]) if type(op) in COMPARISONS:
            yield ast.Compare(node.left, [COMPARISONS[type(op)]()], node.comparators)
        case ast.BoolOp():
            yield ast.BoolOp(ast.Or() if isinstance(node.op, ast.And) else ast.And(), node.values)
        case ast.Constant(value=bool()):
            yield ast.Constant(not node.value)
        case ast.Constant(value=int() as number):
            yield ast.Constant(number + 1)
        case ast.IfExp():
            yield ast.IfExp(node.test, node.orelse, node.body)
        case ast.Call(keywords=[*_, last]) if last.arg not in (
            None,
            "help",
            "doc",
            "strict",
            "key",
        ):
            yield ast.Call(node.func, node.args, node.keywords[:-1])
        case ast.Call(
            func=ast.Name(id="OpError" | "NetdslError" | "Diagnostic"),
            args=[ast.Constant(value=str()), *rest],
        ):
            yield ast.Call(node.func, [ast.Constant("wrong-code"), *rest], node.keywords)
        case ast.If(body=[ast.Raise()]):
            yield ast.If(ast.Constant(value=False), node.body, node.orelse)
        case ast.Return(value=ast.Tuple(elts=[first, second, *rest])):
            yield ast.Return(ast.Tuple([second, first, *rest], ast.Load()))


COMPARISONS: dict[type, type] = {
    ast.Lt: ast.LtE,
    ast.LtE: ast.Lt,
    ast.Gt: ast.GtE,
    ast.GtE: ast.Gt,
    ast.Eq: ast.NotEq,
    ast.NotEq: ast.Eq,
    ast.Is: ast.IsNot,
    ast.IsNot: ast.Is,
}


def family_of(path: str, function: str, node: ast.AST) -> str | None:
    """The family of a node in a function, or `None` if no faults are planted there."""
    if function.startswith("__") or function in ("examples", "register"):
        return None
    if function in BOUNDS or path.endswith("rounding.py"):
        return None
    if path.startswith("ops/") and path not in (
        "ops/__init__.py",
        "ops/base.py",
        "ops/args.py",
        "ops/init.py",
    ):
        if any(
            isinstance(n, ast.Call) and getattr(n.func, "id", "") == "OpError"
            for n in ast.walk(node)
        ):
            return "diagnostics"
        if function in COUNTERS:
            return "counters"
        return "emitters" if function in EMITTERS else "shape rules"
    return WHOLE_FILES.get(path)


def functions(tree: ast.Module) -> Iterator[ast.FunctionDef]:
    """The functions and methods, without those inside other functions."""
    for node in tree.body:
        for inner in node.body if isinstance(node, ast.ClassDef) else [node]:
            if isinstance(inner, ast.FunctionDef):
                yield inner


def faults_of(path: Path) -> Iterator[Fault]:
    """Every fault that can be planted in a file."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    name = str(path.relative_to(ROOT / "netdsl"))
    for function in functions(tree):
        holders = {
            id(child): holder
            for statement in function.body
            for holder in ast.walk(statement)
            for child in ast.iter_child_nodes(holder)
        }
        for statement in function.body:
            for node in ast.walk(statement):
                holder = holders.get(id(node))
                if (
                    isinstance(
                        holder,
                        (ast.Expr, ast.JoinedStr) if isinstance(node, ast.Constant) else ast.Expr,
                    )
                    or getattr(holder, "arg", None) == "strict"
                ):
                    continue
                family = family_of(name, function.name, nearest_statement(node, holders))
                for other in changes(node) if family else ():
                    yield Fault(
                        path,
                        str(family),
                        getattr(node, "lineno", statement.lineno),
                        (function.lineno, function.end_lineno or 0),
                        function.name,
                        brief(node),
                        brief(other),
                        (tree, node, other),
                    )


def nearest_statement(node: ast.AST, holders: dict[int, ast.AST]) -> ast.AST:
    """The simple statement, or the `if`, that contains a node."""
    while not isinstance(node, ast.stmt) and id(node) in holders:
        node = holders[id(node)]
    if isinstance(node, (ast.For, ast.While, ast.With)):
        return ast.Pass()
    return node


def brief(node: ast.AST) -> str:
    """The text of a node on one line."""
    text = " ".join(ast.unparse(node).split())
    return text if len(text) < 120 else text[:117] + "..."


def replaced(tree: ast.Module, node: ast.AST, other: ast.AST) -> str:
    """The text of the file with one node replaced by another."""

    class Swap(ast.NodeTransformer):
        def visit(self, at: ast.AST) -> Any:
            return other if at is node else self.generic_visit(at)

    memo: dict[int, Any] = {id(node): node}  # the copied tree has the node itself, not its copy
    return ast.unparse(ast.fix_missing_locations(Swap().visit(copy.deepcopy(tree, memo))))


def drawn(count: int, seed: int) -> list[Fault]:
    """`count` different faults, spread evenly over the families."""
    rng = random.Random(seed)
    faults: dict[str, list[Fault]] = {f: [] for f in FAMILIES}
    for path in sorted((ROOT / "netdsl").rglob("*.py")):
        name = str(path.relative_to(ROOT / "netdsl"))
        if name.startswith("ops/") or name in WHOLE_FILES:
            for fault in faults_of(path):
                faults[fault.family].append(fault)
    chosen = [
        f
        for family in FAMILIES
        for f in rng.sample(faults[family], min(len(faults[family]), -(-count // len(FAMILIES))))
    ]
    rng.shuffle(chosen)
    return chosen[:count]
