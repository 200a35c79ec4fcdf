"""One graph at its settings: what PyTorch, ONNX and onnxruntime make of it, held against the types
and against one another.
"""

from __future__ import annotations

from contextlib import nullcontext
from typing import TYPE_CHECKING, Any, NoReturn, TypeVar

import numpy as np
import torch

from netdsl.backends.onnx.emitter import GraphEmitter
from netdsl.backends.onnx.form import OPSET
from netdsl.backends.torch.recorder import SourceRecorder
from netdsl.ir.lowering import TypedName
from netdsl.ir.rounding import LIMIT
from netdsl.ir.types import subs
from netdsl.process.memory import is_out_of_memory
from netdsl.verify.counts import Counter, compare_macs, count_params
from netdsl.verify.numbers import Settler, inputs_for, shape_of
from netdsl.verify.onnx_side import ExportedSide, OnnxSide
from netdsl.verify.outputs import compare_models, compare_modules
from netdsl.verify.report import BATCHES, Claim, Difference
from netdsl.verify.torch_side import TorchSide
from netdsl.verify.values import Executor, compare_folded, compare_values
from netdsl.words import counted

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from netdsl.analysis.sizes import Sizes
    from netdsl.ir.graph import Graph, Node
    from netdsl.verify.report import Report
    from netdsl.verify.torch_side import Step

WITNESS = "each layer in fp64"
Inputs = dict[int, torch.Tensor]
T = TypeVar("T")


class Stop(Exception):
    """What comes after has no ground: a back end failed, or shapes differ."""


