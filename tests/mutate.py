"""Plant faults in netdsl, one at a time, and see whether the tests notice.

    python tests/mutate.py --count 240 --seed 1 --jobs 2

A fault is one small change of one expression: `<` for `<=`, `+` for `-`, a constant off by one, a keyword argument left out, a
check that never fires, a diagnostic of another code, position or number. Faults are drawn evenly from the shape rules, the counters,
the emitters and the diagnostics. Each is loaded in a process of its own in place of the module that it changes; the files are
not touched. Survivors are printed with their change; those that change nothing one can observe are listed, with the reason, in
`mutations.md` beside this file.
"""

from __future__ import annotations

import argparse
import ast
import copy
import importlib.abc
import importlib.util
import io
import multiprocessing
import os
import random
import sys
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

TESTS = Path(__file__).resolve().parent
ROOT = TESTS.parent
EXPLAINED = TESTS / "mutations.md"
FAMILIES = ("shape rules", "counters", "emitters", "diagnostics")
BOUND = 0.99

COUNTERS = {"macs", "params", "buffers", "connections", "units", "weights"}
EMITTERS = {"torch", "onnx"}
WHOLE_FILES = {
    "analysis/cost.py": "counters", "analysis/receptive.py": "counters", "analysis/summary.py": "counters",
    "analysis/valid.py": "shape rules", "ir/types.py": "shape rules", "ops/conv.py": "shape rules", "ops/pool.py": "shape rules",
    "backends/onnx.py": "emitters", "backends/onnx_file.py": "emitters", "backends/pytorch_source.py": "emitters",
    "backends/torch_modules.py": "emitters", "backends/dot.py": "emitters", "backends/weights.py": "emitters",
    "render.py": "diagnostics", "diagnostics.py": "diagnostics", "passes/infer.py": "diagnostics", "syntax/expected.py": "diagnostics",
}  # fmt: skip
# Tests of every kind one after the other, those that are quick and notice most first.
ORDER = (
    "test_contract", "test_language", "test_families", "test_regions", "test_types", "test_diagnostics", "test_wrong", "test_docs", "test_draw",
    "test_run", "test_export", "test_reference", "test_published", "test_verify",
)  # fmt: skip
LAST = ("test_train", "test_data")


@dataclass(frozen=True)
class Fault:
    """One change: the module, what kind of code it is in, the line, and the text before and after."""

    path: Path
    family: str
    line: int
    before: str
    after: str
    source: str

    @property
    def module(self) -> str:
        return ".".join(self.path.relative_to(ROOT).with_suffix("").parts)

    @property
    def key(self) -> str:
        return f"{self.path.relative_to(ROOT / 'netdsl')}: {self.before} => {self.after}"


# ---- where and what to change


def changes(node: ast.AST) -> Iterator[ast.AST]:
    """The nodes that may stand in this one's place."""
    match node:
        case ast.BinOp(op=ast.Add() | ast.Sub() | ast.Mult() | ast.FloorDiv()) if not isinstance(node.left, (ast.Constant, ast.JoinedStr)) or isinstance(getattr(node.left, "value", 0), int):
            other = {ast.Add: ast.Sub, ast.Sub: ast.Add, ast.Mult: ast.Add, ast.FloorDiv: ast.Mult}[type(node.op)]
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
        case ast.Call(keywords=[*_, last]) if last.arg not in (None, "help", "doc", "strict", "key"):
            yield ast.Call(node.func, node.args, node.keywords[:-1])
        case ast.Call(func=ast.Name(id="OpError" | "Fault" | "Diagnostic"), args=[ast.Constant(value=str()), *rest]):
            yield ast.Call(node.func, [ast.Constant("wrong-code"), *rest], node.keywords)
        case ast.If(body=[ast.Raise()]):
            yield ast.If(ast.Constant(value=False), node.body, node.orelse)
        case ast.Return(value=ast.Tuple(elts=[first, second, *rest])):
            yield ast.Return(ast.Tuple([second, first, *rest], ast.Load()))


COMPARISONS: dict[type, type] = {ast.Lt: ast.LtE, ast.LtE: ast.Lt, ast.Gt: ast.GtE, ast.GtE: ast.Gt, ast.Eq: ast.NotEq, ast.NotEq: ast.Eq, ast.Is: ast.IsNot, ast.IsNot: ast.Is}


