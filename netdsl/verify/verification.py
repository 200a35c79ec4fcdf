"""Runs one graph in PyTorch and ONNX, at each setting of its open sizes and each batch size."""

from __future__ import annotations

from typing import TYPE_CHECKING, NoReturn, TypeVar

import numpy as np
import torch

from netdsl.backends.onnx.emitter import GraphEmitter
from netdsl.backends.onnx.form import OPSET
from netdsl.backends.torch.recorder import lowered
from netdsl.ir.lowering import TypedName
from netdsl.ir.rounding import LIMIT
from netdsl.ir.types import subs
from netdsl.process.memory import is_out_of_memory
from netdsl.verify.claims import Claims
from netdsl.verify.counts import Counter, compare_macs, count_params
from netdsl.verify.numbers import Settler, inputs_for
from netdsl.verify.onnx_side import ExportedSide, OnnxSide
from netdsl.verify.outputs import compare_models, compare_modules
from netdsl.verify.report import BATCHES, Difference
from netdsl.verify.shapes import INFERENCE, compare_shape
from netdsl.verify.torch_side import StepError, TorchSide
from netdsl.verify.values import Executor, compare_folded, compare_values
from netdsl.words import counted

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    import onnxruntime

    from netdsl.analysis.sizes import Sizes
    from netdsl.backends.torch.steps import Step
    from netdsl.ir.graph import Graph, Node, Value
    from netdsl.verify.report import Claim, Report
    from netdsl.verify.torch_side import Settle

Tensors = dict[int, torch.Tensor]  # by the value's id
Arrays = dict[str, np.ndarray]  # by name
T = TypeVar("T")
MOST_IN_TWO = 2**30  # bytes of weights of which two sessions keep copies at once
_, COMPARED, COUNTED = BATCHES


class Stop(Exception):
    """Ends the verification: a back end failed, or shapes or parameters differ."""


