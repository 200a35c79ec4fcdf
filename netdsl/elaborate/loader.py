"""Files and what they define: imports followed, names resolved, the shipped composite layers found
by name.
"""

from __future__ import annotations

import os
from functools import cache
from typing import TYPE_CHECKING, Any

from netdsl import library
from netdsl.diagnostics import Annotation, Reporter, did_you_mean
from netdsl.elaborate.evaluate import UNKNOWN, Clash, Env, evaluate
from netdsl.elaborate.meter import Meter
from netdsl.errors import NetdslError, UnreadableError
from netdsl.limits import limit, raise_help
from netdsl.ops import LAYERS, load_plugins
from netdsl.syntax import ast
from netdsl.syntax.parser import parse

if TYPE_CHECKING:
    from collections.abc import Iterable

    from netdsl.ir.op import Op
    from netdsl.source import SourceFile, Span

_KINDS = frozenset(LAYERS)  # those of installed packages come later, to `LAYERS` alone
BUILT_IN = ("residual", "identity", "frozen")
WORDS = frozenset({"same"}.union(*(a.choices or () for cls in LAYERS.values() for a in cls.args)))


class Module:
    """One file: its definitions and `let`s by name (imported ones too), its train sections and the
    frame of the `let`s' values.
    """

    def __init__(
        self,
        source: SourceFile,
        declared: frozenset[str] = frozenset(),
        trains: tuple[ast.Train, ...] = (),
        env: Env | None = None,
    ) -> None:
        self.source = source
        self.declared = declared  # the names that the file itself defines
        self.definitions: dict[str, ast.Definition | ast.Alias] = {}
        self.homes: dict[str, Module] = {}
        self.lets: dict[str, ast.Let] = {}
        self.own: list[str] = []
        self.trains = trains
        self.env = env or Env()

    def definition(self, name: str, span: Span) -> ast.Definition | ast.Alias | None:
        """The block or net of that name; raises `NetdslError` where imports disagree on it."""
        value = self.env.values.get(name)
        if isinstance(value, Clash):
            raise value.fault(span)
        return self.definitions.get(name)

    def take(self, name: str, other: Module) -> None:
        """Mean by a name what another file does, unless the name has a meaning here: then it is the
        file's own, or else none.
        """
        ours, theirs = self._meaning(name), other._meaning(name)
        if name in self.declared or ours is theirs or isinstance(ours, Clash) or theirs is None:
            return
        if ours is not None and not isinstance(theirs, Clash):
            theirs = Clash(name, _place(ours), _place(theirs))
        if isinstance(theirs, Clash):
            self.definitions.pop(name, None)
            self.lets.pop(name, None)
            self.env.values[name] = theirs
        elif isinstance(theirs, ast.Let):
            self.lets[name], self.env.values[name] = theirs, other.env.values[name]
        else:
            self.definitions[name], self.homes[name] = theirs, other.homes[name]

    def _meaning(self, name: str) -> ast.Definition | ast.Alias | ast.Let | Clash | None:
        value = self.env.values.get(name)
        return (
            value if isinstance(value, Clash) else self.definitions.get(name) or self.lets.get(name)
        )


def _place(meaning: ast.Definition | ast.Alias | ast.Let) -> Span:
    return meaning.span if isinstance(meaning, ast.Let) else meaning.name_span


class BlockValue:
    """A block as a value: it can be given as an argument."""

    __slots__ = ("definition", "home")
    type_word = "a block"

    def __init__(self, definition: ast.Definition, home: Module) -> None:
        self.definition = definition
        self.home = home

    def __eq__(self, other: object) -> bool:
        return isinstance(other, BlockValue) and other.definition is self.definition

    def __hash__(self) -> int:
        return hash(id(self.definition))

    def __str__(self) -> str:
        return self.definition.name


class KindValue:
    """A layer kind as a value, such as the activation given to a block.

    Where a word is wanted it is its name.
    """

    __slots__ = ("cls",)
    type_word = "a layer"

    def __init__(self, cls: type[Op]) -> None:
        self.cls = cls

    def __eq__(self, other: object) -> bool:
        return isinstance(other, KindValue) and other.cls is self.cls

    def __hash__(self) -> int:
        return hash(self.cls)

    def __str__(self) -> str:
        return self.cls.kind

    @property
    def word(self) -> str:
        """Its name, for arguments that are words."""
        return self.cls.kind


