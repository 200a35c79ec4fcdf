"""Symbolic integers against plain ones, and the sizes a net is valid for against trying them all."""

from __future__ import annotations

import operator
import re
from collections.abc import Callable

import onnx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import netdsl
from netdsl.analysis.valid import conditions, valid_for
from netdsl.errors import OpError
from netdsl.ir.types import Sym, TensorType, compact, shape_text, subs
from netdsl.ops import LAYERS
from tests.support.back_ends import assert_back_ends_agree
from tests.support.contract import EXAMPLES, Example, check_onnx, check_shape, examples_of
from tests.support.phrases import says
from tests.support.small_nets import codes

SYMBOLS = ("H", "W", "T")
SIZES = st.fixed_dictionaries({s: st.integers(1, 300) for s in SYMBOLS})

Plain = Callable[[dict[str, int]], int]
Pair = tuple["int | Sym", Plain]  # a symbolic value, and the same computed from plain integers


def _leaf() -> st.SearchStrategy[Pair]:
    symbols = st.sampled_from(SYMBOLS).map(lambda s: (Sym.var(s), lambda at: at[s]))
    numbers = st.integers(-20, 20).map(lambda n: (n, lambda at: n))
    return st.one_of(symbols, symbols, numbers)


def _sum(a: Pair, b: Pair) -> Pair:
    return a[0] + b[0], lambda at: a[1](at) + b[1](at)


def _difference(a: Pair, b: Pair) -> Pair:
    return a[0] - b[0], lambda at: a[1](at) - b[1](at)


def _product(a: Pair, b: Pair) -> Pair:
    return a[0] * b[0], lambda at: a[1](at) * b[1](at)


def _quotient(a: Pair, k: int) -> Pair:
    return a[0] // k, lambda at: a[1](at) // k


def _rest(a: Pair, k: int) -> Pair:
    return a[0] % k, lambda at: a[1](at) % k


def _grow(inner: st.SearchStrategy[Pair]) -> st.SearchStrategy[Pair]:
    divisors = st.integers(1, 12)
    return st.one_of(
        st.builds(_sum, inner, inner),
        st.builds(_difference, inner, inner),
        st.builds(_product, inner, st.one_of(_leaf(), inner)),
        st.builds(_quotient, inner, divisors),
        st.builds(_rest, inner, divisors),
    )


PAIRS = st.recursive(_leaf(), _grow, max_leaves=8)


@given(PAIRS, SIZES)
def test_arithmetic(pair: Pair, at: dict[str, int]) -> None:
    """A formula with numbers put in for its symbols is what plain integers give."""
    value, plain = pair
    assert plain(at) == subs(value, at)


@given(PAIRS, st.sampled_from(SYMBOLS), SIZES)
def test_partial_substitution(pair: Pair, symbol: str, at: dict[str, int]) -> None:
    """Numbers can be put in one after the other."""
    value, plain = pair
    assert plain(at) == subs(subs(value, {symbol: at[symbol]}), at)


@given(PAIRS)
def test_canonical_form(pair: Pair) -> None:
    """A formula is never a constant in disguise, has no zero terms, and equals what rebuilding it gives."""
    value, _ = pair
    if isinstance(value, int):
        return
    assert value.symbols()
    assert 0 not in value.terms.values()
    again = subs(value, {s: Sym.var(s) for s in SYMBOLS})
    assert value == again
    assert hash(value) == hash(again)
    assert str(value) == str(again)


@given(PAIRS, PAIRS, PAIRS)
def test_laws(a: Pair, b: Pair, c: Pair) -> None:
    """Equal forms compare equal however they were made, and print alike."""
    x, y, z = a[0], b[0], c[0]
    for one, other in ((x + y, y + x), (x * y, y * x), ((x + y) + z, x + (y + z)), (x - x + y, y), (x * (y + z), x * y + x * z), (-(-x), x)):
        assert one == other
        assert str(one) == str(other)
        assert compact(one) == compact(other)


@given(PAIRS, st.integers(1, 12), st.integers(1, 12))
def test_division_laws(pair: Pair, a: int, b: int) -> None:
    """floor((k x) / k) = x, floor(floor(x / a) / b) = floor(x / (a b)), and quotient and rest make the whole."""
    x = pair[0]
    assert x == x * a // a
    assert x == x // a * a + x % a
    if isinstance(x, Sym) and len(x.symbols()) == 1 and x.terms == {(next(iter(x.symbols())),): 1}:
        assert x // (a * b) == x // a // b


@given(PAIRS, PAIRS, SIZES)
def test_equal_means_equal_everywhere(a: Pair, b: Pair, at: dict[str, int]) -> None:
    """Formulas that compare equal have the same value at every size."""
    if a[0] == b[0]:
        assert a[1](at) == b[1](at)


@given(PAIRS, SIZES)
def test_printed_formula_evaluates(pair: Pair, at: dict[str, int]) -> None:
    """The printed formula, read as Python, has the formula's value."""
    value, plain = pair
    names = at | {"floor": lambda q: q}
    assert plain(at) == eval(str(value).replace(" / ", " // "), names)


