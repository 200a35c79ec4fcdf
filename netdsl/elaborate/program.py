"""A file that has been read, and the choice of one of its nets."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, NamedTuple

from netdsl import library
from netdsl.diagnostics import did_you_mean
from netdsl.errors import NetdslError
from netdsl.source import Span
from netdsl.syntax import ast
from netdsl.words import counted

if TYPE_CHECKING:
    from collections.abc import Mapping

    from netdsl.diagnostics import Reporter
    from netdsl.elaborate.loader import Loader
    from netdsl.elaborate.module import Module
    from netdsl.source import SourceFile

MOST_LISTED = 8  # nets that a message lists


class Program(NamedTuple):
    """A file that has been read, with everything that it imports.

    `defines` has the expressions that `-D` gives, as text, by the names of the parameters.
    """

    source: SourceFile
    loader: Loader
    module: Module
    reporter: Reporter
    defines: Mapping[str, str]

    @property
    def start(self) -> Span:
        """The name of the first net, or the beginning of the file, for errors about all nets."""
        for name in self.module.own:
            definition = self.module.definitions[name]
            if isinstance(definition, ast.Alias) or definition.is_net:
                return definition.name_span
        return Span(self.source, 0, 0)

    def nets(self) -> list[str]:
        """The nets that the file itself defines and that can be built with the parameters given."""
        return [name for name in self.module.own if self._is_complete(name)]

    def _is_complete(self, name: str) -> bool:
        definition = self.module.definitions[name]
        if isinstance(definition, ast.Alias):
            return True
        return definition.is_net and not self._missing(definition)

    def _missing(self, definition: ast.Definition) -> list[str]:
        """The parameters that have neither a value nor a default."""
        parameters = definition.parameters
        return [p.name for p in parameters if p.default is None and p.name not in self.defines]

    def pick(self, name: str | None) -> str:
        """The name of the net that the user means; raises `NetdslError` if it is not clear.

        It is the one named, or else the one that has the name of the file, or the only one.
        """
        if name is None:
            return self._only_net()
        return self._net_of_name(name)

    def _only_net(self) -> str:
        nets = self.nets()
        stem = os.path.basename(self.source.name).removesuffix(".net").lower()
        named_as_file = [net for net in nets if net.lower() == stem]
        if len(named_as_file) == 1:
            return named_as_file[0]
        if len(nets) == 1:
            return nets[0]
        if not nets:
            raise self._no_net()
        file = ""
        if self.source.path is not None:
            file = f"{library.name_of(self.source)}:"
        listed = ", ".join(file + net for net in nets[:MOST_LISTED])
        if len(nets) > MOST_LISTED:
            listed += f", or {counted(len(nets) - MOST_LISTED, 'other')}"
        message = f"`{self.source.name}` has {len(nets)} nets"
        raise NetdslError("which-net", message, self.start, help=f"name one: {listed}")

    def _net_of_name(self, name: str) -> str:
        nets = self.nets()
        if name in nets:
            return name
        definition = self.module.definitions.get(name)
        is_own = name in self.module.own
        if is_own and isinstance(definition, ast.Definition) and definition.is_net:
            raise self._needs(definition)
        message = f"`{self.source.name}` has no net `{name}`"
        help_ = did_you_mean(name, nets)
        near = self.module.definitions.get((help_ or "").partition("`")[2].partition("`")[0])
        if help_ is None and nets:
            help_ = "its nets are " + ", ".join(f"`{net}`" for net in nets)
        place = self.start if near is None else near.name_span
        raise NetdslError("unknown-net", message, place, help=help_)

    def _no_net(self) -> NetdslError:
        own = [self.module.definitions[name] for name in self.module.own]
        nets = [d for d in own if isinstance(d, ast.Definition) and d.is_net]
        if nets:
            return self._needs(nets[0])
        help_ = None if own else "define one: `net Name { ... }`"
        return NetdslError("no-net", f"`{self.source.name}` has no net", self.start, help=help_)

    def _needs(self, definition: ast.Definition) -> NetdslError:
        missing = self._missing(definition)
        listed = ", ".join(f"`{name}`" for name in missing)
        it = "it" if len(missing) == 1 else "them"
        help_ = (
            f"give {it} a value with `-D {missing[0]}=...` (in Python `{missing[0]}=...`) or a"
            f" default in the text, or define a member: `net Other = {definition.name}(...)`"
        )
        message = f"net `{definition.name}` needs {listed}"
        return NetdslError("missing-argument", message, definition.name_span, help=help_)
