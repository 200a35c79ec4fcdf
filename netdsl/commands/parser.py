"""The parser of the command line, whose errors suggest what the user may have meant."""

from __future__ import annotations

import argparse
import os
import re
from functools import cache, partial
from typing import TYPE_CHECKING, NoReturn

from netdsl.commands.arguments import COMMANDS
from netdsl.commands.common import terminal_width
from netdsl.commands.options import add_printing
from netdsl.diagnostics import closest
from netdsl.library import library_file, net_of_library
from netdsl.source import printable
from netdsl.version import __version__

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

DESCRIPTION = (
    "netdsl compiles a text that describes a neural network into checked shapes, counts, a PyTorch"
    " module and an ONNX model."
)
EPILOG = """
examples:
  netdsl check lenet5
  netdsl draw lenet5 -o lenet5.svg
  netdsl export resnet:ResNet50 -o resnet50.onnx

`netdsl help COMMAND` explains a command.

exit codes:
  0    success
  1    something is wrong with a text, an `expect` line, weights, data or a file
  2    the command line is wrong
  70   netdsl itself failed
  130  interrupted
  143  terminated
""".strip()


# What other programs call a value or an option.
SYNONYMS = {
    "colour": "color",
    "gpu": "cuda",
    "ort": "onnxruntime",
    "pytorch": "torch",
    "trt": "tensorrt",
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
    "--lr": ("--set", "--set 'train.optimizer=adam(lr = 0.001)'"),
    "--learning-rate": ("--set", "--set 'train.optimizer=adam(lr = 0.001)'"),
    "--optimizer": ("--set", "--set 'train.optimizer=adam(lr = 0.001)'"),
    "--optim": ("--set", "--set 'train.optimizer=adam(lr = 0.001)'"),
    "--schedule": ("--set", "--set train.schedule=cosine"),
    "--loss": ("--set", "--set train.loss=mse"),
}


# What a command has in place of an option that other commands or tools have.
OF_COMMANDS = {
    ("run", "--input"): "inputs need no option: write `netdsl run MODEL INPUT...`",
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
}


class _HelpFormatter(argparse.HelpFormatter):
    """Wraps the paragraphs of a text, but keeps the lines of examples as they are."""

    def _fill_text(self, text: str, width: int, indent: str) -> str:
        paragraphs = []
        for paragraph in text.split("\n\n"):
            if "\n" in paragraph:
                paragraphs.append(paragraph)
            else:
                paragraphs.append(super()._fill_text(paragraph, width, indent))
        return "\n\n".join(paragraphs)

    def _format_action(self, action: argparse.Action) -> str:
        """List the commands like options, without the line `COMMAND` above them."""
        text = super()._format_action(action)
        if action.nargs == argparse.PARSER:
            return "".join(line[2:] for line in text.splitlines(keepends=True)[1:])
        return text


class Parser(argparse.ArgumentParser):
    """A parser whose messages teach, and cannot control the terminal.

    `commands` are the parsers of the commands, by name.
    """

    commands: dict[str, Parser]

    def error(self, message: str) -> NoReturn:
        """Print the message and the usage, and exit with code 2."""
        self.exit(2, self.complaint(message))

    def complaint(self, message: str) -> str:
        """What is printed about a wrong command line: the message and the usage."""
        return f"{printable(f'{self.prog}: {message}')}\n{self.format_usage()}"

    def refuse_unknown(self, words: Sequence[str]) -> None:
        """Report a long option that does not exist.

        argparse itself would first ask for a required argument, such as the one that the user
        misspelt.
        """
        for word in words:
            name = word.partition("=")[0]
            if word == "--":
                return
            if name.startswith("--") and " " not in word and name not in self.options():
                self.error(_unknown_option(name, self.options(), self.prog))

    def refuse_rest(self, words: Sequence[str], given: Sequence[str] = ()) -> None:
        """Report what is left of the `given` words after all arguments have been recognised."""
        for word in words:
            if word.startswith("-"):
                self.error(_unknown_option(word, self.options(), self.prog))
            message = f"unexpected argument `{word}`"
            if self.prog == "netdsl nets":
                message += f"; {_for_net(word)}"
            before = list(given[: given.index(word)])[-2:] if word in given else []
            spaced = _with_spaces(given)
            if spaced is not None:
                message += f": write `-D {spaced}`, without spaces"
            elif before[:1] == ["-D"] and before[-1].isidentifier():
                message += f": write `-D {before[-1]}={word}`"
            self.error(message)

    def actions(self) -> list[argparse.Action]:
        """All arguments."""
        return self._actions

    def options(self) -> list[str]:
        """The names of all options."""
        return [name for action in self._actions for name in action.option_strings]

    def _check_value(self, action: argparse.Action, value: object) -> None:
        if action.choices is not None and value not in action.choices:
            known = [str(choice) for choice in action.choices]
            message = f"`{value}` is not one of {', '.join(known)}"
            advice = _advice(str(value), known)
            if advice:
                message += f"; {advice}"
            raise argparse.ArgumentError(action, message)


def _with_spaces(given: Sequence[str]) -> str | None:
    """The value of a parameter that is written with spaces: `-D classes = 10`."""
    pair = re.compile(r"\w+=[^=]+")
    for at in (i for i, word in enumerate(given) if word == "-D"):
        for count in (1, 2, 3):
            joined = "".join(given[at + 1 : at + 1 + count])
            if pair.fullmatch(joined):
                if count > 1:
                    return joined
                break
    return None


