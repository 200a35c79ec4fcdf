"""What users of other libraries look for in this one, and what they find in its place."""

from __future__ import annotations

import re
from contextlib import contextmanager
from types import MappingProxyType, ModuleType
from typing import TYPE_CHECKING

from netdsl.diagnostics import did_you_mean
from netdsl.errors import NetdslError

if TYPE_CHECKING:
    from collections.abc import Container, Iterable, Iterator

    from netdsl.diagnostics import Diagnostic

_LOAD = "`netdsl.load(name)` reads a file or a net of the library, `netdsl.loads(text)` a text"
_CHECK = "`netdsl.load(name)` checks a net: see its `warnings` and `expects`"
_TRAIN = "`net.train()` trains the net"
_RUN = "`net.run(array)` computes outputs; `net.torch()` is a module to call with tensors"
_SAVE = '`net.save_onnx("net.onnx")` writes a model; `net.train()` writes the weights'
_MODULE = "`net.torch()` is the `torch.nn.Module` that has it"
_WEIGHTS = "`net.torch().state_dict()` has the tensors; `net.params` is their number"

# Names of the module, by what users write.
OF_MODULE = MappingProxyType(
    {
        **dict.fromkeys(
            ("compile", "parse", "read", "open", "load_net", "from_file", "model", "Model"), _LOAD
        ),
        **dict.fromkeys(("from_string", "from_text", "fromstring", "parse_string"), _LOAD),
        **dict.fromkeys(("check", "validate", "lint"), _CHECK),
        **dict.fromkeys(
            ("train", "fit", "draw", "plot", "verify", "test", "run", "onnx", "torch", "summary"),
            "it is a method of a net: `netdsl.load(name)` gives one",
        ),
        **dict.fromkeys(("export", "to_onnx", "save"), _SAVE),
        "diff": "it is a method of a net: `netdsl.load(a).diff(b)`",
        "nets": "`netdsl nets` lists the nets of the library on the command line",
        "layers": "`netdsl layers` lists the layers; `net.layers` are those of a net",
        "errors": "the errors are `netdsl.CompileError`",
        **dict.fromkeys(("NetdslError", "Error", "ParseError"), "it is `netdsl.CompileError`"),
    }
)
# Attributes of a net, by what users write.
OF_NET = MappingProxyType(
    {
        **dict.fromkeys(("fit", "compile", "train_on_batch"), _TRAIN),
        **dict.fromkeys(("predict", "forward", "call", "infer", "inference"), _RUN),
        **dict.fromkeys(("parameters", "named_parameters", "state_dict", "get_weights"), _WEIGHTS),
        **dict.fromkeys(
            (
                "children",
                "modules",
                "named_modules",
                "eval",
                "to",
                "cuda",
                "cpu",
                "load_state_dict",
            ),
            _MODULE,
        ),
        **dict.fromkeys(("save", "export", "to_onnx", "export_onnx", "write"), _SAVE),
        **dict.fromkeys(("to_torch", "module", "pytorch", "to_pytorch"), "write `net.torch()`"),
        **dict.fromkeys(("plot", "show", "visualize", "render", "svg"), "write `net.draw(path)`"),
        **dict.fromkeys(("flops", "FLOPs", "mult_adds"), "`net.macs` has the multiply-accumulates"),
        **dict.fromkeys(("num_params", "count_params", "n_params"), "write `net.params`"),
        **dict.fromkeys(("activation_bytes", "peak_bytes", "units"), "write `{figure}`"),
        **dict.fromkeys(("input_shape", "input_size", "input"), "write `net.inputs[0].shape`"),
        **dict.fromkeys(("output_shape", "output"), "write `net.outputs[0].shape`"),
        **dict.fromkeys(("test", "evaluate", "score", "accuracy"), "`netdsl test` does that"),
        **dict.fromkeys(("bench", "benchmark", "latency"), "`netdsl bench` measures times"),
        **dict.fromkeys(("errors", "diagnostics"), "a net has no errors: see its `warnings`"),
        **dict.fromkeys(("text", "source", "code"), "`net.pytorch_source()` is it as PyTorch"),
        "classes": "they are a size of the output: `net.outputs[0].shape`",
        "weight": "`net.torch(weights=path)` loads weights; `net.weights` is their number",
        "load_weights": "write `net.torch(weights=path)`",
        "load": "write `net.torch(weights=path)`",
    }
)


def missing_name(name: str, public: Iterable[str]) -> str:
    """The message about a name that the module does not have."""
    advice = OF_MODULE.get(name) or did_you_mean(name, sorted(public))
    return "; ".join(filter(None, [f"module 'netdsl' has no attribute {name!r}", advice]))


class _Advising(ModuleType):
    """The module once it is loaded: it advises on names that it does not have."""

    def __getattr__(self, name: str) -> object:
        raise AttributeError(missing_name(name, self.__dict__["_PUBLIC"]))


def advise_on_names(module: ModuleType) -> None:
    """Let a module that is loaded advise on names that it does not have."""
    module.__class__ = _Advising