class Verification:
    """Tests the claims about one graph. The parameters are those of `verify_graph`."""

    def __init__(
        self,
        graph: Graph,
        settings: list[Sizes],
        report: Report,
        weights: Mapping[str, object] | None,
        seed: int,
        threads: int,
    ) -> None:
        self.graph = graph
        self.settings = settings
        self.report = report
        self.weights = weights
        self.seed = seed
        self.threads = threads
        self.tested = Claims(graph)
        self.outputs: Tensors = {}  # PyTorch's values of the net's outputs, layer by layer

    def claims(self) -> list[Claim]:
        """Test every claim."""
        try:
            with torch.no_grad():
                self._run()
        except Stop:
            self.tested.stop()
        return self.tested.conclude(self.report)

    def _run(self) -> None:
        claims = self.tested
        self._lower()
        claims.params.difference, claims.params.detail = count_params(
            self.graph, self.torch, self.onnx
        )
        if claims.params.difference is not None:
            raise Stop
        claims.params_agree = True
        if self.weights is not None:
            self.torch.load({n: torch.as_tensor(np.array(a)) for n, a in self.weights.items()})
        self.is_settled = False
        self.session: onnxruntime.InferenceSession | None = None
        for sizes in self.settings:
            for batch in BATCHES:
                self._run_once(batch, sizes)
        macs = sum(
            subs(n.op.macs(n.type, *n.types), self.settings[0])
            for n in self.graph.nodes
            if n.aux is None
        )
        claims.macs.detail = f"{macs:,}"
        claims.in_torch.detail = claims.in_onnx.detail = f"within {LIMIT:g} units"

    def _lower(self) -> None:
        try:
            self.torch, self.onnx = TorchSide(self.graph), OnnxSide(self.graph)
        except Exception as error:  # every exception of a lowering is a finding
            self._stop("the net cannot be lowered", error, _first_that_fails(self.graph))

    # ---- one batch size at one setting

    def _run_once(self, batch: int, sizes: Sizes) -> None:
        """Run all back ends; the first run gives the weights their numbers."""
        inputs = inputs_for(self.graph, batch, sizes, self.seed)
        is_first = not self.is_settled
        if is_first:
            self._settle(batch, sizes, inputs)
        inferred = self._infer(batch, sizes)
        if self.session is None:
            self.session = self._try(
                "onnxruntime rejects the model",
                lambda: self.onnx.session(self.arrays, threads=self.threads),
            )
        arrays = self._run_onnx(inputs)
        self._check_shapes(batch, sizes, "onnxruntime", {n: a.shape for n, a in arrays.items()})
        if batch == COUNTED:
            self._count(sizes, inputs, self.onnx.macs(inferred, arrays))
        elif not is_first:
            for step, xs, ys in self._walk(batch, sizes, inputs):
                if batch == COMPARED:
                    self._check_values(step, xs, ys, arrays)
        if batch == COMPARED:
            self._check_outputs(inputs, arrays)

    def _count(self, sizes: Sizes, inputs: Tensors, written: dict[str, int]) -> None:
        """Compare the MACs of each layer; `written` are those of the ONNX nodes."""
        claim = self.tested.macs
        with Counter() as counter:
            for step, xs, _ in self._walk(COUNTED, sizes, inputs):
                if claim.difference is None:
                    ran = counter.of(step, xs)
                    in_onnx = written.get(step.node.name, 0)
                    claim.difference = compare_macs(step.node, sizes, ran, in_onnx)

    def _settle(self, batch: int, sizes: Sizes, inputs: Tensors) -> None:
        """Give the weights their numbers, in the order in which layers use them."""
        settler = Settler(self.seed)
        settled: set[str] = set()

        def settle(step: Step, xs: list[torch.Tensor]) -> None:
            if step.module is not None and step.node.module not in settled:
                settled.add(step.node.module)
                settler.settle(step.node, step.tensors(), xs)

        for _ in self._walk(batch, sizes, inputs, settle if self.weights is None else None):
            pass
        state = self.torch.module.state_dict()
        self.arrays: Arrays = {n: state[n].float().numpy() for n in self.onnx.stored.values()}
        self.is_settled = True

    def _walk(
        self, batch: int, sizes: Sizes, inputs: Tensors, settle: Settle | None = None
    ) -> Iterator[tuple[Step, list[torch.Tensor], list[torch.Tensor]]]:
        """Run PyTorch layer by layer, and check the shape of each value."""
        try:
            for step, xs, ys in self.torch.walk(inputs, settle):
                for value, y in zip(step.node.outputs, ys, strict=True):
                    self._check_shape(value, batch, sizes, "PyTorch", tuple(y.shape))
                yield step, xs, ys
        except StepError as error:
            self._stop("PyTorch fails", error.cause, error.node)

    def _infer(self, batch: int, sizes: Sizes) -> dict[str, list[int]]:
        """The shapes that ONNX infers.

        A wrong shape may make strict inference fail only at a later layer. Inference that is not
        strict then finds the layer with the wrong shape.
        """
        try:
            shapes = self.onnx.infer(batch, sizes)
        except Exception as error:  # onnx raises exceptions of its own and plain ones
            failure = "ONNX's shape inference fails"
            shapes = self._try(failure, lambda: self.onnx.infer(batch, sizes, strict=False))
            self._check_shapes(batch, sizes, INFERENCE, shapes)
            self._stop(failure, error, self.onnx.node_named(str(error)))
        self._check_shapes(batch, sizes, INFERENCE, shapes)
        return shapes

    def _run_onnx(self, inputs: Tensors) -> Arrays:
        return self._try(
            "onnxruntime fails",
            lambda: self.onnx.run(self.session, {k: v.numpy() for k, v in inputs.items()}),
        )

    def _try(self, failure: str, action: Callable[[], T]) -> T:
        """The result of an action of a back end. If it fails, `failure` is the finding."""
        try:
            return action()
        except Exception as error:  # onnx and onnxruntime have many classes of exceptions
            self._stop(failure, error, self.onnx.node_named(str(error)))

    def _stop(self, failure: str, error: Exception, node: Node | None) -> NoReturn:
        """Report the failure of a back end, and end the verification."""
        if is_out_of_memory(error):  # this is not the fault of the net
            raise error
        text = str(error).strip()
        self.tested.shapes.difference = Difference(
            "back-end-fails", failure, {type(error).__name__: text[:600]}, node
        )
        raise Stop from error

    # ---- the claims

    def _check_shapes(
        self, batch: int, sizes: Sizes, witness: str, shapes: Mapping[str, Sequence[int]]
    ) -> None:
        for value in (value for step in self.torch.steps for value in step.node.outputs):
            shape = shapes.get(self.onnx.tensor[id(value)], ())
            self._check_shape(value, batch, sizes, witness, tuple(shape))

    def _check_shape(
        self, value: Value, batch: int, sizes: Sizes, witness: str, shape: tuple[int, ...]
    ) -> None:
        difference = compare_shape(value, batch, sizes, witness, shape)
        if difference is not None:
            self.tested.shapes.difference = difference
            raise Stop

    def _check_values(
        self, step: Step, xs: list[torch.Tensor], ys: list[torch.Tensor], arrays: Arrays
    ) -> None:
        """Compare the values of a layer in PyTorch and in onnxruntime with double precision."""

        def in_onnx(values: Sequence[Value]) -> list[torch.Tensor]:
            return [torch.from_numpy(arrays[self.onnx.tensor[id(v)]]) for v in values]

        node = step.node
        executors = [
            Executor("PyTorch", xs, ys),
            Executor("onnxruntime", in_onnx(node.taken), in_onnx(node.outputs)),
        ]
        differences = compare_values(step, executors, self.report)
        claims = (self.tested.in_torch, self.tested.in_onnx)
        for claim, executor in zip(claims, executors, strict=True):
            claim.difference = claim.difference or differences.get(executor.name)
        made = {id(value): y for value, y in zip(node.outputs, ys, strict=True)}
        ends = {id(output.value) for output in self.graph.outputs}
        self.outputs |= {key: y for key, y in made.items() if key in ends}

    def _check_outputs(self, inputs: Tensors, arrays: Arrays) -> None:
        """Compare the outputs of the whole module and of the exported model with those by layers.

        The exported model has no inner values as outputs, so that onnxruntime applies all of its
        optimisations.
        """
        claims = self.tested
        if sum(array.nbytes for array in self.arrays.values()) > MOST_IN_TWO:
            self.session = None
        values = {**inputs, **self.outputs}
        self.outputs.clear()
        fed = {k: v.numpy() for k, v in inputs.items()}
        exported = self._try(
            "the model cannot be exported", lambda: ExportedSide(self.onnx, self.arrays)
        )
        results = self._try(
            "onnxruntime rejects the exported model",
            lambda: self.onnx.run(exported.session({}, threads=self.threads), fed),
        )
        if claims.outputs.difference is None:
            claims.outputs.difference = self._try(
                "the whole module fails", lambda: compare_modules(self.torch, inputs, values)
            ) or compare_models(self.onnx, arrays, results, values, self.report.beyond)
        if exported.folded:
            self._check_folded(exported, fed)
        claims.folded.detail = counted(len(exported.folded), "layer")
        claims.folded.is_empty = not exported.folded

    def _check_folded(self, exported: ExportedSide, fed: dict[int, np.ndarray]) -> None:
        """Compare each layer that contains its batch norm with the two in double precision.

        The inputs are those that the exported model gives to the layer.
        """
        claim = self.tested.folded
        steps = {s.node.name: s for s in self.torch.steps}
        pairs = [(steps[name], steps[norm.name]) for name, norm in exported.folded.items()]
        values = [v for step, norm in pairs for v in (*step.node.taken, norm.node.output)]
        wanted = {exported.tensor[id(v)]: v.type.dtype for v in values}
        arrays = self._try(
            "onnxruntime rejects the exported model",
            lambda: self.onnx.run(exported.session(wanted, threads=self.threads), fed),
        )
        for step, norm in pairs:
            xs = [torch.from_numpy(arrays[exported.tensor[id(v)]]) for v in step.node.taken]
            y = torch.from_numpy(arrays[exported.tensor[id(norm.node.output)]])
            executor = Executor("the exported model", xs, [y])
            claim.difference = claim.difference or compare_folded(step, norm, executor, self.report)


def _first_that_fails(graph: Graph) -> Node | None:
    """The first node whose own lowering raises an exception."""
    emitter = GraphEmitter(OPSET)
    for node in graph.nodes:
        try:
            lowered(node)
            taken = [TypedName.of(v.name, v.type) for v in node.taken]
            emitter.begin(node, taken)
            node.op.onnx(emitter, *taken[: len(node.inputs)])
        except Exception:  # the exception that `lower` raised
            return node
    return None
