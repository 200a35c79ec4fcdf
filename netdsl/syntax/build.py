"""Converts the parse tree to the syntax tree of `ast`."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from netdsl.errors import NetdslError
from netdsl.source import Span
from netdsl.syntax import ast

if TYPE_CHECKING:
    from collections.abc import Callable

    from netdsl.source import SourceFile
    from netdsl.syntax.lalr import ParseNode
    from netdsl.syntax.lexer import Token

MAX_DEPTH = 200
MAX_ELSE_IF = 90
_PIECE = re.compile(r"\{([^{}]*)\}")
_LOGIC = {"or_": "or", "and_": "and"}


class Builder:
    """Makes the tree of one file. `parse_expression` reads the computed pieces of labels."""

    def __init__(
        self, source: SourceFile, parse_expression: Callable[[SourceFile, int, int], ParseNode]
    ) -> None:
        self.source = source
        self._parse_expression = parse_expression
        self._depth = 0

    # ---- the file

    def file(self, tree: ParseNode) -> ast.File:
        """A whole file."""
        items = [getattr(self, t.data.rstrip("_"))(t) for t in tree.children if t is not None]

        def of(*kinds: type) -> tuple[Any, ...]:
            return tuple(i for i in items if isinstance(i, kinds))

        return ast.File(
            self.source, of(ast.Import), of(ast.Let), of(ast.Definition, ast.Alias), of(ast.Train)
        )

    def import_(self, tree: ParseNode) -> ast.Import:
        """`import "heads.net"`, or `import resnet`."""
        target = tree.children[0]
        is_path = target.type == "STRING"
        return ast.Import(target[1:-1] if is_path else str(target), is_path, self.at(tree))

    def __getattr__(self, name: str) -> object:
        if name == "import":
            return self.import_
        raise AttributeError(name)

    def block(self, tree: ParseNode) -> ast.Definition:
        """`block Name(...) { ... }`."""
        name, parameters, body = tree.children
        return self._definition(tree, name, parameters, body, is_net=False)

    def net(self, tree: ParseNode) -> ast.Definition:
        """`net Name(...) { ... }`."""
        name, parameters, body = tree.children
        return self._definition(tree, name, parameters, body, is_net=True)

    def _definition(
        self,
        tree: ParseNode,
        name: Token,
        parameters: ParseNode | None,
        body: ParseNode,
        *,
        is_net: bool,
    ) -> ast.Definition:
        listed = tuple(self._parameter(p) for p in parameters.children) if parameters else ()
        return ast.Definition(
            str(name),
            self.at(name),
            listed,
            self.body(body),
            self.at(tree),
            self._doc(tree),
            is_net,
        )

    def _parameter(self, tree: ParseNode) -> ast.Parameter:
        name, default = tree.children
        return ast.Parameter(
            str(name), self.expr(default) if default is not None else None, self.at(tree)
        )

    def alias(self, tree: ParseNode) -> ast.Alias:
        """`net Name = Other(...)`."""
        name, target, arguments, body = tree.children
        return ast.Alias(
            str(name),
            self.at(name),
            str(target),
            self.at(target),
            self.arguments(arguments),
            self.body(body) if body else None,
            self.at(tree),
            self._doc(tree),
        )

    def train(self, tree: ParseNode) -> ast.Train:
        """`train Name { ... }`."""
        net, *entries = tree.children
        return ast.Train(
            str(net),
            self.at(net),
            tuple(self._entry(e) for e in entries if e is not None),
            self.at(tree),
        )

    def _entry(self, tree: ParseNode) -> ast.Entry:
        name, *values = tree.children
        return ast.Entry(str(name), tuple(self.expr(v) for v in values), self.at(tree))

    def _doc(self, tree: ParseNode) -> str:
        """The comment lines right above a definition."""
        number = self.source.location(tree.start_pos).line - 1
        lines: list[str] = []
        while (line := self.source.line(number).strip()).startswith("#"):
            lines.append(line.lstrip("#").strip())
            number -= 1
        return "\n".join(reversed(lines))

    # ---- statements

    def body(self, tree: ParseNode) -> ast.Body:
        """The statements or the arms between braces."""
        children = [c for c in tree.children if c is not None]
        if children and children[0].data == "arm":
            arms = tuple(self.body(arm) for arm in children)
            return ast.Body((), arms, self.at(tree))
        return ast.Body(tuple(self.statement(c) for c in children), (), self.at(tree))

    def statement(self, tree: ParseNode) -> ast.Statement:
        """One statement of a body."""
        made: ast.Statement = getattr(self, tree.data)(tree)
        return made

    def let(self, tree: ParseNode) -> ast.Let:
        """`let name = value`."""
        name, value = tree.children
        return ast.Let(self.at(tree), str(name), self.expr(value))

    def input(self, tree: ParseNode) -> ast.Input:
        """`input name: sizes`."""
        label, shape, dtype = tree.children
        return ast.Input(
            self.at(tree), self._label(label), self.expr(shape), str(dtype) if dtype else None
        )

    def output(self, tree: ParseNode) -> ast.Output:
        """`output name: chain`."""
        chain = tree.children[0]
        if chain is None:
            return ast.Output(self.at(tree), None, None)
        first = chain.children[0].children
        label = first.pop(0) if len(first) > 1 else None
        return ast.Output(
            self.at(tree), self._label(label) if label is not None else None, self.chain(chain)
        )

    def aux(self, tree: ParseNode) -> ast.Aux:
        """`aux name(...) { ... }`."""
        name, arguments, body = tree.children
        return ast.Aux(self.at(tree), str(name), self.arguments(arguments), self.body(body))

    def expect(self, tree: ParseNode) -> ast.Expect:
        """`expect condition at sizes`."""
        condition, at = tree.children
        return ast.Expect(
            self.at(tree), self.expr(condition), self.expr(at) if at is not None else None
        )

    def chain(self, tree: ParseNode) -> ast.Chain:
        """Elements joined by `->`."""
        return ast.Chain(self.at(tree), tuple(self.element(c) for c in tree.children))

    def element(self, tree: ParseNode) -> ast.Element:
        """One element of a chain, with its label."""
        *labels, node = tree.children
        if len(labels) > 1:
            message = f"`{labels[1][:-1]}` is a second label of one layer"
            raise NetdslError(
                "two-labels", message, self.at(labels[1]), help="a layer has one label"
            )
        made: ast.Element = getattr(self, "_" + node.data)(
            node, self._label(labels[0]) if labels else None
        )
        return made

    def _call(self, tree: ParseNode, label: ast.Pattern | None) -> ast.Call:
        callee, arguments, *body = tree.children
        name = callee.children[0]
        inside = self.body(body[0]) if body and body[0] is not None else None
        return ast.Call(
            self.at(tree), label, str(name), self.at(name), self.arguments(arguments), inside
        )

    def _group(self, tree: ParseNode, label: ast.Pattern | None) -> ast.Group:
        return ast.Group(self.at(tree), label, self.body(tree.children[0]))

    def _reference(self, tree: ParseNode, label: ast.Pattern | None) -> ast.TakeUp:
        return ast.TakeUp(self.at(tree), label, self._take(tree.children[0]))

    def _repeat(self, tree: ParseNode, label: ast.Pattern | None) -> ast.Repeat:
        count, variable, body = tree.children
        return ast.Repeat(
            self.at(tree),
            label,
            self.expr(count),
            str(variable) if variable else None,
            self.body(body),
        )

    def _for(self, tree: ParseNode, label: ast.Pattern | None) -> ast.For:
        targets, values, body = tree.children
        return ast.For(
            self.at(tree),
            label,
            tuple(str(t) for t in targets.children),
            self.expr(values),
            self.body(body),
        )

    def _if(self, tree: ParseNode, label: ast.Pattern | None) -> ast.If:
        condition, then, otherwise = tree.children
        self._depth += 1
        if self._depth > MAX_ELSE_IF:
            raise NetdslError(
                "nesting-too-deep",
                f"more than {MAX_ELSE_IF} `else if` in a row",
                self.at(tree),
                help="choose from a list: `[a, b, c][i]`",
            )
        other = None
        if otherwise is not None and otherwise.data == "if":
            nested = self._if(otherwise, None)
            other = ast.Body((ast.Chain(nested.span, (nested,)),), (), nested.span)
        elif otherwise is not None:
            other = self.body(otherwise)
        self._depth -= 1
        return ast.If(self.at(tree), label, self.expr(condition), self.body(then), other)

    # ---- expressions

    def arguments(self, tree: ParseNode | None) -> tuple[ast.Argument, ...]:
        """The arguments of a call."""
        if tree is None:
            return ()
        return tuple(self._argument(c) for c in tree.children if c is not None)

    def _argument(self, tree: ParseNode) -> ast.Argument:
        if tree.data == "keyword":
            name, value = tree.children
            return ast.Argument(str(name), self.expr(value), self.at(tree))
        return ast.Argument(None, self.expr(tree), self.at(tree))

    def expr(self, tree: ParseNode) -> ast.Expr:
        """An expression."""
        self._depth += 1
        if self._depth > MAX_DEPTH:
            message = f"an expression of more than {MAX_DEPTH} levels"
            raise NetdslError(
                "nesting-too-deep", message, self.at(tree), help="name its parts with `let`"
            )
        try:
            return self._expr(tree)
        finally:
            self._depth -= 1

    def _expr(self, tree: ParseNode) -> ast.Expr:
        kind, children, span = tree.data, [c for c in tree.children if c is not None], self.at(tree)
        match kind:
            case "atom":
                return self._atom(children[0])
            case "sum" | "product" | "comparison":
                rest = tuple(
                    (str(children[i]), self.expr(children[i + 1]))
                    for i in range(1, len(children), 2)
                )
                return ast.Operation(span, self.expr(children[0]), rest)
            case "or_" | "and_":
                return ast.Operation(
                    span,
                    self.expr(children[0]),
                    tuple((_LOGIC[kind], self.expr(c)) for c in children[1:]),
                )
            case "power":
                return ast.Operation(
                    span, self.expr(children[0]), (("**", self.expr(children[1])),)
                )
            case "negative":
                return ast.Unary(span, "-", self.expr(children[1]))
            case "negation":
                return ast.Unary(span, "not", self.expr(children[0]))
            case "conditional":
                value, condition, otherwise = (self.expr(c) for c in children)
                return ast.Conditional(span, value, condition, otherwise)
            case "index":
                return ast.Index(span, self.expr(children[0]), self.expr(children[1]))
            case "attribute":
                return ast.Attribute(span, self.expr(children[0]), str(children[1]))
            case "entry_attribute":
                return ast.Attribute(span, None, str(children[0]))
            case "function":
                return ast.Function(span, str(children[0]), self.arguments(children[1]))
            case "parenthesis":
                return self.expr(children[0])
            case "tuple" | "list":
                return ast.Sequence(span, tuple(self.expr(c) for c in children), kind == "tuple")
        raise AssertionError(kind)

    def _atom(self, token: Token) -> ast.Expr:
        span = self.at(token)
        match token.type:
            case "INTEGER":
                return ast.Literal(span, int(token))
            case "FLOAT":
                return ast.Literal(span, float(token))
            case "STRING":
                return ast.Literal(span, str(token)[1:-1])
            case "TRUE" | "FALSE":
                return ast.Literal(span, token.type == "TRUE")
            case "DIMS":
                return ast.DimsLiteral(span, _parts(token))
            case "WORDY_DIMS":
                return ast.NameOrDims(span, str(token), _parts(token))
            case "REFERENCE":
                return self._take(token)
        return ast.Name(span, str(token))

    def _take(self, token: Token) -> ast.Reference:
        return ast.Reference(self.at(token), self._pattern(token[1:], token.start_pos + 1))

    def _label(self, token: Token) -> ast.Pattern:
        return self._pattern(token[:-1].rstrip(), token.start_pos)

    def _pattern(self, text: str, start: int) -> ast.Pattern:
        pieces: list[str | ast.Expr] = []
        position = 0
        for match in _PIECE.finditer(text):
            pieces.append(text[position : match.start()])
            tree = self._parse_expression(self.source, start + match.start(1), start + match.end(1))
            pieces.append(self.expr(tree))
            position = match.end()
        pieces.append(text[position:])
        return ast.Pattern(
            tuple(p for p in pieces if p != ""), Span(self.source, start, start + len(text))
        )

    def at(self, node: ParseNode | Token) -> Span:
        """The place of a node or token in the text."""
        return Span(self.source, node.start_pos, node.end_pos)


def _parts(token: Token) -> tuple[int | str, ...]:
    return tuple(int(p) if p[0].isdigit() else p for p in token.split("x"))
