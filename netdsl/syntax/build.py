"""Converts the parse tree to the syntax tree of `ast`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from netdsl.errors import NetdslError
from netdsl.source import Span
from netdsl.syntax import arms, ast
from netdsl.syntax.build_expressions import ExpressionBuilder, names

if TYPE_CHECKING:
    from collections.abc import Iterable

    from netdsl.syntax.lalr import ParseNode
    from netdsl.syntax.lexer import Token

MAX_ELSE_IF = 90  # in a row


class Builder(ExpressionBuilder):
    """Makes the syntax tree of one file.

    A method that is named after a rule of the grammar takes the node of that rule; those for
    elements of chains begin with an underscore.
    """

    # ---- the file

    def file(self, tree: ParseNode) -> ast.File:
        """A whole file."""
        items: list[object] = [
            getattr(self, item.data)(item) for item in tree.children if item is not None
        ]
        return ast.File(
            self.source,
            tuple(item for item in items if isinstance(item, ast.Import)),
            tuple(item for item in items if isinstance(item, ast.Let)),
            tuple(item for item in items if isinstance(item, ast.Definition | ast.Alias)),
            tuple(item for item in items if isinstance(item, ast.Train)),
        )

    def import_(self, tree: ParseNode) -> ast.Import:
        """`import "heads.net"`, or `import resnet`."""
        target = tree.children[0]
        if target.type == "STRING":
            return ast.Import(target[1:-1], True, self.at(tree))
        return ast.Import(str(target), False, self.at(tree))

    def block(self, tree: ParseNode) -> ast.Definition:
        """`block Name(...) { ... }`."""
        return self._definition(tree, is_net=False)

    def net(self, tree: ParseNode) -> ast.Definition:
        """`net Name(...) { ... }`."""
        return self._definition(tree, is_net=True)

    def _definition(self, tree: ParseNode, *, is_net: bool) -> ast.Definition:
        name, parameters, body = tree.children
        parameter_nodes = () if parameters is None else parameters.children
        return ast.Definition(
            str(name),
            self.at(name),
            tuple(self._parameter(node) for node in parameter_nodes),
            self._whole_body(body),
            self.at(tree),
            self._doc(tree),
            is_net,
        )

    def _parameter(self, tree: ParseNode) -> ast.Parameter:
        name, default = tree.children
        return ast.Parameter(str(name), self._optional_expr(default), self.at(tree))

    def alias(self, tree: ParseNode) -> ast.Alias:
        """`net Name = Other(...)`."""
        name, target, arguments, body = tree.children
        return ast.Alias(
            str(name),
            self.at(name),
            str(target),
            self.at(target),
            self.arguments(arguments),
            self._optional_body(body),
            self.at(tree),
            self._doc(tree),
        )

    def train(self, tree: ParseNode) -> ast.Train:
        """`train Name { ... }`."""
        net, *entries = tree.children
        return ast.Train(
            str(net),
            self.at(net),
            tuple(self._entry(entry) for entry in entries if entry is not None),
            self.at(tree),
        )

    def _entry(self, tree: ParseNode) -> ast.Entry:
        name, *values = tree.children
        return ast.Entry(str(name), tuple(self.expr(value) for value in values), self.at(tree))

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
        children = [child for child in tree.children if child is not None]
        nodes = [child for child in children if child.data == "arm"]
        statements = self._statements(children[: len(children) - len(nodes)])
        if not nodes and not all(map(arms.is_maker, statements)):
            return ast.Body(statements, (), self.at(tree))
        found = arms.made(statements)
        for node in nodes:
            inner = self._statements(child for child in node.children if child is not None)
            found += arms.split(inner, self.at(node))
        return ast.Body((), tuple(found), self.at(tree))

    def _whole_body(self, tree: ParseNode) -> ast.Body:
        """The body of a net, block or head, which has no arms; raises `NetdslError`."""
        children = [child for child in tree.children if child is not None]
        if any(child.data != "arm" for child in children):
            for child in children:
                arms.check_is_none(child.data, self.at(child))
        return self.body(tree)

    def _statements(self, nodes: Iterable[ParseNode]) -> tuple[ast.Statement, ...]:
        return tuple(map(self.statement, nodes))

    def _optional_body(self, tree: ParseNode | None) -> ast.Body | None:
        return None if tree is None else self.body(tree)

    def statement(self, tree: ParseNode) -> ast.Statement:
        """One statement of a body."""
        statement: ast.Statement = getattr(self, tree.data)(tree)
        return statement

    def let(self, tree: ParseNode) -> ast.Let:
        """`let name = value`."""
        name, value = tree.children
        return ast.Let(self.at(tree), str(name), self.expr(value))

    def input(self, tree: ParseNode) -> ast.Input:
        """`input name: sizes type = example`."""
        label, shape, dtype, example = tree.children
        last = shape if dtype is None else dtype
        return ast.Input(
            Span(self.source, tree.start_pos, last.end_pos),
            self._label(label),
            self.expr(shape),
            _optional_text(dtype),
            self._optional_expr(example),
        )

    def output(self, tree: ParseNode) -> ast.Output:
        """`output name: chain`."""
        chain = tree.children[0]
        if chain is None:
            return ast.Output(self.at(tree), None, None)
        label = None
        first_element = chain.children[0].children
        if len(first_element) > 1:  # the first label of the chain is the name of the output
            label = self._label(first_element.pop(0))
        return ast.Output(self.at(tree), label, self.chain(chain))

    def aux(self, tree: ParseNode) -> ast.Aux:
        """`aux name(...) { ... }`."""
        name, arguments, body = tree.children
        return ast.Aux(self.at(tree), str(name), self.arguments(arguments), self._whole_body(body))

    def expect(self, tree: ParseNode) -> ast.Expect:
        """`expect condition at sizes`."""
        condition, at = tree.children
        return ast.Expect(self.at(tree), self.expr(condition), self._optional_expr(at))

    def next(self, tree: ParseNode) -> ast.Next:
        """`next name = value`."""
        name, value = tree.children
        return ast.Next(self.at(tree), str(name), self.expr(value))

    def chain(self, tree: ParseNode) -> ast.Chain:
        """Elements joined by `->`."""
        return ast.Chain(self.at(tree), tuple(self.element(child) for child in tree.children))

    def element(self, tree: ParseNode) -> ast.Element:
        """One element of a chain, with its label."""
        *labels, node = tree.children
        if len(labels) > 1:
            message = f"`{labels[1][:-1]}` is a second label for the same layer"
            raise NetdslError(
                "two-labels",
                message,
                self.at(labels[1]),
                help="keep one of the labels: a layer has only one",
            )
        label = self._label(labels[0]) if labels else None
        element: ast.Element = getattr(self, "_" + node.data)(node, label)
        return element

    def _call(self, tree: ParseNode, label: ast.Pattern | None) -> ast.Call:
        callee, arguments, condition, *bodies = tree.children
        name = callee.children[0]
        return ast.Call(
            self.at(tree),
            label,
            str(name),
            self.at(name),
            self.arguments(arguments),
            self._optional_expr(condition),
            self._optional_body(bodies[0]) if bodies else None,
        )

    def _group(self, tree: ParseNode, label: ast.Pattern | None) -> ast.Group:
        return ast.Group(self.at(tree), label, self.body(tree.children[0]))

    def _reference(self, tree: ParseNode, label: ast.Pattern | None) -> ast.TakeUp:
        return ast.TakeUp(self.at(tree), label, self._take(tree.children[0]))

    def _formula(self, tree: ParseNode, label: ast.Pattern | None) -> ast.Formula:
        return ast.Formula(self.at(tree), label, self.expr(tree.children[0]))

    def _repeat(self, tree: ParseNode, label: ast.Pattern | None) -> ast.Repeat:
        count, variable, carried, body = tree.children
        return ast.Repeat(
            self.at(tree),
            label,
            self.expr(count),
            _optional_text(variable),
            self._carried(carried),
            self.body(body),
        )

    def _for(self, tree: ParseNode, label: ast.Pattern | None) -> ast.For:
        targets, values, carried, body = tree.children
        return ast.For(
            self.at(tree),
            label,
            names(targets),
            self.expr(values),
            self._carried(carried),
            self.body(body),
        )

    def _carried(self, tree: ParseNode | None) -> tuple[ast.Carried, ...]:
        """The values after `with`."""
        if tree is None:
            return ()
        return tuple(
            ast.Carried(str(name), self.expr(value), self.at(start))
            for start in tree.children
            for name, value in [start.children]
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
        if otherwise is None or otherwise.data != "if":
            else_body = self._optional_body(otherwise)
        else:
            nested = self._if(otherwise, None)
            chain = ast.Chain(nested.span, (nested,))
            else_body = ast.Body((chain,), (), nested.span)
            if arms.is_maker(chain):
                else_body = ast.Body((), (else_body,), nested.span)
        self._depth -= 1
        return ast.If(self.at(tree), label, self.expr(condition), self.body(then), else_body)


def _optional_text(token: Token | None) -> str | None:
    return None if token is None else str(token)
