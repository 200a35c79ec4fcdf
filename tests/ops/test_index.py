"""Tests of the list of the modules in which layer kinds are defined."""

from __future__ import annotations

import pytest

from netdsl.ir.op import Op
from netdsl.ops import LAYERS
from netdsl.ops.index import MODULES, WORDS
from netdsl.ops.registry import Registry


def test_modules() -> None:
    """Each kind of netdsl is in the module that the list gives for it, and no other one is."""
    own = {k: cls.__module__ for k, cls in LAYERS.items() if cls.__module__.startswith("netdsl.")}
    listed = {kind: f"netdsl.ops.{name}" for name, kinds in MODULES.items() for kind in kinds}
    assert own == listed


def test_words() -> None:
    """The list has all words that arguments take, and `same`."""
    kinds = [kind for kinds in MODULES.values() for kind in kinds]
    words = {word for kind in kinds for arg in LAYERS[kind].args for word in arg.choices or ()}
    assert words | {"same"} == WORDS


def test_a_kind_is_defined_once() -> None:
    """Another class cannot take the name of a kind, even if that kind is not imported yet."""
    registry = Registry()
    with pytest.raises(ValueError, match="`conv` is defined twice"):
        registry.add("conv", Op)
    registry.add("mine", Op)
    assert registry["mine"] is Op
    assert len(registry) == len(list(registry))
    with pytest.raises(ValueError, match="`mine` is defined twice"):
        registry.add("mine", Op)
