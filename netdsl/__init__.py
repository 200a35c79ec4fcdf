"""A compiler for network descriptions.

A text that reads like a paper's layer table becomes checked shapes, counts, a PyTorch module and an
ONNX model. This description, `print(netdsl.__doc__)`, is enough to write a script; `help(netdsl)`
adds the reference of every class and method. Load a net of the library, a file or a text, and look
at it. Figures are attributes, without parentheses:

>>> import netdsl
>>> net = netdsl.load("lenet5")  # netdsl.nets() lists the library; "my.net" is a file
>>> net
<Net LeNet5: 61,706 params>
>>> net.macs, net.depth, net.inputs, net.outputs
(416520, 5, [image: 1x32x32 float32], [logits: 10 float32])
>>> net.layers[:2]
layer   kind   window   output    params      MACs
──────────────────────────────────────────────────
C1      conv   5x5      6x28x28      156   117,600
1       tanh            6x28x28        -         -

Use it in PyTorch and in ONNX:

>>> module = net.torch()  # a torch.nn.Module; net.torch(weights="lenet5.pt") loads weights
>>> model = net.onnx(weights=module.state_dict())  # net.save_onnx("lenet5.onnx") writes a file
>>> import numpy
>>> net.run(numpy.zeros((2, 1, 32, 32), "float32"), weights=module.state_dict()).shape
(2, 10)

A text can have parameters, and sizes that stay open. Figures are then formulas: `help(netdsl.Sym)`
explains what these can do.

>>> text = '''
... net Small(classes = 10) {
...     input image: 3xHxW
...     conv(8, 3, pad = 1) -> bn -> relu
...     output logits: gap -> flatten -> dense(classes)
... }
... '''
>>> net = netdsl.loads(text, classes=4)
>>> net.macs
216 * H * W + 32
>>> net.figure("macs", H=64, W=64)
884768
>>> netdsl.loads(text, inputs={"image": (3, 64, 64)}).macs
884816

A mistake in a text raises `CompileError`, which prints the place of each error:

>>> try:
...     netdsl.loads("net Small { input image: 28x28 \\n dense(10) -> softmaxx }")
... except netdsl.CompileError as error:
...     print(error)
error[unknown-layer]: there is no layer or block `softmaxx`
 --> <text>:2:15
  |
2 |  dense(10) -> softmaxx }
  |               ^^^^^^^^
help: did you mean `softmax`?
<BLANKLINE>

Training reads its data from files. `data` is a text as in a `train` section: `"fashion_mnist"`,
`'cifar10(root = "DIR")'`, `'folder("photos", size = 64)'`, or `'npz("data.npz")'` for arrays, which
`numpy.savez("data.npz", x=images, y=labels)` writes. Without it, the section's data are used.

These classes are not exported, because only methods and properties make them:

- `net.inputs` and `net.outputs` are lists of `Port`: `name`, `shape`, `dtype`. The one of a name is
  `net.inputs["image"]`.
- `net.layers` is a list of `Row`, one for each layer: `name`, `kind`, `shape`, `params`, `macs` and
  more, which `help(netdsl.Net.layers)` has. `net.layers["C1"]` is the one of that name.
- `net.memory`, and `net.figure("memory")`, is a `Memory` of bytes: `params`, `activations`, `peak`,
  `total`.
- `net.warnings` is a list of `Diagnostic`: `code`, `message`, `help`, `file`, `line`, `column`.
- `net.expects` is a list of `ExpectLine`: `text`, `line`, `holds`.
- `net.verify()` returns a `Report`: `claims`, a list of `Claim`: `name`, `witnesses`, `detail`,
  `ok`. It raises `CompileError` if the
  back ends differ, so that every claim of a report that it returns holds, and `ok` is true.
- `net.train()` returns a `Result`: `weights`, the path of the trained weights; `history`, a dict
  for each epoch, with `train_loss`, `test_loss`, the metrics, such as `accuracy`, and more;
  `final`, the last of them; `warnings`, which are printed unless it is `quiet`.
- `net.diff()` returns `Changes`: `equal`, `figures`, `loaded`, `renamed`, `as_json()`.
- `net.draw()` without a path returns a `Drawing`: the text of an SVG file, which a notebook shows
  as a picture. With a path it returns None.

In signatures, `Sizes` is a dict of sizes by input, `Given` is a state dict or the path of a file,
and `Array` is a NumPy array or a tensor. Two nets are equal only if they are the same object:
`net.diff(other).equal` compares their layers.

>>> net.verify().ok
True

`netdsl.Net` has the other methods: `verify`, `train`, `draw` and more. The same work is done on the
command line: `netdsl check lenet5`, and `netdsl --help` for the rest. `netdsl layers` lists the
layers that a text can have, and `netdsl nets` the nets of the library; `netdsl fmt lenet5 -o -`
prints the text of one of its files, where the first line of a net has its parameters. `netdsl help
training` lists the data sets, augmentations, losses, optimizers, schedules and metrics with their
arguments. In a notebook, `%load_ext netdsl` adds `%%netdsl`, a cell that is such a text.
"""

# This file imports nothing, because the command cannot handle Control-C until it has run.
TYPE_CHECKING = False  # type checkers assume that it is true

if TYPE_CHECKING:
    from typing import Any

    from netdsl.api import Net, load, loads, nets
    from netdsl.errors import CompileError
    from netdsl.ir.types import Sym as Sym  # public, although it is not in `__all__`
    from netdsl.version import __version__

__all__ = ["CompileError", "Net", "__version__", "load", "loads", "nets"]
_PUBLIC = (*__all__, "Sym")  # `help(netdsl)` lists the methods of all that `__all__` has


if not TYPE_CHECKING:  # type checkers report wrong names only if there is no such function

    def __getattr__(name: str) -> object:
        """Load the API when it is first used, because the command line does not need it."""
        if name not in _PUBLIC:
            if name[:1] == "_" or _is_module(name):  # an import asks, and needs no advice
                raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
            from netdsl.api_advice import missing_name

            raise AttributeError(missing_name(name, _PUBLIC))
        if name == "__version__":
            from netdsl import version

            return version.__version__
        from sys import modules

        from netdsl import api, version
        from netdsl.api_advice import advise_on_names

        names = globals()
        names.update(
            {public: getattr(api, public) for public in _PUBLIC if public != "__version__"}
        )
        names["__version__"] = version.__version__
        for lazy in ("__getattr__", "__dir__"):  # they have done their work, and `help` lists them
            names.pop(lazy, None)
        advise_on_names(modules[__name__])
        return names[name]


def _is_module(name: str) -> bool:
    """Whether a module or package of netdsl has this name; imports first look for an attribute.

    The page has only compiled modules.
    """
    from os.path import exists

    place = f"{__path__[0]}/{name}"
    ends = (".py", ".pyc", "/__init__.py", "/__init__.pyc")
    return any(exists(f"{place}{end}") for end in ends)


def __dir__() -> list[str]:
    return sorted({*globals(), *_PUBLIC})


def load_ipython_extension(shell: "Any") -> None:
    """Add `%%netdsl` to a notebook: `%load_ext netdsl` calls this."""
    from netdsl.notebook import load_ipython_extension as register  # the only part with IPython

    register(shell)
