"""The parser of the command line, whose errors suggest what the user may have meant."""

from __future__ import annotations

import argparse
import re
from functools import cache, partial
from typing import TYPE_CHECKING, NoReturn

from netdsl.commands.arguments import COMMANDS
from netdsl.commands.common import terminal_width
from netdsl.commands.options import add_printing
from netdsl.source import printable
from netdsl.version import __version__

if TYPE_CHECKING:
    from collections.abc import Sequence

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


NEGATIVE = tuple(f"-{digit}" for digit in "0123456789.")  # how negative numbers begin
REQUIRED = "the following arguments are required: "  # as argparse words it
NO_OUTPUT = f"{REQUIRED}-o/--output"
_VALUE_OF_FLAG = r"argument (?:-\w/)?(\S+): ignored explicit argument ['\"](.*)['\"]"


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

    `commands` are the parsers of the commands, by name, and `given` the words that are parsed.
    """

    commands: dict[str, Parser]
    given: Sequence[str] = ()
    _is_mixed = False

    def parse_known_args(  # type: ignore[override]
        self, args: Sequence[str] | None = None, namespace: argparse.Namespace | None = None
    ) -> tuple[argparse.Namespace, list[str]]:
        """Parse what is known.

        An argument that may be missing, such as a view, can follow options. Python 3.13 allows
        that by itself.
        """
        optional = [action for action in self._get_positional_actions() if action.nargs == "?"]
        if self._is_mixed or len(self._get_positional_actions()) == len(optional):
            return super().parse_known_args(args, namespace)
        if not optional:
            return super().parse_known_args(args, namespace)
        self._is_mixed = True  # the method below calls this one
        try:
            return self.parse_known_intermixed_args(args, namespace)
        finally:
            self._is_mixed = False

    def error(self, message: str) -> NoReturn:
        """Print the message and the usage, and exit with code 2."""
        if message == NO_OUTPUT:
            from netdsl.commands.meant import missing_output  # only errors need it

            message = missing_output(self.prog, self.given)
        elif message.startswith(REQUIRED):
            from netdsl.commands.meant import missing_arguments  # only errors need it

            message = missing_arguments(self.prog, message, self.given)
        elif found := re.fullmatch(_VALUE_OF_FLAG, message):
            from netdsl.commands.surplus import of_flag  # only errors need it

            message = of_flag(*found.groups())
        self.exit(2, self.complaint(message))

    def complaint(self, *messages: str) -> str:
        """What is printed about a wrong command line: the messages and the usage."""
        lines = [f"{printable(f'{self.prog}: {message}')}\n" for message in messages]
        return f"{''.join(lines)}{self.format_usage()}"

    def refuse_unknown(self, words: Sequence[str]) -> None:
        """Report the long options that do not exist, and beside them wrong values of others.

        argparse itself would first ask for a required argument, such as the one that the user
        misspelt.
        """
        end = [*words, "--"].index("--")
        places = [n for n in range(end) if words[n].startswith("--") and " " not in words[n]]
        wrong = {n for n in places if words[n].partition("=")[0] not in self.options()}
        if not wrong:
            return
        about = {True: self._about_unknown, False: self._about_value}
        messages = [about[n in wrong](words[n:end]) for n in places]
        self.exit(2, self.complaint(*filter(None, messages)))

    def _about_value(self, words: Sequence[str]) -> str | None:
        """What is wrong with the value of an option, the first of some words, or None."""
        name, equals, value = words[0].partition("=")
        action = self._option_string_actions[name]
        given = [value] if equals else list(words[1:2])
        if action.nargs is not None or not given:
            return None
        try:
            self._check_value(action, given[0])
        except argparse.ArgumentError as error:
            return str(error)
        return None

    def refuse_rest(self, words: Sequence[str], given: Sequence[str] = ()) -> None:
        """Report what is left of the `given` words after all arguments have been recognised."""
        for word in words:
            if word.startswith("-"):
                self.refuse_option([word])
            from netdsl.commands.surplus import surplus  # only errors need it

            advice = surplus(word, given, self.prog, self.options())
            self.error(f"unexpected argument `{word}`{advice}")

    def without_late(self, arguments: argparse.Namespace, rest: Sequence[str]) -> list[str]:
        """What is left after arguments that may be missing have got the words behind an option.

        argparse takes such an argument to be missing as soon as an option follows those before it.
        """
        left = list(rest)
        for action in self._actions:
            if action.option_strings or action.nargs not in ("*", "?"):
                continue
            plain = [word for word in left if not word.startswith("-")]
            given = getattr(arguments, action.dest)
            if action.nargs == "*":
                setattr(arguments, action.dest, [*given, *plain])
            elif not given and plain:
                plain = plain[:1]
                setattr(arguments, action.dest, plain[0])
            else:
                continue
            for word in plain:
                left.remove(word)
        return left

    def with_negative(self, words: Sequence[str]) -> list[str]:
        """The words, where each value that begins with a negative number is part of its option.

        argparse takes only a single number for a value: it takes `-1,0` for an option.
        """
        taking = {n for a in self._actions if a.nargs is None for n in a.option_strings}
        joined: list[str] = []
        for word in words:
            before = joined[-1] if joined else ""
            if before in taking and before.startswith("--") and word[:2] in NEGATIVE:
                joined[-1] = f"{before}={word}"
            else:
                joined.append(word)
        return joined

    def refuse_option(self, words: Sequence[str]) -> NoReturn:
        """Report an option that does not exist: the first of some words."""
        self.error(self._about_unknown(words))

    def _about_unknown(self, words: Sequence[str]) -> str:
        """The message about an option that does not exist: the first of some words."""
        from netdsl.commands.meant import unknown_option  # only errors need it

        name = words[0].partition("=")[0]
        owners = [n for n, c in build_parser().commands.items() if name in c.options()]
        return unknown_option(words, self.options(), self.prog, owners, self.given)

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
            from netdsl.commands.meant import similar  # only errors need it

            advice = similar(str(value), known)
            if advice:
                message += f"; {advice}"
            raise argparse.ArgumentError(action, message)


def parse(argv: Sequence[str]) -> argparse.Namespace:
    """The arguments of a command line; raises `SystemExit` after printing an error or a help."""
    words = list(argv)
    position = _command_position(words)
    if not words or not {"-h", "--help"}.isdisjoint(words[:position]):
        words, position = ["--help"], 1  # of netdsl, with all commands
    name = words[position] if position < len(words) else None
    if name is not None and name not in COMMANDS:
        from netdsl.commands.meant import unknown_command  # only errors need it

        build_parser().refuse_rest(_without_known(words[:position]))
        build_parser().error(unknown_command(name))
    parser = build_parser(name)
    parser.refuse_unknown(words[:position])
    if name is None:
        return parser.parse_args(words)
    command = parser.commands[name]
    command.given = words[position:]
    command.refuse_unknown(words[position + 1 :])
    arguments, rest = parser.parse_known_args(command.with_negative(words))
    command.refuse_rest(command.without_late(arguments, rest), words)
    return arguments


def complaint(argv: Sequence[str], message: str) -> str:
    """What is printed about a command line that can be parsed, and is still wrong."""
    words = list(argv)
    name = words[_command_position(words)]
    if message.startswith(REQUIRED):
        from netdsl.commands.meant import missing_arguments  # only errors need it

        message = missing_arguments(f"netdsl {name}", message, words[_command_position(words) :])
    if message.startswith(("-D takes", "--set takes")):
        from netdsl.commands.meant import without_spaces  # only errors need it

        spaced = without_spaces(words)
        if spaced is not None:
            message += f": write `{spaced}`, without spaces"
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
