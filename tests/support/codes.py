"""The codes of the diagnostics that the package raises."""

from __future__ import annotations

import ast
import re

from netdsl.train.config import KINDS
from tests.support.collection import without_collection
from tests.support.paths import ROOT

CODE = re.compile(r"[a-z]+(-[a-z]+)*")
RAISERS = {
    "warning",
    "unused",
    "NetdslError",
    "OpError",
    "Diagnostic",
    "SettingError",
    "fail",
    "stop",
}
COMPOSED = {f"unknown-{setting}" for setting, _ in KINDS.values()} | {"unknown-dataset"}


def _nodes() -> list[tuple[str, ast.AST]]:
    """The nodes of the syntax trees of the package, each with its file."""
    with without_collection():
        return [
            (str(path), node)
            for path in sorted((ROOT / "netdsl").rglob("*.py"))
            for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        ]


def codes_raised() -> dict[str, str]:
    """Every code that the package raises, with a file that raises it.

    The codes are literal arguments of the calls that create diagnostics, or composed of the names
    of settings.
    """
    nodes = _nodes()
    classes = [n for _, n in nodes if isinstance(n, ast.ClassDef)]
    raisers = RAISERS | {
        c.name for c in classes if RAISERS & {getattr(b, "id", "") for b in c.bases}
    }
    codes = dict.fromkeys(COMPOSED, "netdsl/train/config.py")
    for name, call in nodes:
        if (
            isinstance(call, ast.Call)
            and getattr(call.func, "id", getattr(call.func, "attr", "")).lstrip("_") in raisers
        ):
            literals = [
                a.value
                for a in call.args[:2]
                if isinstance(a, ast.Constant) and isinstance(a.value, str)
            ]
            code = next((v for v in literals if CODE.fullmatch(v)), None)
            if code is not None:
                codes.setdefault(code, name)
    return codes
