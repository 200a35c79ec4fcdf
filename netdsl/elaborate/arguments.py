"""The arguments of calls: of blocks and nets, which have parameters, and of layers."""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING, NamedTuple, TypeGuard

from netdsl.diagnostics import Annotation, Edit, respelled
from netdsl.elaborate.corrections import named, without
from netdsl.elaborate.evaluate import INPUT, UNKNOWN, Env, evaluate
from netdsl.elaborate.meter import ELEMENTS
from netdsl.elaborate.module import BlockValue, KindValue
from netdsl.elaborate.notes import in_default
from netdsl.elaborate.weights import check_is_weight, not_a_value
from netdsl.errors import NetdslError, Overrun
from netdsl.ir.graph import Value
from netdsl.ir.op import Weight
from netdsl.ops.args import GIVEN, advice, bias_values, weight_values
from netdsl.ops.base import SYNONYMS
from netdsl.syntax import ast
from netdsl.words import counted

if TYPE_CHECKING:
    from collections.abc import Sequence

    from netdsl.diagnostics import Diagnostic
    from netdsl.elaborate.meter import Meter
    from netdsl.ir.op import Arg, Op
    from netdsl.source import Span


JOINED = 3  # a kind that can take this many inputs is a join


# ---- blocks and nets


class Signature(NamedTuple):
    """What a caller must know about a block or net: the name of the call, and the definition."""

    name: str
    definition: ast.Definition

    @property
    def parameters(self) -> tuple[ast.Parameter, ...]:
        """The parameters in their order."""
        return self.definition.parameters

    def __str__(self) -> str:
        """How it is called: `B(width, k = 3)`."""
        return self.listed(self.parameters)

    def listed(self, parameters: Sequence[ast.Parameter]) -> str:
        """How it is called if it has only these parameters."""
        written = [
            p.name if p.default is None else f"{p.name} = {p.default.span.text}" for p in parameters
        ]
        return f"{self.name}({', '.join(written)})"

    def fault(self, code: str, message: str, span: Span, help: str) -> NetdslError:
        """An error of a call, with a note of where the block or net is defined."""
        notes = (Annotation(f"`{self.name}` is defined here", self.definition.name_span),)
        return NetdslError(code, message, span, notes=notes, help=help)


def bind_parameters(
    frame: Env, signature: Signature, arguments: tuple[ast.Argument, ...], env: Env, span: Span
) -> None:
    """Give the parameters of a block or net their values in `frame`.

    `env` is the caller's, and `span` the place of the call. Raises `NetdslError` with every
    argument that is wrong.
    """
    check_order(arguments, signature.parameters)
    binding = _Binding(frame, signature, env)
    binding.bind_positional(arguments)
    for argument in arguments:
        if argument.name is not None:
            binding.bind_named(argument, argument.name)
    missing = binding.missing()
    if missing and not binding.takes_for(missing, arguments):
        binding.add(_missing(signature, arguments, span, missing))
    if binding.errors:
        raise NetdslError.of(binding.errors)
    binding.bind_defaults()


def _missing(
    signature: Signature, arguments: tuple[ast.Argument, ...], span: Span, missing: list[str]
) -> NetdslError:
    """The error of parameters without values."""
    from netdsl.elaborate.suggested_calls import of_block, takes_input  # only errors need them

    advice = of_block(signature.definition, arguments, missing)
    message = f"`{signature.name}` needs {' and '.join(advice.missing)}"
    help_ = f"write `{signature}`"
    if advice.call is not None:
        help_ = (
            f"for example, write `{signature.name}({advice.call})`; it is declared as `{signature}`"
        )
    help_ = (
        takes_input(signature.definition, signature.listed(signature.parameters[1:]), missing)
        or help_
    )
    return signature.fault("missing-argument", message, span, help_)


