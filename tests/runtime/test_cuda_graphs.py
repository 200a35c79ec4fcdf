"""CUDA graphs of sessions: which runs are captured, and under which number."""

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
    """The batch size and the graph number of every run."""
    runs: list[tuple[int, int]] = []
    plain = BoundSession.run

    def run(self: BoundSession) -> None:
        runs.append(
            (self._sizes["x"][0][0], int(self._options.get_run_config_entry("gpu_graph_id")))
        )
        plain(self)

    monkeypatch.setattr(BoundSession, "run", run)
    return runs


@pytest.mark.usefixtures("pretended")
def test_no_graph_is_replayed_for_other_sizes(relu: Path, numbers: list[tuple[int, int]]) -> None:
    """A graph is captured at the second run of the same sizes, under a number of its own.

    The first run of any sizes has no graph.
    """
    opened = open_session(relu, "cuda", settings=Settings(graph=True))
    for batch in (2, 2, 2, 3, 3, 2):
        np.testing.assert_array_equal(opened.run(ones(batch, batch))[0], ones(batch, batch)["x"])
    opened.bind(ones(2)).run()
    opened.bind(ones(5)).run()
    batches = {g: {b for b, n in numbers if n == g} for _, g in numbers if g != NO_GRAPH}
    assert batches == {1: {2}, 2: {3}, 3: {2}, 4: {5}}
    assert [g for _, g in numbers[:6]] == [NO_GRAPH, NO_GRAPH, 1, 1, 1, NO_GRAPH]
    assert numbers[-2:] == [(5, 4), (5, 4)]


@pytest.mark.usefixtures("pretended")
def test_the_number_of_graphs_is_limited(
    relu: Path, numbers: list[tuple[int, int]], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Inputs whose sizes keep changing do not fill the memory with graphs."""
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
def test_a_failed_capture_is_run_without_a_graph(
    relu: Path, monkeypatch: pytest.MonkeyPatch, how: str
) -> None:
    """The outputs are right, and the session records the reason."""
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


def test_a_model_that_cannot_have_a_graph_is_opened_without_one(
    relu: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """onnxruntime refuses graphs for models with nodes on the CPU; other refusals stay errors."""

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
    """TensorRT ignores the numbers of graphs, so a second size switches its graph off."""
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


# ---- metadata


@pytest.mark.parametrize("text", [f"[1{'0' * 400}]", "[1e39]", "[NaN]", '["1"]'])
def test_wrong_numbers_in_the_metadata(relu: Path, text: str) -> None:
    """Metadata without the right numbers is an error with a short message, however long it is."""
    opened = open_session(relu)
    opened.metadata["netdsl.mean"] = text
    with pytest.raises(NetdslError, match="must have 3 numbers") as caught:
        opened.numbers("netdsl.mean", 3)
    assert len(str(caught.value)) < 400
