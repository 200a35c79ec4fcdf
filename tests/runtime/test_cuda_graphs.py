"""CUDA graphs of sessions: what is captured under which number."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from netdsl.errors import NetdslError
from netdsl.runtime import providers, session
from netdsl.runtime.binding import NO_GRAPH, BoundSession
from netdsl.runtime.providers import Model
from netdsl.runtime.session import Settings, open_session
from tests.support.onnx_files import ones

# ---- CUDA graphs


@pytest.fixture
def numbers(monkeypatch: pytest.MonkeyPatch) -> list[tuple[int, int]]:
    """The batch and the number of the graph of every run."""
    made: list[tuple[int, int]] = []
    plain = BoundSession.run

    def run(self: BoundSession) -> None:
        made.append(
            (self._sizes["x"][0][0], int(self._options.get_run_config_entry("gpu_graph_id")))
        )
        plain(self)

    monkeypatch.setattr(BoundSession, "run", run)
    return made


@pytest.mark.usefixtures("pretended")
def test_no_graph_is_replayed_for_other_sizes(relu: Path, numbers: list[tuple[int, int]]) -> None:
    """A first batch runs plainly; from the second of the same sizes on there is a graph, whose
    number no other binding has.
    """
    opened = open_session(relu, "cuda", settings=Settings(graph=True))
    for batch in (2, 2, 2, 3, 3, 2):
        np.testing.assert_array_equal(opened.run(ones(batch, batch))[0], ones(batch, batch)["x"])
    opened.bind(ones(2)).run()
    opened.bind(ones(5)).run()
    of = {g: {b for b, n in numbers if n == g} for _, g in numbers if g != NO_GRAPH}
    assert of == {1: {2}, 2: {3}, 3: {2}, 4: {5}}
    assert [g for _, g in numbers[:6]] == [NO_GRAPH, NO_GRAPH, 1, 1, 1, NO_GRAPH]
    assert numbers[-2:] == [(5, 4), (5, 4)]


@pytest.mark.usefixtures("pretended")
def test_graphs_are_not_without_number(
    relu: Path, numbers: list[tuple[int, int]], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Sizes that change for ever do not fill the memory with graphs."""
    monkeypatch.setattr(session, "GRAPHS", 2)
    opened = open_session(relu, "cuda", settings=Settings(graph=True))
    for batch in (1, 1, 2, 2, 3, 3, 4, 4):
        opened.run(ones(batch))
    assert {g for _, g in numbers} == {NO_GRAPH, 1, 2}


@pytest.mark.usefixtures("pretended")
def test_without_graphs_nothing_is_captured(relu: Path, numbers: list[tuple[int, int]]) -> None:
    opened = open_session(relu, "cuda")
    for _ in range(3):
        opened.run(ones(2))
    opened.bind(ones(2)).run()
    assert {g for _, g in numbers} == {NO_GRAPH}


@pytest.mark.usefixtures("pretended")
@pytest.mark.parametrize("how", ["run", "bind"])
def test_what_cannot_be_captured_runs_without(
    relu: Path, monkeypatch: pytest.MonkeyPatch, how: str
) -> None:
    """The reason is kept, and the outputs come."""
    plain = BoundSession.run

    def run(self: BoundSession) -> None:
        if self._options.get_run_config_entry("gpu_graph_id") != str(NO_GRAPH):
            raise RuntimeError("CUDA failure 900: operation not permitted when stream is capturing")
        plain(self)

    monkeypatch.setattr(BoundSession, "run", run)
    opened = open_session(relu, "cuda", settings=Settings(graph=True))
    for value in (1, 2):
        np.testing.assert_array_equal(
            (
                opened.run(ones(2, value))[0]
                if how == "run"
                else opened.bind(ones(2, value)).outputs()[0]
            ),
            ones(2, value)["x"],
        )
    assert not opened.graph
    assert "not permitted" in opened.no_graph


def test_a_session_that_takes_no_graph_is_opened_without(
    relu: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """onnxruntime refuses graphs for models with nodes elsewhere; the rest of what it refuses stays
    an error.
    """

    def options(model: Model, device: str, settings: Settings) -> list[str]:
        if settings.graph:
            raise RuntimeError("This session cannot use the graph capture feature")
        return ["CPUExecutionProvider"]

    monkeypatch.setattr(providers, "options_of", options)
    opened, reason = providers.create(Model(relu), "cuda", Settings(graph=True))
    assert "graph capture" in reason
    assert opened.get_providers() == ["CPUExecutionProvider"]
    relu.write_bytes(b"no model")
    with pytest.raises(NetdslError):
        providers.create(Model(relu), "cuda", Settings(graph=True))


@pytest.mark.usefixtures("pretended")
def test_tensorrt_has_one_graph(relu: Path, numbers: list[tuple[int, int]]) -> None:
    """It captures whatever the numbers say, so that a second size ends the graphs."""
    opened = open_session(relu, "tensorrt", settings=Settings(graph=True))
    opened.bind(ones(2)).run()
    assert (opened.graph, opened.no_graph) == (True, "")
    opened.bind(ones(3)).run()
    assert not opened.graph
    assert "TensorRT" in opened.no_graph
    opened = open_session(relu, "tensorrt", settings=Settings(graph=True))
    opened.run(ones(2))
    assert not opened.graph
    assert numbers[-1] == (2, NO_GRAPH)


# ---- weights in another file


@pytest.mark.parametrize("text", [f"[1{'0' * 400}]", "[1e39]", "[NaN]", '["1"]'])
def test_numbers_beyond_all_bounds(relu: Path, text: str) -> None:
    """Of metadata, which anyone can have written; the message stays short."""
    opened = open_session(relu)
    opened.metadata["netdsl.mean"] = text
    with pytest.raises(NetdslError, match="must hold 3 numbers") as caught:
        opened.numbers("netdsl.mean", 3)
    assert len(str(caught.value)) < 400
