"""The figures of a net: the part of `Net` that needs no back end."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, overload

from netdsl.analysis.summary import Summary
from netdsl.api_advice import missing_attribute
from netdsl.api_arguments import checked
from netdsl.api_parts import ExpectLine, Layers, Memory, Port, Ports, Warnings
from netdsl.api_values import memory_of, resized, value_of
from netdsl.driver import outcomes_of_expects

if TYPE_CHECKING:
    from netdsl.driver import Compiled
    from netdsl.ir.graph import Graph
    from netdsl.ir.types import Sym

    Figure = Literal[
        "params",
        "trainable",
        "buffers",
        "macs",
        "weights",
        "units",
        "depth",
        "activation_bytes",
        "peak_bytes",
    ]


class Figures:
    """What is known about a compiled net."""

    def __init__(self, compiled: Compiled) -> None:
        if not hasattr(compiled, "graph"):
            raise TypeError("a Net is made by `netdsl.load(name)` or `netdsl.loads(text)`")
        self._compiled = compiled
        self._summary = Summary(compiled.graph, compiled.costs, compiled.valid_for)
        self._expects: list[ExpectLine] | None = None

    if not TYPE_CHECKING:  # type checkers report wrong names only if there is no such method

        def __getattr__(self, name: str) -> object:
            if name[:1] == "_":  # programs ask for such names, and expect a quick answer
                raise AttributeError(f"'Net' object has no attribute {name!r}")
            raise AttributeError(missing_attribute(name, dir(type(self))))

        __iter__ = None  # a class with the method below could be iterated over otherwise

        def __getitem__(self, name: object) -> object:
            advice = "the layers are `net.layers`"
            if any(row.name == name for row in self.layers):
                advice = f'write `net.layers["{name}"]`'
            raise TypeError(f"'Net' object is not subscriptable; {advice}")

    @property
    def name(self) -> str:
        """The name of the net in its text.

        >>> import netdsl
        >>> netdsl.load("lenet5").name
        'LeNet5'
        """
        return self.graph.name

    @property
    def inputs(self) -> Ports:
        """The inputs: each has a `name`, a `shape` without the batch, and a `dtype`.

        It is a list, where `inputs["image"]` is the one of that name.

        >>> import netdsl
        >>> netdsl.load("lenet5").inputs
        [image: 1x32x32 float32]
        """
        return Ports(Port(value.name, value) for value in self.graph.inputs)

    @property
    def outputs(self) -> Ports:
        """The outputs: each has a `name`, a `shape` without the batch, and a `dtype`.

        It is a list, where `outputs["logits"]` is the one of that name.

        >>> import netdsl
        >>> [(output.name, output.shape) for output in netdsl.load("lenet5").outputs]
        [('logits', (10,))]
        """
        return Ports(Port(output.name, output.value) for output in self.graph.outputs)

    @property
    def layers(self) -> Layers:
        """The rows of the layer table, one for each layer: a list that is printed as a table.

        A row has the fields `name`, `kind`, `shape` (of the output, without the batch), `params`,
        `macs`, `weights`, `units`, `bytes` (of the output in float32), `field` (the receptive field
        along each axis, in elements of the input), `file` and `line` (its place in the text; a
        block can be in another file than the net) and `aux`. `window` is the window and
        its stride, as in `7x7/2`. `sources` are the names of what the layer takes, and `buffers` is
        the number of stored numbers that are not learned. `results` are the names and shapes of
        further results, such as final states, and `at_least` is whether it has more MACs than are
        known. `layers["C1"]` is the row of that name, and `pandas.DataFrame(net.layers)` has a
        column for each field. A slice is printed as a table too, and so is
        `layers.sorted("params")`, the rows with the largest first. It raises `ValueError` for
        figures that are formulas: load the net with `inputs={...}`, because nothing can sort
        formulas, not even pandas.

        >>> import netdsl
        >>> row = netdsl.load("lenet5").layers[0]
        >>> row.name, row.kind, row.shape, row.params, row.macs
        ('C1', 'conv', (6, 28, 28), 156, 117600)
        >>> netdsl.load("lenet5").layers.sorted("params")[:2]
        layer   kind    window   output    params     MACs
        ──────────────────────────────────────────────────
        C5      conv    5x5      120x1x1   48,120   48,000
        F6      dense            84        10,164   10,080
        """
        return Layers(self._summary.rows())

    @property
    def graph(self) -> Graph:
        """The typed graph: inputs, layers in order, outputs and scopes.

        >>> import netdsl
        >>> [node.op.kind for node in netdsl.load("lenet5").graph.nodes][:3]
        ['conv', 'tanh', 'avgpool']
        """
        return self._compiled.graph

    @property
    def params(self) -> int:
        """The number of learned numbers of the inference graph: weights and biases.

        Numbers that several layers share count once; auxiliary heads do not count.

        >>> import netdsl
        >>> netdsl.load("resnet:ResNet50").params
        25557032
        """
        return self._summary.totals.params

    @property
    def trainable(self) -> int:
        """The number of learned numbers that training changes: `params` without frozen ones.

        >>> import netdsl
        >>> netdsl.loads("net A { input x: 4 \\n dense(3) -> frozen \\n dense(2) }").trainable
        8
        """
        return self._summary.totals.trainable

    @property
    def buffers(self) -> int:
        """The number of stored numbers that are not learned, such as those of batch norms.

        >>> import netdsl
        >>> netdsl.load("resnet:ResNet18").buffers
        9600
        """
        return self._summary.totals.buffers

    @property
    def macs(self) -> int | Sym:
        """The multiply-accumulates for one sample, without those of biases and activations.

        It is a formula (`Sym`) if it depends on open sizes of an input, otherwise an `int`. The
        method `figure` gives the number for sizes of your choice.

        >>> import netdsl
        >>> netdsl.load("lenet5").macs
        416520
        >>> print(netdsl.loads("net A { input x: 3xHxW \\n conv(8, 3, pad = 1) }").macs)
        216 * H * W
        """
        return self._summary.totals.macs

    @property
    def weights(self) -> int:
        """The number of learned weights without biases, of the layers that multiply.

        >>> import netdsl
        >>> netdsl.load("lenet5").weights
        61470
        """
        return self._summary.totals.weights

    @property
    def depth(self) -> int:
        """The number of layers with weights on the longest path: the 50 of ResNet-50.

        >>> import netdsl
        >>> netdsl.load("resnet:ResNet50").depth
        50
        """
        return self._summary.totals.depth

    @property
    def memory(self) -> Memory:
        """The bytes of the params, of all activations, and of the activations at the peak.

        All are numbers of bytes, for one sample and in float32. `total` is the memory of inference:
        the params and the activations at the peak.

        >>> import netdsl
        >>> memory = netdsl.load("lenet5").memory
        >>> memory.params, memory.peak, memory.total
        (246824, 37632, 284456)
        >>> print(memory)
        246.8 KB params, 63.0 KB activations, 37.6 KB at the peak
        """
        return memory_of(self._compiled)

    @property
    def valid_for(self) -> str:
        """The sizes for which the net is valid, or an empty text if no size is open.

        >>> import netdsl
        >>> netdsl.loads("net A { input x: 1xHxW \\n conv(2, 3) -> maxpool(2) }").valid_for
        'H >= 4, W >= 4'
        """
        return self._summary.valid_for

    @property
    def expects(self) -> list[ExpectLine]:
        """The `expect` lines: each has a `text`, a `file`, a `line`, and `holds`.

        They are checked when they are first asked for. Those of a net that was loaded with other
        parameters or sizes are not checked: their `holds` is None.

        >>> import netdsl
        >>> netdsl.loads("net A { input x: 4 \\n dense(3) \\n expect params == 15 }").expects
        [<line 3: expect params == 15: holds>]
        """
        if self._expects is None:
            outcomes = {o.expectation: o for o in outcomes_of_expects(self._compiled)}
            lines = self._compiled.expects
            self._expects = [ExpectLine(line, outcomes.get(line)) for line in lines]
        return self._expects

    @property
    def warnings(self) -> Warnings:
        """What is legal in the text but probably a mistake, as `netdsl check` prints it.

        Each warning has a `code`, a `message`, a `help`, a `severity`, and its place: `file`,
        `line` and `column`.

        >>> import netdsl
        >>> net = netdsl.loads("net A { input x: 4 \\n dense(3) -> relu -> relu }")
        >>> [(warning.code, warning.line) for warning in net.warnings]
        [('double-activation', 2)]
        """
        return Warnings(self._compiled.warnings)

    @overload
    def figure(self, expression: Figure, /, **sizes: int) -> int: ...

    @overload
    def figure(self, expression: Literal["memory"], /, **sizes: int) -> Memory: ...

    @overload
    def figure(self, expression: str, /, **sizes: int) -> object: ...

    @checked
    def figure(self, expression: str, /, **sizes: int) -> object:
        """The value of whatever an `expect` line can name, for the given open sizes.

        `expression` is a figure of the net (params, trainable, buffers, macs, weights, units,
        depth, activation_bytes, peak_bytes, memory), a figure of a part, such as `params(conv1)` or
        `shape(layer1)`, or a computation with these. The value of "memory" is a `Memory`, as that
        of the attribute.

        Raises `ValueError` for an expression without a value, or if sizes are missing, and
        `CompileError` for sizes for which the net is not valid.

        >>> import netdsl
        >>> net = netdsl.load("resnet:ResNet50")
        >>> net.figure("macs", H=224, W=224)
        4089184256
        >>> net.figure("shape(layer4)", H=224, W=224)
        (2048, 7, 7)
        >>> net.figure("macs", H=224)
        Traceback (most recent call last):
        ValueError: the open sizes of `ResNet50` are H and W: give W too
        """
        compiled = self._compiled
        if sizes:
            compiled = resized(compiled, sizes)
        return value_of(compiled, expression)