def missing_attribute(name: str, public: Iterable[str]) -> str:
    """The message about an attribute that a net does not have."""
    advice = OF_NET.get(name, "").replace("{figure}", f'net.figure("{name}")')
    advice = advice or did_you_mean(name, sorted(n for n in public if n[0] != "_")) or ""
    return "; ".join(filter(None, [f"'Net' object has no attribute {name!r}", advice]))


# Options of the command in advice, and the arguments of the API.
_OPTIONS = (
    (r"--device (\w+)", r'device="\1"'),
    (r"--data '?([^`']+)'?", r"data='\1'"),
    (r"--set '?train\.([\w.]+)=([^`']*)'?", r'**{"\1": "\2"}'),
    (r"-D (\w+)=(\S+)", r"\1=\2"),
    (r"--weights (\S+)", r'weights="\1"'),
    (r"--out (\S+)", r'out="\1"'),
)
_FLAGS = re.compile(r"--(resume|overwrite|allow-changes|allow-nonfinite)\b")
_NAMES = re.compile(r"--(device|data|weights|out|log|batch|opset|seed)\b")


# Arguments of `load` that users take for parameters of a net, and what to write.
_INPUTS = '`inputs={"image": (3, 224, 224)}` gives sizes, by the names of the inputs'
OF_LOAD = MappingProxyType(
    {
        **dict.fromkeys(
            ("input_shape", "input_size", "image_size", "shape", "size", "input"), _INPUTS
        ),
        **dict.fromkeys(
            ("weights", "pretrained", "checkpoint", "state_dict"),
            "`net.torch(weights=path)` loads weights",
        ),
        **dict.fromkeys(("device", "engine"), "`net.run(array, device=...)` takes a device"),
    }
)


_PICKED = "a net gets its parameters and sizes as it is loaded"
# Arguments of other libraries' functions, and what to write: by the argument that a function must
# have, or the name of the function with brackets. "" is for every function.
OF_ARGUMENTS = (
    (
        "weights",
        ("pretrained", "checkpoint", "ckpt", "state_dict", "weights_path"),
        'netdsl ships no trained weights: write weights="FILE" for a file of your own',
    ),
    (
        "",
        ("num_classes", "classes", "n_classes", "num_labels"),
        f"{_PICKED}: `netdsl.load(name, classes=10)`",
    ),
    (
        "",
        ("input_shape", "input_size", "image_size", "img_size", "inputs", "shape"),
        f'{_PICKED}: `netdsl.load(name, inputs={{"image": (3, 224, 224)}})`',
    ),
    ("", ("net", "model"), "the net is picked as it is loaded: `netdsl.load(file, net)`"),
    ("torch()", ("device", "cuda", "gpu"), '`net.torch().to("cuda")` moves the module'),
    (
        "torch()",
        ("train", "training", "eval", "mode", "is_training"),
        "the module has `train()` and `eval()`",
    ),
    ("path", ("filename", "file", "fname", "filepath", "save", "save_path", "out"), "write path"),
    ("path", ("format", "fmt"), "the suffix of path is the format"),
    ("opset", ("opset_version",), "write opset"),
    (
        "batch",
        ("dynamic_axes", "dynamic_shapes", "dynamic"),
        "leave it out: the batch and the open sizes of the net stay open without batch",
    ),
    ("theme", ("dark", "dark_mode", "color", "colors"), 'write theme="dark"'),
    ("direction", ("rankdir", "orientation", "horizontal"), 'write direction="right"'),
    ("dtype", ("fp16", "half", "precision"), 'write dtype="float16"'),
    ("run()", ("batch_size", "batch"), "leave it out: an array can have any number of samples"),
    ("arrays", ("image", "images", "x", "input", "data"), 'write run(array), or run({"x": array})'),
)


def about_argument(name: str, function: str, others: Container[str]) -> str | None:
    """What to write in place of an argument that a function does not have; it has the `others`."""
    for has, names, advice in OF_ARGUMENTS:
        if name.lower() in names and (not has or has in others or has == f"{function}()"):
            return advice
    return None


@contextmanager
def advising(parameters: Iterable[str], text: str = "") -> Iterator[None]:
    """Add to an error of `load` or `loads` what its arguments may mean."""
    try:
        yield
    except NetdslError as error:
        meant = [OF_LOAD[name] for name in parameters if name in OF_LOAD]
        if error.code == "unknown-argument" and meant:
            error.diagnostic.help = meant[0]
        elif re.fullmatch(r"[\w./:\\-]+", text.strip()):
            error.diagnostic.help = f'this is a name: write `netdsl.load("{text.strip()}")`'
        raise


def in_python(diagnostic: Diagnostic) -> None:
    """Write options of the command in the help of a diagnostic as arguments of the API."""
    text = diagnostic.help
    if text is None or ("--" not in text and "-D " not in text) or "`netdsl " in text:
        return
    for option, argument in _OPTIONS:
        text = re.sub(f"`{option}`", f"`{argument}`", text)
    text = _FLAGS.sub(lambda match: f"{match[1].replace('-', '_')}=True", text)
    diagnostic.help = _NAMES.sub(r"\1", text)
