"""What a wrong command line may mean: the advice of the parser's errors, which only they need."""

from __future__ import annotations

import os
import re
from typing import TYPE_CHECKING

from netdsl.commands.arguments import COMMANDS
from netdsl.diagnostics import closest
from netdsl.errors import NetdslError
from netdsl.library import library_file, net_of_library, open_source

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

# What other programs call a value or an option.
SYNONYMS = {
    "colour": "color",
    "gpu": "cuda",
    "ort": "onnxruntime",
    "pytorch": "torch",
    "trt": "tensorrt",
    "flops": "macs",
    "parameters": "params",
    "bytes": "memory",
    "3d": "volumes",
    "boxes": "volumes",
    "gradcam": "saliency",
    "gradients": "saliency",
    "deepdream": "maximise",
    "activations": "maps",
    "kernels": "filters",
    "weights": "filters",
}


# Options of other tools, the option here that replaces each, and what to write.
INSTEAD = {
    "--json": ("--format", "--format json"),
    "--strict": ("--deny", "--deny warnings"),
    "--werror": ("--deny", "--deny warnings"),
    "-o": ("--deny", "> FILE"),
    "--output": ("--deny", "> FILE"),
    "--epochs": ("--set", "--set train.epochs=3"),
    "--batch": ("--set", "--set train.batch=64"),
    "--batch-size": ("--set", "--set train.batch=64"),
    "--seed": ("--set", "--set train.seed=1"),
    "--lr": ("--set", "--set train.optimizer.lr=0.01"),
    "--learning-rate": ("--set", "--set train.optimizer.lr=0.01"),
    "--optimizer": ("--set", "--set 'train.optimizer=adam(lr = 0.001)'"),
    "--optim": ("--set", "--set 'train.optimizer=adam(lr = 0.001)'"),
    "--schedule": ("--set", "--set train.schedule=cosine"),
    "--loss": ("--set", "--set train.loss=mse"),
    "--workers": ("--set", "--set train.workers=4"),
    "--num-workers": ("--set", "--set train.workers=4"),
}


# What a command has in place of an option that other commands or tools have.
OF_COMMANDS = {
    ("run", "--input"): "inputs need no option: write `netdsl run MODEL INPUT...`",
    ("compare", "--seed"): "write `--seeds N`, the number of seeds",
    ("train", "-o"): "write `--out DIR`",
    ("fmt", "-w"): "leave it out: `netdsl fmt` writes the files",
    ("fmt", "-i"): "leave it out: `netdsl fmt` writes the files",
    ("check", "--params"): "leave it out: the table has the parameters of each layer",
    ("check", "--summary"): "leave it out: `netdsl check` prints the table",
    ("fmt", "--write"): "leave it out: `netdsl fmt` writes the files",
    ("fmt", "--in-place"): "leave it out: `netdsl fmt` writes the files",
    ("draw", "--format"): "the suffix of `-o` is the format; with `-o -`, write `--to svg`",
    ("export", "--format"): "the suffix of `-o` is the format; with `-o -`, write `--to onnx`",
    ("export", "--half"): "write `--fp16`",
    ("export", "--precision"): "write `--fp16` for 16 bits",
    **{
        ("verify", option): "each layer has limits of its own, from the rounding of its arithmetic"
        for option in ("--tolerance", "--tol", "--atol", "--rtol", "--eps", "--epsilon")
    },
    ("nets", "--sort"): "the list has the order of the files; `--format json` is for programs",
    ("trace", "--layer"): "the layer follows the net: write `netdsl trace {net} {value}`",
    ("look", "--view"): "the view follows the net: write `netdsl look {net} {value}`",
    ("explain", "--code"): "write `netdsl explain CODE`",
    ("layers", "--kind"): "write `netdsl layers KIND`",
    ("runs", "--out"): "the folder needs no option: write `netdsl runs DIR`",
    **{
        (command, option): f"leave it out: `netdsl {command}` prints all of them"
        for command in ("layers", "nets", "explain", "runs")
        for option in ("--list", "--all", "-l", "-a")
    },
}

# What is missing if a command has no argument of that name.
_OF_A_RUN = "a training writes them into the folder of the net: `--weights runs/{name}`"
MISSING = {
    ("diff", "A"): "it compares two nets: write `netdsl diff OLD NEW`",
    ("diff", "B"): "it compares two nets: write `netdsl diff {given} NEW`",
    ("test", "--weights"): _OF_A_RUN,
    ("look", "--weights"): _OF_A_RUN,
    ("run", "INPUT"): "write `netdsl run MODEL INPUT`: pictures, arrays or folders of them",
    ("completion", "SHELL"): "write `netdsl completion bash` or `netdsl completion zsh`",
}
FILES = ("FILE[:NET]", "MODEL", "FILE")  # arguments that are a net or a model