class Loader:
    """Reads files, each once, and reports what is wrong with their top level."""

    def __init__(self, reporter: Reporter) -> None:
        self.reporter = reporter
        self._modules: dict[str, Module] = {}
        self._loading: list[str] = []
        self._meter = Meter()

    def sources(self) -> list[SourceFile]:
        """Every file that was read: the first is the one that imports the others."""
        return [module.source for module in self._modules.values()]

    def load(self, source: SourceFile) -> Module:
        """The module of a file; raises `NetdslError` where its text cannot be read."""
        key = source.path or source.name
        if len(self._loading) >= limit("depth"):
            raise NetdslError(
                "nesting-too-deep",
                f"files import one another more than {limit('depth')} levels deep",
                help=raise_help("depth"),
            )
        self._loading.append(key)
        try:
            tree = parse(source)
            declared = frozenset(item.name for item in (*tree.definitions, *tree.lets))
            module = self._modules[key] = Module(
                source, declared, tree.trains, Env(meter=self._meter)
            )
            for item in tree.imports:
                self._guarded(self._import, module, item)
            for definition in tree.definitions:
                self._guarded(self._define, module, definition)
            for let in tree.lets:
                self._guarded(self._let, module, let)
            for train in tree.trains:
                self._guarded(self._train, module, train)
        finally:
            self._loading.pop()
        return module

    def _guarded(self, action: Any, module: Module, item: Any) -> None:
        try:
            action(module, item)
        except UnreadableError:
            raise
        except NetdslError as fault:
            diagnostic = fault.diagnostic
            diagnostic.span = diagnostic.span or item.span
            self.reporter.add(diagnostic)

    def _import(self, module: Module, item: ast.Import) -> None:
        path, shown = self._target(module, item)
        if path in self._loading:
            names = " imports ".join(
                p.rpartition("/")[2] for p in [*self._loading[self._loading.index(path) :], path]
            )
            raise NetdslError("import-cycle", f"files import one another: {names}", item.span)
        imported = self._modules.get(path) or self.load(library.read(path, shown=shown))
        for name in (*imported.definitions, *imported.env.values):
            module.take(name, imported)

    def _target(self, module: Module, item: ast.Import) -> tuple[str, str]:
        """The path of what is imported, and what messages call it."""
        if item.is_path:
            # As its importer is named: no absolute paths in models.
            return library.import_path(module.source, item.target), os.path.join(
                os.path.dirname(module.source.name), item.target
            )
        found = library.shipped(item.target)
        if found is None:
            beside = module.source.path is not None and os.path.isfile(
                os.path.join(os.path.dirname(module.source.path), item.target + ".net")
            )
            advice = (
                f'write `import "{item.target}.net"` for the file beside this one'
                if beside
                else did_you_mean(item.target, library.library_names())
            )
            raise NetdslError(
                "import-not-found", f"the library has no `{item.target}`", item.span, help=advice
            )
        return found

    def _define(self, module: Module, definition: ast.Definition | ast.Alias) -> None:
        name = definition.name
        if module.homes.get(name) is module:
            first = module.definitions[name]
            raise NetdslError(
                "duplicate-name",
                f"`{name}` is defined twice",
                definition.name_span,
                notes=(Annotation("the first is here", first.name_span),),
            )
        if name in LAYERS or name in BUILT_IN:
            self._register(module, definition)  # what calls it means it: one error is enough
            raise NetdslError(
                "duplicate-name",
                f"`{name}` is a layer of the language",
                definition.name_span,
                help="choose another name",
            )
        self._register(module, definition)
        seen: set[str] = set()
        for parameter in getattr(definition, "parameters", ()):
            if parameter.name in seen:
                raise NetdslError(
                    "duplicate-name",
                    f"`{name}` has two parameters `{parameter.name}`",
                    parameter.span,
                    help="choose another name",
                )
            seen.add(parameter.name)

    def _register(self, module: Module, definition: ast.Definition | ast.Alias) -> None:
        module.definitions[definition.name] = definition
        module.homes[definition.name] = module
        module.own.append(definition.name)

    def _let(self, module: Module, let: ast.Let) -> None:
        if let.name in module.lets:
            notes = (Annotation("the first is here", module.lets[let.name].span),)
            raise NetdslError(
                "duplicate-name",
                f"`{let.name}` has a value already",
                let.span,
                notes=notes,
                help="choose another name; a `let` at the top of a file stands once",
            )
        if let.name in module.definitions:
            notes = (Annotation("the first is here", module.definitions[let.name].name_span),)
            raise NetdslError(
                "duplicate-name",
                f"`{let.name}` is defined already",
                let.span,
                notes=notes,
                help="choose another name: blocks, nets and values share them",
            )
        module.lets[let.name] = let
        try:
            module.env.values[let.name] = evaluate(let.value, module.env)
        except NetdslError:
            module.env.values[let.name] = UNKNOWN
            raise

    def _train(self, module: Module, train: ast.Train) -> None:
        definition = module.definition(train.net, train.net_span)
        if definition is None:
            raise NetdslError(
                "unknown-net",
                f"there is no net `{train.net}` to train",
                train.net_span,
                help=did_you_mean(train.net, module.definitions),
            )
        if isinstance(definition, ast.Definition) and not definition.is_net:
            raise NetdslError(
                "unknown-net",
                f"`{train.net}` is a block; only nets are trained",
                train.net_span,
                help="name the net that calls it",
            )
        first = next(t for t in module.trains if t.net == train.net)
        if first is not train:
            raise NetdslError(
                "duplicate-name",
                f"`{train.net}` has two `train` sections",
                train.net_span,
                notes=(Annotation("the first is here", first.net_span),),
                help="make them one",
            )

    def block_of_library(self, name: str) -> tuple[ast.Definition, Module] | None:
        """A composite layer that needs no import (`se`, `bottleneck`)."""
        path = library.block_file(name)
        if path is None:
            return None
        module = self._modules.get(path) or self.load(
            library.read(path, shown=f"nets/lib/{name}.net")
        )
        definition = module.definitions.get(name)
        return (definition, module) if isinstance(definition, ast.Definition) else None