class _Binding:
    """Binds the arguments of one call to parameters, and collects what is wrong with them."""

    def __init__(self, frame: Env, signature: Signature, env: Env) -> None:
        self.errors: list[Diagnostic] = []
        self._frame = frame
        self._signature = signature
        self._env = env
        self._given: dict[str, ast.Argument] = {}

    def add(self, error: NetdslError) -> None:
        """Add the diagnostics of an error."""
        self.errors += error.diagnostics

    def bind_positional(self, given: tuple[ast.Argument, ...]) -> None:
        """Bind those of the arguments that have no names."""
        arguments = [argument for argument in given if argument.name is None]
        signature = self._signature
        count = len(signature.parameters)
        if len(arguments) > count:
            message = (
                f"`{signature.name}` takes {counted(count, 'argument')}, found {len(arguments)}"
            )
            span = arguments[count].span
            from netdsl.elaborate.surplus import advise_surplus, kept  # only errors need them

            written = f"{signature.name}({kept(signature.definition, given)})"
            help_ = f"write `{written}`; it is declared as `{signature}`"
            if not count:
                help_ = f"write `{signature}`"
            error = signature.fault("too-many-arguments", message, span, help_)

            before = self._frame.values.get(INPUT)
            advise_surplus(error, signature.name, signature.definition, given, before)
            self.add(error)
        for parameter, argument in zip(signature.parameters, arguments, strict=False):
            self._bind(parameter.name, argument)

    def bind_named(self, argument: ast.Argument, name: str) -> None:
        """Bind an argument with a name, unless no parameter has it or its value is known."""
        declared = [p.name for p in self._signature.parameters]
        if name not in declared:
            self._unknown(argument, name, declared)
        elif name in self._given:
            message = f"`{name}` of `{self._signature.name}` is given twice"
            help_ = self._leave_out(name, declared)
            self.add(NetdslError("duplicate-argument", message, argument.span, help=help_))
        else:
            self._bind(name, argument)

    def _leave_out(self, name: str, declared: list[str]) -> str:
        """Advice for a parameter that is given twice: which argument is the first."""
        first, position = self._given[name], declared.index(name)
        if first.name is not None:
            return "leave one of the two out"
        help_ = f"`{first.span.text}` is argument {position + 1}, `{name}`"
        before = self._given.get(declared[position - 1]) if position else None
        if before is not None:
            help_ += f", because `{before.span.text}` comes before it"
        return f"{help_}: leave one of them out"

    def _unknown(self, argument: ast.Argument, name: str, declared: list[str]) -> None:
        signature = self._signature._replace(name=self._signature.definition.name)
        free = [other for other in declared if other not in self._given]
        from netdsl.elaborate.surplus import for_unknown  # only errors need it

        help_ = for_unknown(argument, free, signature.definition, str(signature))
        message = f"`{signature.name}` has no parameter `{name}`"
        error = signature.fault("unknown-argument", message, argument.span, help_)
        near = respelled(argument.span, name, set(declared).difference(self._given))
        if near:
            self._given[near[0].text] = argument
            text = f"{near[0].text} = {argument.value.span.text}"
            error.diagnostic.fix = (Edit(argument.span, text),)
        self.add(error)

    def _bind(self, name: str, argument: ast.Argument) -> None:
        self._given[name] = argument
        try:
            self._frame.values[name] = evaluate(argument.value, self._env)
        except Overrun:
            raise
        except NetdslError as error:
            if error.diagnostic.code == "unknown-name":
                from netdsl.elaborate.no_layer import advise_nothing  # only errors need it

                advise_nothing(error.diagnostic, self._signature.definition, name, argument)
            self.add(error)

    def missing(self) -> list[str]:
        """The parameters without a value and without a default."""
        parameters = self._signature.parameters
        return [p.name for p in parameters if p.default is None and p.name not in self._given]

    def takes_for(self, missing: list[str], arguments: tuple[ast.Argument, ...]) -> bool:
        """Whether an argument with an unknown name is meant for the missing one, and says so."""
        from netdsl.elaborate.surplus import meant_for  # only errors need it

        return meant_for(missing, self._signature.definition, arguments, self.errors)

    def bind_defaults(self) -> None:
        """Give the other parameters their defaults, which can use those before them."""
        for parameter in self._signature.parameters:
            if parameter.name in self._given or parameter.default is None:
                continue
            try:
                value = evaluate(parameter.default, self._frame)
            except NetdslError as fault:
                in_default(fault, parameter, self._given, str(self._signature))
                raise
            self._frame.values[parameter.name] = value


