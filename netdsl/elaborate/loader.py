"""Reads files and what they import, and resolves the names of layers and blocks."""

from __future__ import annotations

import re
from contextlib import contextmanager
from functools import cache, partial
from typing import TYPE_CHECKING

from netdsl import library
from netdsl.diagnostics import (
    Annotation,
    Edit,
    Reporter,
    did_you_mean,
    nearest,
    respelled,
)
from netdsl.elaborate.evaluate import UNKNOWN, Env, evaluate
from netdsl.elaborate.file_values import FileValues
from netdsl.elaborate.imports import import_target
from netdsl.elaborate.meter import Meter
from netdsl.elaborate.module import IDENTITY, BlockValue, Elsewhere, Identity, KindValue, Module
from netdsl.errors import NetdslError, UnreadableError
from netdsl.limits import limit, raise_help
from netdsl.ops import LAYERS, load_plugins
from netdsl.source import SourceFile
from netdsl.syntax import ast
from netdsl.syntax.parser import parse

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from netdsl.ir.op import Op
    from netdsl.source import Span

_KINDS = frozenset(LAYERS)  # layers of installed packages are added only to `LAYERS`
BUILT_IN = ("residual", "identity", "frozen")


# Who imports what: the `key` of a file, the name that it imports, and whether that is a path.
Reference = tuple[str, str, bool]


class Loader:
    """Reads each file once, and reports the errors of its top level.

    `files` has the file behind each import. Those that it has at first are not read again, so that
    a program that is stored with its files means the same elsewhere. `texts` are read in place of
    the files at their paths: an editor has versions that are not saved. `kinds` are layers that
    only this program has.
    """

    def __init__(
        self,
        reporter: Reporter,
        files: Mapping[Reference, SourceFile] | None = None,
        texts: Mapping[str, str] | None = None,
        kinds: Mapping[str, type[Op]] | None = None,
    ) -> None:
        self.reporter = reporter
        self.kinds = kinds or {}
        self._texts = texts or {}
        self.files: dict[Reference, SourceFile] = dict(files or {})
        self._modules: dict[str, Module] = {}
        self._loading: list[str] = []
        self._meter = Meter()

    def sources(self) -> list[SourceFile]:
        """Every file that was read, first the one that imports the others."""
        return [module.source for module in self.modules()]

    def modules(self) -> list[Module]:
        """The module of every file that was read, first the one that imports the others."""
        return list(self._modules.values())

    def load(self, source: SourceFile) -> Module:
        """The module of a file; raises `NetdslError` if its text cannot be read."""
        if len(self._loading) >= limit("depth"):
            raise NetdslError(
                "nesting-too-deep",
                f"imports are nested more than {limit('depth')} levels deep",
                help=raise_help("depth"),
            )
        self._loading.append(source.key)
        try:
            return self.define(source, parse(source))
        finally:
            self._loading.pop()

    def define(self, source: SourceFile, tree: ast.File) -> Module:
        """The module of a file with this tree; raises `NetdslError` if an import has no text."""
        module = self._modules[source.key] = Module(source, tree, Env(meter=self._meter))
        self._load_items(module, tree)
        return module

    def _load_items(self, module: Module, tree: ast.File) -> None:
        for item in tree.imports:
            with self._reporting(item.span):
                self._import(module, item)
        for definition in tree.definitions:
            with self._reporting(definition.span):
                _define(module, definition)
        for let in tree.lets:
            with self._reporting(let.span):
                _let(self, module, let)
        for train in tree.trains:
            with self._reporting(train.span):
                _check_train(module, train)

    @contextmanager
    def _reporting(self, span: Span) -> Iterator[None]:
        """Report an error inside, at `span` if it has no place of its own."""
        try:
            yield
        except UnreadableError:
            raise
        except NetdslError as fault:
            from netdsl.elaborate.slips import advise  # only texts with errors need it

            diagnostic = fault.diagnostic
            diagnostic.span = diagnostic.span or span
            advise(diagnostic, None)
            self.reporter.add(diagnostic)

    def _import(self, module: Module, item: ast.Import) -> None:
        reference = module.source.key, item.target, item.is_path
        if reference not in self.files:
            self.files[reference] = self._read(*import_target(module.source, item))
        source = self.files[reference]
        if source.key in self._loading:
            circle = [*self._loading[self._loading.index(source.key) :], source.key]
            names = " imports ".join(p.rpartition("/")[2] for p in circle)
            error = NetdslError("import-cycle", f"the imports form a cycle: {names}", item.span)
            if source.key == self._loading[-1]:
                error.diagnostic.help = "leave it out: a file sees its own definitions"
                error.diagnostic.fix = (Edit(item.span, ""),)
            raise error
        imported = self._modules.get(source.key) or self.load(source)
        module.imports.append((item, imported))
        for name in (*imported.definitions, *imported.env.values):
            module.take(name, imported)

    def _read(self, path: str, shown: str) -> SourceFile:
        module = self._modules.get(path)
        if module is not None:
            return module.source
        if path in self._texts:
            return SourceFile(shown, self._texts[path], path)
        return library.read(path, shown=shown)

    def block_of_library(self, name: str) -> tuple[ast.Definition, Module] | None:
        """A composite layer that needs no import, such as `se`, with the file that defines it."""
        reference = "", name, False
        if reference not in self.files:
            path = library.block_file(name)
            if path is None:
                return None
            self.files[reference] = self._read(path, f"nets/lib/{name}.net")
        source = self.files[reference]
        module = self._modules.get(source.key) or self.load(source)
        definition = module.definitions.get(name)
        return (definition, module) if isinstance(definition, ast.Definition) else None