def is_known(module: Module, name: str) -> bool:
    """Whether a name is a layer or block as seen from a file; labels of such a name are not layers.

    What is installed changes nothing.
    """
    return name in _KINDS or name in module.definitions or name in _shipped()


@cache
def _shipped() -> frozenset[str]:
    return frozenset(library.block_names())


def resolve(
    loader: Loader, module: Module, name: str, span: Span, labels: Iterable[str] = ()
) -> BlockValue | KindValue:
    """The block or layer kind of that name as seen from a file.

    Raises `NetdslError` with the closest names, among which are `labels`.
    """
    definition = module.definitions.get(name)
    if isinstance(definition, ast.Definition) and not definition.is_net:
        return BlockValue(definition, module.homes[name])
    if definition is not None:
        raise NetdslError(
            "not-a-layer",
            f"`{name}` is a net; only blocks and layers can be used here",
            span,
            help="make it a `block`, and a net that calls it",
        )
    cls = LAYERS.get(name)
    if cls is not None:
        return KindValue(cls)
    shipped = loader.block_of_library(name)
    if shipped is not None:
        return BlockValue(*shipped)
    try:
        added = load_plugins()
    except Exception as error:  # whatever another package does on import is its own
        raise _plugin_failed(error, span) from None
    if name in added:
        return KindValue(LAYERS[name])
    known = [
        *LAYERS,
        *BUILT_IN,
        *library.block_names(),
        *labels,
        *(
            n
            for n, d in module.definitions.items()
            if isinstance(d, ast.Definition) and not d.is_net
        ),
    ]
    raise NetdslError(
        "unknown-layer",
        f"there is no layer or block `{name}`",
        span,
        help=_foreign(name) or did_you_mean(name, known) or "`netdsl layers` lists the layers",
    )


_FOREIGN = {
    "conv1d": "conv",
    "conv2d": "conv",
    "conv3d": "conv",
    "convolution": "conv",
    "linear": "dense",
    "fc": "dense",
    "innerproduct": "dense",
    "batchnorm": "bn",
    "batchnorm2d": "bn",
    "batch_norm": "bn",
    "maxpool2d": "maxpool",
    "avgpool2d": "avgpool",
    "max_pool": "maxpool",
    "avg_pool": "avgpool",
    "globalavgpool": "gap",
    "global_avg_pool": "gap",
    "adaptiveavgpool2d": "adaptive_avgpool",
    "cat": "concat",
    "skip": "residual",
    "shortcut": "residual",
    "swish": "silu",
    "convtranspose2d": "deconv",
    "conv_transpose": "deconv",
    "view": "reshape",
    "transpose": "permute",
    "leakyrelu": "leaky_relu",
    "hardswish": "hard_swish",
    "layer_norm": "layernorm",
    "group_norm": "groupnorm",
}


def _plugin_failed(error: Exception, span: Span) -> NetdslError:
    return NetdslError(
        "broken-plugin",
        f"a package that adds layers cannot be imported: {error}",
        span,
        help="`pip list` shows what is installed; update or remove the package",
    )


def _foreign(name: str) -> str | None:
    ours = _FOREIGN.get(name.lower())
    return f"it is called `{ours}` here" if ours else None


def load_program(source: SourceFile, reporter: Reporter) -> tuple[Loader, Module]:
    """Load a file and everything that it imports; raises `NetdslError` if a text cannot be read."""
    loader = Loader(reporter)
    return loader, loader.load(source)