@pytest.mark.parametrize("k", [0, -1, Sym.var("H")])
def test_division_needs_a_positive_number(k: int | Sym) -> None:
    """Division by what is not a positive integer is refused, not computed wrongly."""
    with pytest.raises(ArithmeticError):
        Sym.var("W") // k
    with pytest.raises(ArithmeticError):
        operator.mod(Sym.var("W"), k)


@pytest.mark.parametrize(
    ("value", "text", "short"),
    [
        (Sym.var("H"), "H", "H"),
        (Sym.var("H") - 4, "H - 4", "H - 4"),
        ((Sym.var("H") + 1) // 2, "floor((H + 1) / 2)", "⌈H/2⌉"),
        (Sym.var("H") // 2, "floor(H / 2)", "⌊H/2⌋"),
        ((Sym.var("H") - 3) // 2 + 1, "floor((H - 1) / 2)", "⌊(H-1)/2⌋"),
        (Sym.var("H") * Sym.var("W") * 3, "3 * H * W", "3 H W"),
        (((Sym.var("H") + 1) // 2 + 1) // 2, "floor((H + 3) / 4)", "⌈H/4⌉"),
        ((2 * Sym.var("H") + 4) // 2, "H + 2", "H + 2"),
    ],
)
def test_printing(value: int | Sym, text: str, short: str) -> None:
    """Formulas print in a form that people read, long and short."""
    assert text == str(value)
    assert short == compact(value)


def test_shape_text() -> None:
    """Shapes print with x between sizes, formulas without blanks."""
    assert "3x⌈H/2⌉x7" == shape_text((3, (Sym.var("H") + 1) // 2, 7))
    assert "scalar" == shape_text(())
    assert TensorType((3, 4, 5)).size == 60
    assert TensorType((3, Sym.var("H"))).symbolic


# ---- valid sizes

CHAINS = st.lists(
    st.sampled_from([
        "conv(2, 3)", "conv(2, 5, stride = 2)", "conv(2, 3, pad = 1)", "maxpool(2)", "maxpool(3, stride = 2)", "maxpool(3, stride = 2, ceil = true)",
        "avgpool(2, stride = 1)", "upsample(2)", "pad(1)", "deconv(2, 4, stride = 2)", "crop(3)", "pad(2, mode = reflect)",
        "residual { maxpool(2) -> upsample(2) }", "residual { conv(2, 3, stride = 2, pad = 1) -> upsample(2) }",
        "concat { | maxpool(2) | conv(2, 2, stride = 2) }", "reshape([8, -1]) -> reshape([2, -1])",
    ]),
    min_size=1,
    max_size=5,
)  # fmt: skip


def accepts(layers: list[str], size: int) -> bool:
    """Whether the net compiles at that size, with no axis that a join repeats only because it happens to be 1."""
    try:
        net = netdsl.loads(_text(layers, str(size)))
    except netdsl.CompileError:
        return False
    return all(len({t.spatial for t in n.types}) == 1 for n in net.graph.nodes)


def _text(layers: list[str], size: str) -> str:
    body = "\n".join(layers)
    return f"net N {{\n input image: 2x{size}\n{body}\n}}"


@settings(max_examples=80)
@given(CHAINS)
def test_valid_sizes(layers: list[str]) -> None:
    """The sizes that `valid_for` names are those at which the net compiles when they are written in."""
    try:
        net = netdsl.loads(_text(layers, "T"))
    except netdsl.CompileError as error:
        assert {d.code for d in error.diagnostics} <= {"open-size", "shape-mismatch", "wrong-rank", "window-too-large", "bad-padding"}
        return
    phrase, rules = valid_for(net.graph), conditions(net.graph)
    for size in (*range(1, 20), 31, 32, 64, 97):
        wanted = accepts(layers, size)
        assert wanted == all(c.holds({"T": size}) for c in rules)
        assert wanted == says(phrase, size), phrase


@pytest.mark.parametrize(
    ("layers", "phrase"),
    [
        (["relu"], "T >= 1"),
        (["conv(2, 3)"], "T >= 3"),
        (["maxpool(2)", "maxpool(2)"], "T >= 4"),
        (["residual { maxpool(2) -> upsample(2) }"], "T >= 2, T divisible by 2"),
        (["crop(3)"], "T >= 3"),
    ],
)
def test_valid_phrases(layers: list[str], phrase: str) -> None:
    """The sentence reads well."""
    assert phrase == valid_for(netdsl.loads(_text(layers, "T")).graph)


def test_valid_for_two_symbols() -> None:
    """Each symbol has its own sentence; a condition on both is said as it is."""
    text = "net N {{ input image: 1xHxW\n maxpool(2)\n {} }}"
    assert "H >= 2, W >= 2" == valid_for(netdsl.loads(text.format("relu")).graph)
    assert "H >= 2, W >= 2, ⌊H/2⌋ == ⌊W/2⌋" == valid_for(netdsl.loads(text.format("add { | identity | permute([1, 3, 2]) }")).graph)


@pytest.mark.parametrize("join", ["concat { | conv(2, 3) | conv(2, 1) }", "residual { conv(2, 3) }"])
def test_never_equal(join: str) -> None:
    """Open sizes that differ by a constant are an error: no input makes them equal."""
    assert ["shape-mismatch"] == codes(_text([join], "T"))


# ---- open sizes


def opened(example: Example) -> tuple[list[str], dict[str, int]]:
    """The example's input shapes with a symbol for each size after the channels (1 stays), and the example's own sizes."""
    shapes, sizes = [], {}
    for i, text in enumerate(example.shapes.split(", ")):
        sizes_text, *dtype = text.split(" ")
        channels, *rest = sizes_text.split("x")
        for axis, size in enumerate(rest):
            if size != "1":
                rest[axis] = f"S{i}{axis}"
                sizes[rest[axis]] = int(size)
        shapes.append(" ".join(["x".join([channels, *rest]), *dtype]))
    return shapes, sizes


OPENED = [e for e in EXAMPLES if opened(e)[1] and "x" in e.shapes]
MUST_KNOW_THE_SIZE = {"attention", "cheb", "dense", "gcn", "gru", "layernorm", "lstm", "rmsnorm", "rnn", "sage", "slice", "split"}  # those that act on the last axis, or whose bounds may count from an end


def compiled_open(example: Example) -> netdsl.Net | None:
    """The net with open sizes, or None where the kind must know them."""
    try:
        return netdsl.loads(example.text(opened(example)[0]))
    except netdsl.CompileError as error:
        assert [d.code for d in error.diagnostics] == ["open-size"]
        assert example.kind in MUST_KNOW_THE_SIZE
        return None


def inferred_at(net: netdsl.Net, sizes: dict[str, int]) -> TensorType | None:
    """The type that the kind infers from plain integers, None where it refuses them."""
    (node,) = net.graph.nodes
    try:
        return node.op.infer(*(TensorType(tuple(subs(d, sizes) for d in t.shape), t.dtype) for t in node.types))
    except OpError:
        return None


@pytest.mark.parametrize("example", OPENED, ids=lambda e: f"{e.call} on {e.shapes}")
def test_open_sizes(example: Example) -> None:
    """At every size the formula gives what the rule gives for that number, and the net is valid just where the rule accepts it."""
    net = compiled_open(example)
    if net is None:
        return
    own = opened(example)[1]
    wanted, rules = net.outputs[0].value.type, conditions(net.graph)
    for symbol in own:
        for size in (*range(1, 26), 31, 37, 64, 101, 224):
            sizes = own | {symbol: size}
            made = inferred_at(net, sizes)
            valid = all(c.holds(sizes) for c in rules)
            if valid:
                assert made is not None
                assert made.shape == tuple(subs(d, sizes) for d in wanted.shape)
            elif len(net.graph.inputs) == 1:
                assert made is None or min(d for d in made.shape if isinstance(d, int)) < 1


@pytest.mark.parametrize("example", OPENED, ids=lambda e: f"{e.call} on {e.shapes}")
def test_open_sizes_run(example: Example) -> None:
    """One exported model with open sizes computes what PyTorch does at the example's sizes and at larger ones."""
    net = compiled_open(example)
    if net is None:
        return
    own = opened(example)[1]
    try:
        model = net.onnx()
    except netdsl.CompileError as error:
        assert [d.code for d in error.diagnostics] == ["open-size"]
        assert example.kind in FIXED_IN_ONNX
        return
    rules = conditions(net.graph)
    larger = ({s: n + more for s, n in own.items()} for more in (0, 2, 12))
    valid = [sizes for sizes in larger if all(c.holds(sizes) for c in rules)]
    assert valid
    for sizes in valid:
        assert_back_ends_agree(net, sizes)
    onnx.checker.check_model(model, full_check=True)


FIXED_IN_ONNX = {"adaptive_avgpool", "adaptive_maxpool", "spp", "maxpool"}  # windows that depend on the size; `ceil` with padding


# ---- ranks

FIRST = [examples_of(kind)[0] for kind in LAYERS]


@pytest.mark.parametrize("example", [e for e in FIRST if re.fullmatch("[0-9x]+", e.shapes)], ids=lambda e: e.call)
@pytest.mark.parametrize("shape", ["12", "6x12", "6x8x12", "6x6x8x9", "6x4x5x6x7", "1", "1x1", "6x1x1", "6x5x1", "[]"])
def test_every_accepted_rank_works(example: Example, shape: str) -> None:
    """An input that a kind does not refuse with a diagnostic is one that both back ends take, of whatever rank."""
    tried = Example(example.kind, shape, example.call)
    try:
        net = tried.net()
    except netdsl.CompileError as error:
        assert 1 == len(error.diagnostics)
        return
    check_shape(net)
    check_onnx(net)