def load_program(
    source: SourceFile,
    reporter: Reporter,
    files: Mapping[Reference, SourceFile] | None = None,
    texts: Mapping[str, str] | None = None,
    kinds: Mapping[str, type[Op]] | None = None,
) -> tuple[Loader, Module]:
    """Load a file and everything that it imports; raises `NetdslError` if a text cannot be read.

    `files`, `texts` and `kinds` are those of `Loader`.
    """
    loader = Loader(reporter, files, texts, kinds)
    return loader, loader.load(source)


# ---- the top level of a file


def _duplicate(message: str, span: Span, first: Span, help: str | None = None) -> NetdslError:
    """The error of a second definition, with a note of where the first is."""
    notes = (Annotation("the first is here", first),)
    return NetdslError("duplicate-name", message, span, notes=notes, help=help)


def _define(module: Module, definition: ast.Definition | ast.Alias) -> None:
    name = definition.name
    if module.homes.get(name) is module:
        first = module.definitions[name].name_span
        raise _duplicate(
            f"`{name}` is defined twice", definition.name_span, first, "choose another name"
        )
    # It is registered even if its name is wrong, so that its calls cause no further errors.
    module.register(definition)
    if name in LAYERS or name in BUILT_IN:
        raise NetdslError(
            "duplicate-name",
            f"`{name}` is a layer of the language",
            definition.name_span,
            help=f"choose another name, such as `{name.capitalize()}`",
        )
    if isinstance(definition, ast.Definition):
        _check_parameters(definition)


def _check_parameters(definition: ast.Definition) -> None:
    names: set[str] = set()
    for parameter in definition.parameters:
        if parameter.name in names:
            raise NetdslError(
                "duplicate-name",
                f"`{definition.name}` has two parameters named `{parameter.name}`",
                parameter.span,
                help="choose another name",
            )
        names.add(parameter.name)


def _let(loader: Loader, module: Module, let: ast.Let) -> None:
    if let.name in module.lets:
        raise _duplicate(
            f"`{let.name}` already has a value",
            let.span,
            module.lets[let.name].span,
            "choose another name; a `let` at the top of a file can occur only once",
        )
    if let.name in module.definitions:
        raise _duplicate(
            f"`{let.name}` is already defined",
            let.span,
            module.definitions[let.name].name_span,
            "choose another name: a block, a net and a value cannot have the same name",
        )
    module.lets[let.name] = let
    values = FileValues(partial(resolve, loader, module), module.env)
    try:
        module.env.values[let.name] = evaluate(let.value, Env(module.env, values))
    except NetdslError as fault:
        module.env.values[let.name] = UNKNOWN
        if fault.code == "unknown-name" and not fault.diagnostic.fix and fault.diagnostic.span:
            from netdsl.elaborate.let_order import advise_order  # only texts with errors need it

            advise_order(module, let, fault.diagnostic, fault.diagnostic.span.text)
        raise


def _check_train(module: Module, train: ast.Train) -> None:
    definition = module.definition(train.net, train.net_span)
    if definition is None:
        nets = _nets(module)
        fix = respelled(train.net_span, train.net, nets)
        help_ = did_you_mean(train.net, nets)
        if help_ is None and len(nets) == 1:
            help_ = f"the only net here is `{nets[0]}`: write `train {nets[0]}`"
        elif help_ is None and nets:
            help_ = f"the nets here are {', '.join(f'`{net}`' for net in nets)}"
        message = f"there is no net `{train.net}` to train"
        raise NetdslError("unknown-net", message, train.net_span, help=help_, fix=fix)
    if isinstance(definition, ast.Definition) and not definition.is_net:
        raise NetdslError(
            "unknown-net",
            f"`{train.net}` is a block; only nets can be trained",
            train.net_span,
            help="name a net that calls the block",
        )
    first = next(t for t in module.trains if t.net == train.net)
    if first is not train:
        raise _duplicate(
            f"`{train.net}` has two `train` sections",
            train.net_span,
            first.net_span,
            "merge them into one",
        )


