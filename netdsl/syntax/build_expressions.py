"""Converts the parse tree of expressions and labels to the syntax tree of `ast`."""

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

MAX_DEPTH = 200  # levels of an expression
_COMPUTED = re.compile(r"\{([^{}]*)\}")  # a computed part of a label
_QUOTED = re.compile(r'"([^"]*)"')  # a label in quotes
_LABEL = re.compile(r"[\w/-]+")
_OPERATORS = {"or_": "or", "and_": "and", "power": "**"}  # they leave no token in the tree


class ExpressionBuilder:
    """Makes the expressions of one file; `parse_expression` parses the computed parts of labels."""

    def __init__(
        self, source: SourceFile, parse_expression: Callable[[SourceFile, str, int], ParseNode]
    ) -> None:
        self.source = source
        self._parse_expression = parse_expression
        self._depth = 0

    def arguments(self, tree: ParseNode | None) -> tuple[ast.Argument, ...]:
        """The arguments of a call."""
        if tree is None:
            return ()
        return tuple(self._argument(child) for child in tree.children if child is not None)

    def _argument(self, tree: ParseNode) -> ast.Argument:
        if tree.data == "keyword":
            name, value = tree.children
            return ast.Argument(str(name), self.expr(value), self.at(tree))
        return ast.Argument(None, self.expr(tree), self.at(tree))

    def expr(self, tree: ParseNode) -> ast.Expr:
        """An expression."""
        self._depth += 1
        if self._depth > MAX_DEPTH:
            message = f"an expression is nested more than {MAX_DEPTH} levels deep"
            raise NetdslError(
                "nesting-too-deep", message, self.at(tree), help="name its parts with `let`"
            )
        try:
            return self._expr(tree)
        finally:
            self._depth -= 1

    def _optional_expr(self, tree: ParseNode | None) -> ast.Expr | None:
        return None if tree is None else self.expr(tree)

    def _expr(self, tree: ParseNode) -> ast.Expr:
        kind, span = tree.data, self.at(tree)
        if kind == "slice":
            value, start, end = map(self._optional_expr, tree.children)
            assert value is not None
            return ast.ListPart(span, value, start, end)
        children = [child for child in tree.children if child is not None]
        match kind:
            case "atom":
                return self._atom(children[0])
            case "sum" | "product" | "comparison" | "power" | "or_" | "and_":
                return self._operation(kind, children, span)
            case "negative":
                return ast.Unary(span, "-", self.expr(children[1]))
            case "negation":
                return ast.Unary(span, "not", self.expr(children[0]))
            case "conditional":
                value, condition, otherwise = (self.expr(child) for child in children)
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
            case "comprehension":
                return self._comprehension(tree, span)
            case "tuple" | "list":
                items = tuple(self.expr(child) for child in children)
                return ast.Sequence(span, items, kind == "tuple")
        raise AssertionError(kind)

    def _comprehension(self, tree: ParseNode, span: Span) -> ast.Comprehension:
        """`[item for name in values if condition]`."""
        item, targets, values, condition = tree.children
        return ast.Comprehension(
            span,
            self.expr(item),
            names(targets),
            self.expr(values),
            self._optional_expr(condition),
        )

    def _operation(self, kind: str, children: list[Any], span: Span) -> ast.Operation:
        """A chain of operators, some of which are tokens between the operands."""
        first = self.expr(children[0])
        if kind in _OPERATORS:
            operator = _OPERATORS[kind]
            return ast.Operation(
                span, first, tuple((operator, self.expr(operand)) for operand in children[1:])
            )
        rest = zip(children[1::2], children[2::2], strict=True)
        return ast.Operation(
            span, first, tuple((str(operator), self.expr(operand)) for operator, operand in rest)
        )

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
            case "CURRENT":
                return ast.Current(span)
        return ast.Name(span, str(token))

    def _take(self, token: Token) -> ast.Reference:
        return ast.Reference(self.at(token), self._pattern(token[1:], token.start_pos + 1))

    def _label(self, token: Token) -> ast.Pattern:
        return self._pattern(token[:-1].rstrip(), token.start_pos)

    def _pattern(self, text: str, start: int) -> ast.Pattern:
        for name in _QUOTED.findall(text):
            self._check_quoted(name, Span(self.source, start, start + len(text)))
        pieces: list[str | ast.Expr] = []
        position = 0
        for match in _COMPUTED.finditer(text):
            pieces.append(text[position : match.start()].replace('"', ""))
            tree = self._parse_expression(self.source, match[1], start + match.start(1))
            pieces.append(self.expr(tree))
            position = match.end()
        pieces.append(text[position:].replace('"', ""))
        span = Span(self.source, start, start + len(text))
        return ast.Pattern(tuple(piece for piece in pieces if piece != ""), '"' in text, span)

    def _check_quoted(self, name: str, span: Span) -> None:
        """Raise `NetdslError` for a label in quotes that no checkpoint can have."""
        written = _COMPUTED.sub("0", name)
        if not _LABEL.fullmatch(written):
            raise NetdslError(
                "bad-label",
                f'`"{name}"` cannot be a label',
                span,
                help=_label_help(name),
            )

    def at(self, node: ParseNode | Token) -> Span:
        """The place of a node or token in the text."""
        return Span(self.source, node.start_pos, node.end_pos)


def names(targets: ParseNode) -> tuple[str, ...]:
    """The variables of a loop."""
    return tuple(map(str, targets.children))


def _parts(token: Token) -> tuple[int | str, ...]:
    """The parts of sizes such as `3xHxW`."""
    return tuple(int(part) if part[0].isdigit() else part for part in token.split("x"))


def _label_help(name: str) -> str:
    """Advice for a label in quotes that no checkpoint can have."""
    parts = name.split(".")
    if len(parts) > 1 and all(map(_LABEL.fullmatch, parts)):
        labels = [part if part.isidentifier() else f'"{part}"' for part in parts]
        nested = "".join(f"{label}: {{ " for label in labels[:-1])
        return f"a dot separates scopes: write `{nested}{labels[-1]}: ...{' }' * len(labels[1:])}`"
    return "a label in quotes consists of letters, digits, `_`, `-` and `/`"