def check_order(arguments: tuple[ast.Argument, ...], parameters: tuple[ast.Parameter, ...]) -> None:
    """Raise `NetdslError` if an argument by position follows one by name."""
    for before, argument in pairwise(arguments):
        if before.name is not None and argument.name is None:
            required = [p.name for p in parameters if p.default is None]
            fix = named(arguments, [p.name for p in parameters], required)
            raise _misplaced(argument, fix)


def _misplaced(argument: ast.Argument, fix: tuple[Edit, ...]) -> NetdslError:
    help_ = "name it too, or move it to the front"
    if fix:
        help_ = f"name it too: `{fix[0].text}{argument.span.text}`"
    message = "a positional argument follows a named one"
    return NetdslError("misplaced-argument", message, argument.span, help=help_, fix=fix)


class LayerArguments(NamedTuple):
    """The evaluated arguments of a layer; `tensors` are its references, such as `@label`.

    If they are given as one list, `is_list`, a join takes them only, and not the current value.
    `named` are the tensors that named arguments give, in the order in which the kind declares them.
    `errors` are those of the arguments without a value.
    """

    positional: tuple[object, ...]
    keywords: dict[str, object]
    tensors: tuple[Value, ...]
    named: tuple[Value, ...] = ()
    is_list: bool = False
    errors: tuple[Diagnostic, ...] = ()

    @property
    def unknown(self) -> bool:
        """Whether an argument depends on something with an error."""
        return any(value is UNKNOWN for value in (*self.positional, *self.keywords.values()))