class Verification:
    """The claims about one graph at its settings."""

    def __init__(
        self,
        graph: Graph,
        settings: list[Sizes],
        report: Report,
        weights: Mapping[str, Any] | None,
        seed: int,
        threads: int,
    ) -> None:
        self.graph, self.settings, self.report, self.weights, self.seed, self.threads = (
            graph,
            settings,
            report,
            weights,
            seed,
            threads,
        )
        layers = sum(n.aux is None for n in graph.nodes)
        self.params = Claim("params", ("layers", "PyTorch", "ONNX's initialisers"))
        self.shapes = Claim(
            "shapes",
            ("types", "PyTorch", "ONNX's inference", "onnxruntime"),
            counted(layers, "layer"),
        )
        self.macs = Claim("macs", ("layers", "PyTorch, counted", "ONNX's nodes"))
        self.in_torch = Claim("values in PyTorch", (WITNESS,))
        self.in_onnx = Claim("values in onnxruntime", (WITNESS,))
        self.counted = False
        self.made: Inputs = {}
        self.folded = Claim("folded batch norms", ("each layer and its norm in fp64",))
        self.outputs = Claim("outputs", ("layer by layer", "whole module", "exported model"))

    def claims(self) -> list[Claim]:
        """All claims with their verdicts."""
        every = [
            self.params,
            self.shapes,
            self.macs,
            self.in_torch,
            self.in_onnx,
            self.folded,
            self.outputs,
        ]
        try:
            with torch.no_grad():
                self._run()
        except Stop:
            for claim in every:
                claim.ran = claim.difference is not None or (claim is self.params and self.counted)
        if self.report.empty:
            self._nothing_compared()
        for claim in every:
            if claim.difference is not None and claim.difference.span is None:
                claim.difference.span = self.graph.site.span  # no layer: the net
        return every

    def _nothing_compared(self) -> None:
        """The claims about values fail where all values are computed from what is not finite."""
        message = "no value can be compared: all depend on numbers that are not finite in float32"
        for claim in (self.in_torch, self.in_onnx, self.outputs):
            if claim.ran and claim.difference is None:
                advice = "look at the weights: numbers that are not finite prove nothing"
                claim.difference = Difference("not-finite", message, {}, help=advice)

    def _run(self) -> None:
        self._lower()
        self.params.difference, self.params.detail = count_params(self.graph, self.torch, self.onnx)
        if self.params.difference is not None:
            raise Stop
        self.counted = True
        if self.weights is not None:
            self.torch.load({n: torch.as_tensor(np.array(a)) for n, a in self.weights.items()})
        self.session: Any = None
        for sizes in self.settings:
            for batch in BATCHES:
                self._at(batch, sizes)
        total = sum(
            subs(n.op.macs(n.type, *n.types), self.settings[0])
            for n in self.graph.nodes
            if n.aux is None
        )
        self.macs.detail = f"{total:,}"
        self.in_torch.detail = self.in_onnx.detail = f"within {LIMIT:g} units"

    def _lower(self) -> None:
        try:
            self.torch, self.onnx = TorchSide(self.graph), OnnxSide(self.graph)
        except Exception as error:  # whatever a lowering raises is the finding
            self._stop("the net cannot be lowered", error, _culprit(self.graph))

    # ---- one batch at one setting

    def _at(self, batch: int, sizes: Sizes) -> None:
        inputs = inputs_for(self.graph, batch, sizes, self.seed)
        walked = self.session is None
        if walked:
            self._settle(batch, sizes, inputs)
        inferred = self._infer(batch, sizes)
        if walked:
            self.session = self._try(
                "onnxruntime does not take the model",
                lambda: self.onnx.session(self.arrays, threads=self.threads),
            )
        made = self._run_onnx(inputs)
        self._check_shapes(batch, sizes, "onnxruntime", {n: a.shape for n, a in made.items()})
        written = self.onnx.macs(inferred, made) if batch == 1 else {}
        counter = Counter() if batch == 1 else None
        with counter or nullcontext():
            for step, xs, y in self._walk(batch, sizes, inputs) if not walked else ():
                if batch == BATCHES[1]:
                    self._check_values(step, xs, y, made)
                if counter is not None and self.macs.difference is None:
                    self.macs.difference = compare_macs(
                        step.node, sizes, counter.of(step, xs), written.get(step.node.name, 0)
                    )
        if batch == BATCHES[1]:
            self._check_outputs(inputs, made)

    def _settle(self, batch: int, sizes: Sizes, inputs: Inputs) -> None:
        """Give the weights their numbers, in the order of their use."""
        settler = Settler(self.seed)
        settled: set[str] = set()

        def settle(step: Step, xs: list[torch.Tensor]) -> None:
            if step.module is not None and step.node.module not in settled:
                settled.add(step.node.module)
                settler.settle(step.node, step.tensors(), xs)

        for _ in self._walk(batch, sizes, inputs, settle if self.weights is None else None):
            pass
        state = self.torch.module.state_dict()
        self.arrays = {n: state[n].float().numpy() for n in self.onnx.params}

    def _walk(
        self,
        batch: int,
        sizes: Sizes,
        inputs: Inputs,
        settle: Callable[[Step, list[torch.Tensor]], None] | None = None,
    ) -> Iterator[tuple[Step, list[torch.Tensor], torch.Tensor]]:
        """PyTorch's steps, each of the shape of its type."""
        for step, xs, y in self.torch.walk(inputs, settle):
            if isinstance(y, Exception):
                self._stop("PyTorch fails", y, step.node)
            self._check_shape(step.node, batch, sizes, "PyTorch", tuple(y.shape))
            yield step, xs, y

    def _infer(self, batch: int, sizes: Sizes) -> dict[str, list[int]]:
        """The shapes that ONNX infers; where it fails at a later layer for a wrong shape, the wrong
        one is what counts.
        """
        try:
            found = self.onnx.infer(batch, sizes)
        except Exception as error:  # onnx raises its own exceptions and plain ones
            self._check_shapes(
                batch,
                sizes,
                "ONNX's inference",
                self._try(
                    "ONNX's inference fails", lambda: self.onnx.infer(batch, sizes, strict=False)
                ),
            )
            self._stop("ONNX's inference fails", error, self.onnx.node_named(str(error)))
        self._check_shapes(batch, sizes, "ONNX's inference", found)
        return found

    def _run_onnx(self, inputs: Inputs) -> dict[str, np.ndarray]:
        return self._try(
            "onnxruntime fails",
            lambda: self.onnx.run(self.session, {k: v.numpy() for k, v in inputs.items()}),
        )

    def _try(self, what: str, action: Callable[[], T]) -> T:
        try:
            return action()
        except Exception as error:  # onnx and onnxruntime have a class for each failure
            self._stop(what, error, self.onnx.node_named(str(error)))

    def _stop(self, what: str, error: Exception, node: Node | None) -> NoReturn:
        if is_out_of_memory(error):  # which tells nothing about the net
            raise error
        text = str(error).strip()
        self.shapes.difference = Difference(
            "back-end-fails", what, {type(error).__name__: text[:600]}, node
        )
        raise Stop from error

    # ---- the claims

    def _check_shapes(
        self, batch: int, sizes: Sizes, who: str, shapes: Mapping[str, Sequence[int]]
    ) -> None:
        for step in self.torch.steps:
            self._check_shape(
                step.node,
                batch,
                sizes,
                who,
                tuple(shapes.get(self.onnx.tensor[id(step.node.output)], ())),
            )

    def _check_shape(
        self, node: Node, batch: int, sizes: Sizes, who: str, shape: tuple[int, ...]
    ) -> None:
        """A witness has the shape of the type; a size of 0 or no size at all is one that ONNX's
        inference leaves open.
        """
        wanted = shape_of(node.output, batch, sizes)
        if shape == wanted:
            return
        if who == "ONNX's inference" and (
            not shape
            or (
                len(shape) == len(wanted)
                and all(f in (0, w) for f, w in zip(shape, wanted, strict=True))
            )
        ):
            return
        at = f"at a batch of {batch}{''.join(f', {k} = {v}' for k, v in sizes.items())}"
        self.shapes.difference = Difference(
            "shapes-differ",
            f"the shape differs in {who} {at}",
            {"the type has": _text(wanted), f"{who} has": _text(shape)},
            node,
        )
        raise Stop

    def _check_values(
        self, step: Step, xs: list[torch.Tensor], y: torch.Tensor, made: dict[str, np.ndarray]
    ) -> None:
        fed = [torch.from_numpy(made[self.onnx.tensor[id(v)]]) for v in step.node.inputs]
        executors = [
            Executor("PyTorch", xs, y),
            Executor(
                "onnxruntime", fed, torch.from_numpy(made[self.onnx.tensor[id(step.node.output)]])
            ),
        ]
        found = compare_values(step, executors, self.report)
        for claim, executor in ((self.in_torch, executors[0]), (self.in_onnx, executors[1])):
            claim.difference = claim.difference or found.get(executor.name)
        if any(id(o.value) == id(step.node.output) for o in self.graph.outputs):
            self.made[id(step.node.output)] = y

    def _check_outputs(self, inputs: Inputs, made: dict[str, np.ndarray]) -> None:
        """The module as a whole gives what its layers gave one by one; the model without inner
        outputs, fully optimised, what it gave with them.
        """
        values = {**inputs, **self.made}
        self.made.clear()
        arrays = {k: v.numpy() for k, v in inputs.items()}
        exported = self._try(
            "the model cannot be exported", lambda: ExportedSide(self.onnx, self.arrays)
        )
        alone = self._try(
            "onnxruntime does not take the model as exported",
            lambda: self.onnx.run(exported.session({}, threads=self.threads), arrays),
        )
        self.outputs.difference = (
            self.outputs.difference
            or self._try(
                "the whole module fails", lambda: compare_modules(self.torch, inputs, values)
            )
            or compare_models(self.onnx, made, alone, values, self.report.beyond)
        )
        if exported.folded:
            self._check_folded(exported, arrays)
        self.folded.detail = counted(len(exported.folded), "layer")

    def _check_folded(self, exported: ExportedSide, arrays: dict[int, np.ndarray]) -> None:
        """Each layer with its batch norm folded in, on what the exported model feeds to it."""
        steps = {s.node.name: s for s in self.torch.steps}
        pairs = [(steps[name], steps[norm.name]) for name, norm in exported.folded.items()]
        values = [v for step, norm in pairs for v in (*step.node.inputs, norm.node.output)]
        wanted = {exported.tensor[id(v)]: v.type.dtype for v in values}
        made = self._try(
            "onnxruntime does not take the model as exported",
            lambda: self.onnx.run(exported.session(wanted, threads=self.threads), arrays),
        )
        for step, norm in pairs:
            xs = [torch.from_numpy(made[exported.tensor[id(v)]]) for v in step.node.inputs]
            y = torch.from_numpy(made[exported.tensor[id(norm.node.output)]])
            self.folded.difference = self.folded.difference or compare_folded(
                step, norm, Executor("the exported model", xs, y), self.report
            )


def _text(shape: tuple[int, ...]) -> str:
    return "x".join(map(str, shape)) or "a scalar"


def _culprit(graph: Graph) -> Node | None:
    """The first node whose own lowering fails."""
    emitter = GraphEmitter(OPSET)
    for node in graph.nodes:
        try:
            node.op.torch(SourceRecorder(), *node.types)
            emitter.begin(node)
            node.op.onnx(emitter, *(TypedName.of(v.name, v.type) for v in node.inputs))
        except Exception:  # the one that is looked for
            return node
    return None