def family_of(path: str, function: str, node: ast.AST) -> str | None:
    """What kind of code a node of that function is, `None` where no faults are planted."""
    if function.startswith("__") or function in ("examples", "register"):
        return None
    if path.startswith("ops/") and path not in ("ops/__init__.py", "ops/base.py", "ops/args.py", "ops/init.py"):
        if any(isinstance(n, ast.Call) and getattr(n.func, "id", "") == "OpError" for n in ast.walk(node)):
            return "diagnostics"
        if function in COUNTERS:
            return "counters"
        return "emitters" if function in EMITTERS else "shape rules"
    return WHOLE_FILES.get(path)


def functions(tree: ast.Module) -> Iterator[ast.FunctionDef]:
    """The functions and methods, outermost only."""
    for node in tree.body:
        for inner in node.body if isinstance(node, ast.ClassDef) else [node]:
            if isinstance(inner, ast.FunctionDef):
                yield inner


def faults_of(path: Path) -> Iterator[Fault]:
    """Every fault that can be planted in a file."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    name = str(path.relative_to(ROOT / "netdsl"))
    for function in functions(tree):
        holders = {id(child): holder for statement in function.body for holder in ast.walk(statement) for child in ast.iter_child_nodes(holder)}
        for statement in function.body:
            for node in ast.walk(statement):
                holder = holders.get(id(node))
                if isinstance(holder, (ast.Expr, ast.JoinedStr) if isinstance(node, ast.Constant) else ast.Expr) or getattr(holder, "arg", None) == "strict":
                    continue
                family = family_of(name, function.name, nearest_statement(node, holders))
                for other in changes(node) if family else ():
                    yield Fault(path, str(family), getattr(node, "lineno", statement.lineno), brief(node), brief(other), replaced(tree, node, other))


def nearest_statement(node: ast.AST, holders: dict[int, ast.AST]) -> ast.AST:
    """The simple statement, or the test and body of the `if`, that a node stands in."""
    while not isinstance(node, ast.stmt) and id(node) in holders:
        node = holders[id(node)]
    if isinstance(node, (ast.For, ast.While, ast.With)):
        return ast.Pass()
    return node


def brief(node: ast.AST) -> str:
    """A node's text on one line."""
    text = " ".join(ast.unparse(ast.fix_missing_locations(copy.deepcopy(node))).split())
    return text if len(text) < 120 else text[:117] + "..."


def replaced(tree: ast.Module, node: ast.AST, other: ast.AST) -> str:
    """The file's text with one node in place of another."""

    class Swap(ast.NodeTransformer):
        def visit(self, at: ast.AST) -> Any:
            return other if at is node else self.generic_visit(at)

    memo: dict[int, Any] = {id(node): node}  # the copy keeps the node itself, so that it is found
    return ast.unparse(ast.fix_missing_locations(Swap().visit(copy.deepcopy(tree, memo))))