def missing_arguments(program: str, message: str, words: Sequence[str]) -> str:
    """The message about arguments that are missing, with what to write."""
    command = program.rpartition(" ")[2]
    names = message.rpartition(": ")[2].split(", ")
    given = [word for word in words[1:] if not word.startswith("-")]
    advice = MISSING.get((command, names[0]))
    if advice is None and names[0] in FILES:
        advice = EXAMPLES.get(command, f"for example, `netdsl {command} lenet5`")
    if advice is None:
        return message
    net = given[0] if given else "FILE"
    name = net.partition(":")[2] or _net_of(net, words) or "NET"
    return f"{message}; {advice.format(given=net, name=name)}"


def _net_of(file: str, words: Sequence[str]) -> str | None:
    """The name of the net of a command line: the only one, or the one with the name of the file."""
    nets = re.findall(r"^\s*net\s+(\w+)", _text_of(words) or "", re.MULTILINE)
    stem = os.path.basename(file).removesuffix(".net").lower()
    if len(nets) == 1:
        return str(nets[0])
    return next((net for net in nets if net.lower() == stem), None)


# Whole commands, for those that need more than a net.
EXAMPLES = {
    "draw": "for example, `netdsl draw lenet5 -o lenet5.svg`",
    "export": "for example, `netdsl export lenet5 -o lenet5.onnx`",
    "import": "for example, `netdsl import model.onnx -o model.net`",
    "look": "for example, `netdsl look lenet5 --weights runs/LeNet5 -o look.html`",
    "test": "for example, `netdsl test lenet5 --weights runs/LeNet5`",
    "run": "for example, `netdsl run model.onnx picture.png`",
    "bench": "for example, `netdsl bench model.onnx`",
    "fmt": "for example, `netdsl fmt my.net`",
}


# What to write in place of an option, in every command that has the one named first.
FOR_ALL = {
    "--net": ("-D", "the net follows its file: write `FILE:NET`"),
    "--model": ("-D", "the net follows its file: write `FILE:NET`"),
    "--shape": ("--input", "write the sizes of one sample: `--input 3x224x224`"),
    "--size": ("--input", "write the sizes of one sample: `--input 3x224x224`"),
    "--input-shape": ("--input", "write the sizes of one sample: `--input 3x224x224`"),
    "--input-size": ("--input", "write the sizes of one sample: `--input 3x224x224`"),
    "--file": ("-D", "the file needs no option: write `FILE[:NET]`"),
}
# Options of other tools about the devices of a training; a number of the first is that of one GPU.
ONE_GPU = ("--gpu", "--cuda", "--gpu-id", "--gpu-ids", "--use-cuda", "--use-gpu")
_SEVERAL = ("--gpus", "--ngpu", "--ngpus", "--n-gpu", "--num-gpus", "--nproc-per-node")
GPUS = (*ONE_GPU, *_SEVERAL, "--devices", "--num-devices", "--world-size")
NO_GPU = ("--cpu", "--no-cuda", "--no-gpu")
SHORTEST = 4  # characters of an option that is the beginning of another: `--out`
_VALUE = r"[\w.+-]+|\[.*\]|\".*\""  # of a parameter


def without_spaces(words: Sequence[str]) -> str | None:
    """A parameter or a setting that is written with spaces: `-D classes = 10`."""
    for at, option in enumerate(words):
        if option not in ("-D", "--set"):
            continue
        name, *rest = [*words[at + 1 : at + 4], ""]
        for text in (name, name + rest[0], "".join([name, *rest])):
            if re.fullmatch(rf"[\w.]+=({_VALUE})", text) and not text.endswith(".net"):
                if text == name:
                    break
                return f"{option} {text}"
        number = re.fullmatch(r"[\d.]+|\[.*\]", rest[0]) if rest else None
        if re.fullmatch(r"[A-Za-z_][\w.]*", name) and number is not None:
            return f"{option} {name}={rest[0]}"
    return None


# The formats of the commands that need `-o`; the first one is that of an example.
OUTPUTS = {
    "draw": (".svg", ".png", ".pdf", ".html"),
    "export": (".onnx", ".py"),
    "import": (".net",),
    "look": (".html", ".png", ".svg", ".pdf"),
}


def missing_output(program: str, words: Sequence[str]) -> str:
    """The message about `-o`, which some commands need."""
    if program.endswith(" page"):
        folder = words[1] if len(words) == 2 else "site"
        return f"`-o` names the folder to write: for example, write `-o {folder}`"
    suffixes = OUTPUTS[program.rpartition(" ")[2]]
    files = [word for word in words if word.endswith(suffixes)]
    if files:
        return f"the file to write follows `-o`: write `-o {files[0]}`"
    nets = [word for word in words[1:] if not word.startswith("-")]
    file = os.path.basename(nets[0].partition(":")[0]) if nets else "net"
    stem = re.sub(r"\.(net|onnx|cfg|prototxt)$", "", file)
    return f"`-o` names the file to write: for example, write `-o {stem}{suffixes[0]}`"