def _for_net(name: str) -> str:
    """Advice for `netdsl nets resnet50`."""
    found = net_of_library(name)
    if found is None or library_file(name) is not None:
        return f"`netdsl check {name}` shows one net"
    return f"`netdsl check {found[0]}:{found[1]}` shows one net"


def _unknown_option(name: str, known: Iterable[str], program: str) -> str:
    """The message about an option that does not exist, with similar ones or those who have it."""
    message = f"there is no option `{name}`"
    known = list(known)
    advice = _advice(name, known)
    option, written = INSTEAD.get(name, ("", ""))
    if option in known:
        advice = f"write `{written}`"
    instead = OF_COMMANDS.get((program.rpartition(" ")[2], name))
    if instead is not None:
        return f"{message}; {instead}"
    owners = [n for n, c in build_parser().commands.items() if name in c.options()]
    if advice:
        message += f"; {advice}"
    elif owners:
        message += f"; it is an option of {', '.join(owners)}"
    elif "-D" in known and name.removeprefix("--").isidentifier():
        message += f"; a parameter of the net is written as `-D {name[2:]}=VALUE`"
    return message


def unknown_command(name: str) -> str:
    """The message about a command that does not exist."""
    advice = _advice(name, COMMANDS) or f"the commands are {', '.join(COMMANDS)}"
    if name in ("summary", "show", "info", "print", "table", "params"):
        advice = "`netdsl check FILE` prints the layers and the figures"
    if name == "lint":
        advice = "write `netdsl check --lint all`"
    if os.path.isfile(name) or library_file(name.partition(":")[0]):
        advice = f"did you mean `netdsl check {name}`?"
    return f"there is no command `{name}`; {advice}"


def _advice(name: str, known: Iterable[str]) -> str | None:
    """A question about the names that begin with this one, or else that are like it."""
    names = {long: option for option in known if len(long := option.strip("-")) > 1}
    word = name.strip("-").lower()
    if SYNONYMS.get(word) in names:
        word = SYNONYMS[word]
    likely = [n for n in names if word and n.startswith(word)] or closest(word, names)
    if not likely:
        return None
    return "did you mean " + " or ".join(f"`{names[n]}`" for n in likely) + "?"


def parse(argv: Sequence[str]) -> argparse.Namespace:
    """The arguments of a command line; raises `SystemExit` after printing an error or a help."""
    words = list(argv)
    position = _command_position(words)
    if not words or not {"-h", "--help"}.isdisjoint(words[:position]):
        words, position = ["--help"], 1  # of netdsl, with all commands
    name = words[position] if position < len(words) else None
    if name is not None and name not in COMMANDS:
        build_parser().refuse_rest(_without_known(words[:position]))
        build_parser().error(unknown_command(name))
    parser = build_parser(name)
    parser.refuse_unknown(words[:position])
    if name is None:
        return parser.parse_args(words)
    command = parser.commands[name]
    command.refuse_unknown(words[position + 1 :])
    arguments, rest = parser.parse_known_args(words)
    command.refuse_rest(rest, words)
    return arguments


def complaint(argv: Sequence[str], message: str) -> str:
    """What is printed about a command line that can be parsed, and is still wrong."""
    words = list(argv)
    name = words[_command_position(words)]
    return build_parser(name).commands[name].complaint(message)


def _without_known(words: Sequence[str]) -> list[str]:
    """The words before a command that are no options of netdsl, nor the value of one."""
    known = build_parser().options()
    return [w for w in words if w.startswith("-") and w.partition("=")[0] not in known]


def _command_position(words: Sequence[str]) -> int:
    """The place of the command, which options with or without a value can precede."""
    is_value = False
    for i, word in enumerate(words):
        if not is_value and not word.startswith("-"):
            return i
        is_value = word == "--color"
    return len(words)


@cache
def build_parser(command: str | None = None) -> Parser:
    """The parser of all commands, or of one, which starts faster.

    It is cached for callers that run several commands in one process.
    """
    # Without a given width, argparse would ask for that of the terminal at every option.
    formatter = partial(_HelpFormatter, width=terminal_width() - 2)
    parser = Parser(
        prog="netdsl",
        usage="netdsl COMMAND [options]",
        description=DESCRIPTION,
        epilog=EPILOG,
        allow_abbrev=False,
        formatter_class=formatter,
    )
    parser.add_argument(
        "--version",
        action="version",
        version=f"netdsl {__version__}",
        help="show the version and exit",
    )
    add_printing(parser)
    parser.commands = {}
    commands = parser.add_subparsers(
        title="commands", dest="command", metavar="COMMAND", required=True, prog="netdsl"
    )

    def add(
        name: str, summary: str, usage: str, description: str, examples: str
    ) -> argparse.ArgumentParser:
        parser.commands[name] = commands.add_parser(
            name,
            usage=f"netdsl {name} {usage}".rstrip(),
            help=summary,
            description=description,
            epilog=_epilog(examples),
            allow_abbrev=False,
            formatter_class=formatter,
        )
        return parser.commands[name]

    for name, declare in COMMANDS.items():
        if command in (None, name):
            declare(add)
            add_printing(parser.commands[name], name)
    return parser


def _epilog(examples: str) -> str:
    lines = [f"  {line.strip()}" for line in examples.strip().splitlines()]
    return "\n".join(["examples:", *lines])