def drawn(count: int, seed: int) -> list[Fault]:
    """So many faults, evenly from the families; none twice."""
    rng = random.Random(seed)
    found: dict[str, list[Fault]] = {f: [] for f in FAMILIES}
    for path in sorted((ROOT / "netdsl").rglob("*.py")):
        name = str(path.relative_to(ROOT / "netdsl"))
        if name.startswith("ops/") or name in WHOLE_FILES:
            for fault in faults_of(path):
                found[fault.family].append(fault)
    chosen = [f for family in FAMILIES for f in rng.sample(found[family], min(len(found[family]), -(-count // len(FAMILIES))))]
    rng.shuffle(chosen)
    return chosen[:count]


# ---- run


class Planted(importlib.abc.MetaPathFinder, importlib.abc.InspectLoader):
    """Loads the changed text in place of one module's."""

    def __init__(self, fault: Fault) -> None:
        self.fault = fault

    def find_spec(self, fullname: str, path: object = None, target: object = None) -> Any:
        del path, target
        if fullname != self.fault.module:
            return None
        return importlib.util.spec_from_file_location(fullname, self.fault.path, loader=self)

    def get_source(self, fullname: str) -> str:
        del fullname
        return self.fault.source


def tests(*, quick: bool) -> list[str]:
    """The test files in their order; the quick ones alone on request."""
    names = {p.stem for p in TESTS.glob("test_*.py")}
    rest = [] if quick else ["test_nets", *sorted(names - {*ORDER, *LAST, "test_nets"}), *LAST]
    return [str(TESTS / f"{n}.py") for n in (*ORDER, *rest) if n in names]


def child(fault: Fault | None, selected: Sequence[str], limit: int, report: Any) -> None:
    """Run the tests with the fault planted; tell which test failed first."""
    import resource

    import pytest

    resource.setrlimit(resource.RLIMIT_CPU, (limit, limit + 5))
    resource.setrlimit(resource.RLIMIT_AS, (24 << 30, 24 << 30))
    if fault is not None:
        sys.meta_path.insert(0, Planted(fault))
    os.chdir(ROOT)

    class First:
        failed = ""

        def pytest_runtest_logreport(self, report: Any) -> None:
            if report.failed and not self.failed:
                self.failed = str(report.nodeid)

    first = First()
    with redirect_stdout(io.StringIO()), redirect_stderr(io.StringIO()):
        code = pytest.main(["-x", "-q", "-p", "no:cacheprovider", "-p", "no:xdist", *selected], plugins=[first])
    report.send((int(code), first.failed))
    report.close()


def try_one(fault: Fault | None, selected: Sequence[str], limit: int) -> tuple[bool, str]:
    """Whether the fault was noticed, and by what."""
    context = multiprocessing.get_context("fork")
    receive, send = context.Pipe(duplex=False)
    process = context.Process(target=child, args=(fault, selected, limit, send))
    process.start()
    send.close()
    process.join(limit * 4)
    if process.is_alive():
        process.kill()
        return True, "no end"
    if not receive.poll():
        return True, "the interpreter ended"
    code, failed = receive.recv()
    return code != 0, failed or ("" if code == 0 else "nothing could be collected")


def explained() -> dict[str, str]:
    """Faults that change nothing one can observe: `- file: before => after` and the reason after a dash."""
    if not EXPLAINED.is_file():
        return {}
    rows = [line[2:] for line in EXPLAINED.read_text(encoding="utf-8").splitlines() if line.startswith("- ")]
    return {key.strip("`"): reason for key, _, reason in (row.partition("` \N{EM DASH} ") for row in rows)}


def main() -> int:
    """Plant, run, print; 1 where less than the bound was noticed."""
    parser = argparse.ArgumentParser(description="plant faults and see whether the tests notice")
    parser.add_argument("--count", type=int, default=240)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--cpu-seconds", type=int, default=420, help="of one run of the tests")
    parser.add_argument("--list", action="store_true", help="print the faults and plant none")
    parser.add_argument("--quick", action="store_true", help="only the tests that are quick: what survives them may yet be noticed by the others")
    parser.add_argument("--only", help="faults whose line of print holds this text")
    arguments = parser.parse_args()
    faults = [f for f in drawn(arguments.count, arguments.seed) if not arguments.only or arguments.only in f.key]
    if arguments.list:
        print(*(f"{f.family:12} {f.path.name}:{f.line}  {f.before}  =>  {f.after}" for f in faults), sep="\n")
        return 0
    import kornia  # noqa: F401  # loaded once, before the processes part
    import onnxruntime  # noqa: F401
    import torch.utils.flop_counter  # noqa: F401

    sys.path.insert(0, str(ROOT))
    selected, reasons, started = tests(quick=arguments.quick), explained(), time.monotonic()
    killed: Counter[str] = Counter()
    survivors = []
    with ThreadPoolExecutor(arguments.jobs) as pool:
        for i, (fault, (noticed, by)) in enumerate(zip(faults, pool.map(lambda f: try_one(f, selected, arguments.cpu_seconds), faults), strict=True), start=1):
            killed[fault.family] += noticed
            if not noticed:
                survivors.append(fault)
            print(f"{i:4} {time.monotonic() - started:6.0f} s  {'killed  ' if noticed else 'SURVIVED'}  {fault.key}  [{fault.line}] {by}", flush=True)
    total = Counter(f.family for f in faults)
    print(*(f"{family:12} {killed[family]} of {total[family]}" for family in FAMILIES), sep="\n")
    told = [f for f in survivors if f.key in reasons]
    share = (sum(killed.values()) + len(told)) / max(1, len(faults))
    print(f"{sum(killed.values())} of {len(faults)} planted faults noticed, {len(told)} more change nothing that can be observed: {share:.1%}; bound {BOUND:.0%}; seed {arguments.seed}")
    return 0 if share >= BOUND else 1


if __name__ == "__main__":
    sys.exit(main())