def unknown_option(
    words: Sequence[str],
    known: Sequence[str],
    program: str,
    owners: Sequence[str],
    given: Sequence[str] = (),
) -> str:
    """The message about an option that does not exist, the first of some words.

    The advice has the commands that have it, its `owners`, or similar options. `given` are all
    words of the command line, which may name a net with a parameter of that name.
    """
    name, _, value = words[0].partition("=")
    is_value = len(words) > 1 and re.fullmatch(rf"{_VALUE}|\d+(,\d+)+", words[1])
    following = words[1] if is_value else ""
    advice = _replaced(name, value or following, known, program)
    if advice is not None:
        net = next((word for word in given[1:] if word[0] != "-"), "FILE")
        advice = advice.replace("{net}", net).replace("{value}", value or following or "NAME")
    elif len(name) > SHORTEST and any(option.startswith(name) for option in known):
        advice = similar(name, known)
    if advice is None and owners:
        advice = f"it is an option of {', '.join(owners)}"
    if advice is None and not (len(name) == len("--T") and name[2:].isupper()):
        advice = similar(name, known)
    if advice is None and "-D" in known and name.removeprefix("--").isidentifier():
        advice = _of_net(name[2:], value or following, given)
    advice = advice or f"`{program} --help` lists the options"
    return f"there is no option `{name}`; {advice}"


def _of_net(name: str, value: str, given: Sequence[str]) -> str | None:
    """Advice for an option with the name of a parameter, or of an open size, of the net."""
    if len(name) == 1 and name.isupper():
        return "the sizes of the input are written as `--input 3x256x256`"
    text = _text_of(given)
    if text is not None and not re.search(rf"\bnet\s+\w+\s*\([^{{]*\b{name}\b", text):
        return None
    return f"a parameter of the net is written as `-D {name}={value or 'VALUE'}`"


def _text_of(given: Sequence[str]) -> str | None:
    """The text of the first net on a command line, or None if there is none that can be read."""
    for word in given[1:]:
        if word.startswith("-"):
            continue
        try:
            return open_source(word if os.path.exists(word) else word.partition(":")[0]).text
        except NetdslError:
            return None
    return None


def _replaced(name: str, value: str, known: Sequence[str], program: str) -> str | None:
    """What a command has in place of an option of another command or tool."""
    name = name.replace("_", "-")
    instead = OF_COMMANDS.get((program.rpartition(" ")[2], name))
    if instead is not None:
        return instead
    option, written = INSTEAD.get(name, ("", ""))
    if option in known:
        begin, equals, _ = written.partition("=")
        if value and equals and "'" not in begin:
            written = f"{begin}{equals}{value}"
        return f"write `{written}`"
    if "--device" in known and name in (*GPUS, *NO_GPU):
        return _device(name, value, known)
    option, advice = FOR_ALL.get(name, ("", ""))
    return advice if option in known else None


def _device(name: str, value: str, known: Sequence[str]) -> str:
    """Advice for an option about GPUs: how many processes to start, and on which device."""
    count = len(value.split(","))
    if value.isdecimal() and name not in ONE_GPU:
        count = int(value)
    if name in NO_GPU or count == 0:
        return "write `--device cpu`"
    if count == 1 or "--nproc" not in known:
        return "write `--device cuda`"
    return f"write `--nproc {count} --device cuda`"


def unknown_command(name: str) -> str:
    """The message about a command that does not exist."""
    advice = similar(name, COMMANDS) or f"the commands are {', '.join(COMMANDS)}"
    if name in ("summary", "show", "info", "print", "table", "params"):
        advice = "`netdsl check FILE` prints the layers and the figures"
    if name == "lint":
        advice = "write `netdsl check --lint all`"
    file = name.partition(":")[0]
    if os.path.isfile(name) or library_file(file) or file.endswith((".net", ".onnx")):
        advice = f"did you mean `netdsl check {_existing(name)}`?"
    elif similar(name, COMMANDS) is None:
        from netdsl.commands.elsewhere import elsewhere  # few words need it

        advice = elsewhere(name) or advice
    return f"there is no command `{name}`; {advice}"


def _existing(name: str) -> str:
    """What a user writes for a net that a command gets, or what the library has in its place."""
    file, colon, net = name.partition(":")
    stem = file.removesuffix(".net")
    if os.path.isfile(file) or stem == file:
        return name
    if library_file(stem):
        return f"{stem}{colon}{net}"
    found = net_of_library(stem)
    return name if found is None else ":".join(found)


def similar(name: str, known: Iterable[str]) -> str | None:
    """A question about the names that begin with this one, or else that are like it."""
    names = {long: option for option in known if len(long := option.strip("-")) > 1}
    word = name.strip("-").lower()
    if SYNONYMS.get(word) in names:
        word = SYNONYMS[word]
    likely = [n for n in names if word and n.startswith(word)] or closest(word, names)
    if not likely:
        return None
    return "did you mean " + " or ".join(f"`{names[n]}`" for n in likely) + "?"