def _nets(module: Module) -> list[str]:
    definitions = module.definitions.items()
    return [n for n, d in definitions if isinstance(d, ast.Alias) or d.is_net]


# ---- names of layers and blocks


def is_known(module: Module, name: str) -> bool:
    """Whether a name is a layer or a block in a file; if so, it is never taken for a label.

    Layers of installed packages do not count: a text means the same wherever it is compiled.
    """
    return name in _KINDS or name in BUILT_IN or name in module.definitions or name in _shipped()


@cache
def _shipped() -> frozenset[str]:
    return frozenset(library.block_names())


def _means_kind(definition: ast.Definition | ast.Alias, span: Span) -> bool:
    """Whether a call means a layer kind, although a net or block has its name.

    A net is seldom called, and a block cannot call itself. In a net `Dense`, `Dense(10)` means the
    layer that other tools call so.
    """
    own = definition.span
    is_inside = own.file is span.file and own.start <= span.start < own.end
    is_net = isinstance(definition, ast.Alias) or definition.is_net
    if definition.name not in _KINDS:
        if not (is_net and is_inside):
            return False
        from netdsl.habits.layers import find  # only errors need it

        return find(definition.name) is not None
    return is_inside or is_net


def resolve(
    loader: Loader, module: Module, name: str, span: Span, labels: Iterable[str] = ()
) -> BlockValue | KindValue | Identity:
    """The block or layer kind of that name, as seen from a file.

    Raises `NetdslError` with the closest names, which may be `labels`.
    """
    definition = module.definitions.get(name)
    if definition is not None and not _means_kind(definition, span):
        return _block_value(definition, module.homes[name], span)
    if name == "identity":
        return IDENTITY
    cls = LAYERS.get(name) or loader.kinds.get(name)
    if cls is not None:
        return KindValue(cls)
    shipped = loader.block_of_library(name)
    if shipped is not None:
        return BlockValue(*shipped)
    try:
        added = load_plugins()
    except Exception as error:  # another package may raise anything when it is imported
        raise _plugin_failed(error, span) from None
    if name in added:
        return KindValue(LAYERS[name])
    names = [known for known in layer_names(module, labels) if known != name]
    advice = did_you_mean(name, names)
    if nearest(name, names) is None and (net := library.net_of_library(name)) is not None:
        advice = (
            f"`{net[1]}` is a net of the library: write `import {net[0]}` above the nets of this"
            f" file, and then `{net[1]}` like a layer"
        )
        if re.match(r"\([^()]*\b(pretrained|weights)\b", span.file.text[span.end :]):
            advice += f"; {library.NO_WEIGHTS}"
    message = f"there is no layer or block `{name}`"
    if definition is not None:
        message = f"`{name}` is the name of this net, not of a layer"
    raise NetdslError(
        "unknown-layer",
        message,
        span,
        help=advice or "`netdsl layers` lists the layers",
        fix=respelled(span, name, names),
    )


def _block_value(definition: ast.Definition | ast.Alias, home: Module, span: Span) -> BlockValue:
    """The value of a block, or of a net that is used like a block; raises `NetdslError`."""
    if isinstance(definition, ast.Definition):
        return BlockValue(definition, home)
    family = home.definition(definition.target, span)
    if not isinstance(family, ast.Definition) or not family.is_net:
        message = f"`{definition.name}` is not a net: there is no net `{definition.target}`"
        raise NetdslError("not-a-layer", message, span)
    arguments = tuple(
        ast.Argument(a.name, Elsewhere(a.value.span, a.value, home), a.span)
        for a in definition.arguments
    )
    return BlockValue(family, home.homes[definition.target], arguments)


def layer_names(module: Module, labels: Iterable[str]) -> list[str]:
    """Every name that could be called in a file, for advice."""
    return [
        *filter(str.isidentifier, LAYERS),
        *BUILT_IN,
        *library.block_names(),
        *labels,
        *module.definitions,
    ]


def _plugin_failed(error: Exception, span: Span) -> NetdslError:
    return NetdslError(
        "broken-plugin",
        f"a package that adds layers cannot be imported: {error}",
        span,
        help="`pip list` shows what is installed; update or remove the package",
    )