def layer_arguments(call: ast.Call, env: Env, cls: type[Op], meter: Meter) -> LayerArguments:
    """Evaluate the arguments of a layer; raises `NetdslError` if their order is wrong."""
    if not call.arguments:
        return LayerArguments((), {}, ())
    positional: list[object] = []
    keywords: dict[str, object] = {}
    tensors: list[Value] = []
    lists: list[ast.Argument] = []
    named_tensors: dict[str, Value] = {}
    errors: list[Diagnostic] = []
    for argument in call.arguments:
        try:
            value = _layer_argument(call, argument, env, cls, len(positional))
        except Overrun:
            raise
        except NetdslError as error:
            from netdsl.elaborate.inner_layers import is_layer  # only errors need it

            value = argument.value.span.text  # the name of the argument is an error in itself
            if not is_layer(argument, cls):
                errors += error.diagnostics
                value = UNKNOWN
        if isinstance(value, tuple):
            meter.charge(len(value) // ELEMENTS, argument.span)
        if argument.name is not None:
            if argument.name in keywords:
                raise _repeated(call, argument, value, keywords[argument.name])
            if isinstance(value, Value) and _takes_tensor(cls, argument.name):
                named_tensors[argument.name] = value
                value = GIVEN
            keywords[argument.name] = value
        elif isinstance(value, Value):
            tensors.append(value)
        elif cls.inputs[1] >= JOINED and _is_tensors(value):
            lists.append(argument)
            tensors += value
        elif keywords:
            required = [a.name for a in cls.args if a.required]
            fix = named(call.arguments, [a.name for a in cls.args], required)
            raise _misplaced(argument, fix)
        else:
            positional.append(value)
    if lists and sum(a.name is None for a in call.arguments) - len(positional) > 1:
        from netdsl.elaborate.layer_slips import beside_list  # only errors need it

        raise beside_list(cls, lists[0])
    in_order = tuple(named_tensors[a.name] for a in cls.args if a.name in named_tensors)
    found = tuple(positional), keywords, tuple(tensors), in_order, bool(lists), tuple(errors)
    return LayerArguments(*found)


def _is_tensors(value: object) -> TypeGuard[tuple[Value, ...]]:
    """Whether a value is a list of tensors, which may be empty."""
    return isinstance(value, tuple) and all(isinstance(v, Value) for v in value)


def _is_nested(value: object) -> bool:
    """Whether a value is a list that has a list of tensors."""
    return isinstance(value, tuple) and any(part and _is_tensors(part) for part in value)


def _takes_tensor(cls: type[Op], name: str) -> bool:
    """Whether an argument of a kind is a tensor."""
    return any(a.name == name and a.dtypes for a in cls.args)


def _repeated(call: ast.Call, argument: ast.Argument, value: object, first: object) -> NetdslError:
    """The error of an argument that has a name twice; it is left out if its value is the same."""
    message = f"`{argument.name}` is given twice"
    if value is UNKNOWN or (type(value), value) != (type(first), first):
        return NetdslError("duplicate-argument", message, argument.span)
    fix = (without(call, call.arguments.index(argument)),)
    help_ = "the value is the same: remove this one"
    return NetdslError("duplicate-argument", message, argument.span, help=help_, fix=fix)


def _layer_argument(
    call: ast.Call, argument: ast.Argument, env: Env, cls: type[Op], position: int
) -> object:
    try:
        value = evaluate(argument.value, env)
    except NetdslError as fault:
        declared = _declared(argument, cls, position)
        if fault.diagnostic.code != "unknown-name":
            raise
        if declared is not None and declared.dtypes:
            from netdsl.elaborate.layer_slips import advise_reference  # only errors need it

            advise_reference(fault.diagnostic, argument.value, env)
        elif isinstance(argument.value, ast.Name):
            help_ = _word_advice(declared, cls, argument.value.id)
            fault.diagnostic.help = help_ or fault.diagnostic.help
            if declared is not None and declared.choices:
                span, word = argument.value.span, argument.value.id
                fault.diagnostic.fix = respelled(span, word, declared.choices)
                if SYNONYMS.get(word) in declared.choices:
                    fault.diagnostic.help = f"it is called `{SYNONYMS[word]}` here"
                    fault.diagnostic.fix = (Edit(span, SYNONYMS[word]),)
        raise
    if isinstance(value, (KindValue, BlockValue)) and value.arguments:
        from netdsl.elaborate.layer_slips import as_argument  # only errors need it

        raise as_argument(call, cls, argument, value)
    if cls.inputs[1] >= JOINED and _is_nested(value):
        from netdsl.elaborate.layer_slips import nested  # only errors need it

        raise nested(cls, argument)
    if not isinstance(value, (Weight, Value)):
        return value
    declared = _declared(argument, cls, position)
    takes_weight = declared is not None and declared.convert in (weight_values, bias_values)
    if isinstance(value, Weight) and not takes_weight:
        raise not_a_value(value.name, argument.value.span)
    if isinstance(value, Value) and argument.name is not None and takes_weight:
        assert declared is not None
        if value.type is None:
            return UNKNOWN
        check_is_weight(declared, cls, value, argument.value)
    return value


def _declared(argument: ast.Argument, cls: type[Op], position: int) -> Arg | None:
    """The declaration of the argument in the layer's kind."""
    if argument.name is None:
        return cls.args[position] if position < len(cls.args) else None
    return next((a for a in cls.args if a.name == argument.name), None)


def _word_advice(declared: Arg | None, cls: type[Op], word: str) -> str | None:
    """Advice for an argument whose value is an unknown word."""
    if declared is None:
        return None
    if declared.choices:
        return f"`{declared.name}` of `{cls.kind}` can be {', '.join(declared.choices)}"
    return advice(declared, word)
