"""
Small ways to break a Python file, found in its syntax tree.

Each mutant is the whole file with one place rewritten in its bytes, so that
line numbers and everything else stay. It compiles, and its tree differs from
the original's.
"""

from __future__ import annotations

import ast
import textwrap
from collections.abc import Iterator

from attrs import frozen

_SWAPPED: dict[type[ast.cmpop], ast.cmpop] = {
    ast.Eq: ast.NotEq(),
    ast.NotEq: ast.Eq(),
    ast.Lt: ast.LtE(),
    ast.LtE: ast.Lt(),
    ast.Gt: ast.GtE(),
    ast.GtE: ast.Gt(),
    ast.In: ast.NotIn(),
    ast.NotIn: ast.In(),
    ast.Is: ast.IsNot(),
    ast.IsNot: ast.Is(),
}
_OPERATORS: dict[type[ast.operator], ast.operator] = {
    ast.Add: ast.Sub(),
    ast.Sub: ast.Add(),
    ast.Mult: ast.FloorDiv(),
    ast.FloorDiv: ast.Mult(),
    ast.Div: ast.Mult(),
    ast.Mod: ast.Mult(),
}


@frozen
class Mutant:
    """One break: where, what kind, the line before and after, and the broken file."""

    file: str
    line: int
    kind: str
    before: str
    after: str
    broken: bytes


@frozen
class _Edit:
    """The bytes that `node` takes up become `text`."""

    node: ast.expr | ast.stmt
    kind: str
    text: str


def mutants_of(file: str, source: bytes) -> Iterator[Mutant]:
    """Every break of `source`, in the order of its tree."""
    tree = ast.parse(source)
    plain = ast.dump(tree)
    starts = _line_starts(source)
    for edit in _edits(tree):
        node = edit.node
        assert node.end_lineno is not None
        assert node.end_col_offset is not None
        start = starts[node.lineno - 1] + node.col_offset
        end = starts[node.end_lineno - 1] + node.end_col_offset
        broken = source[:start] + edit.text.encode() + source[end:]
        try:
            changed = ast.dump(ast.parse(broken))
        except SyntaxError:
            continue
        if changed == plain:
            continue
        yield Mutant(
            file,
            node.lineno,
            edit.kind,
            _one_line(source[starts[node.lineno - 1] : end]),
            _one_line(broken[starts[node.lineno - 1] : start + len(edit.text.encode())]),
            broken,
        )


def _line_starts(source: bytes) -> list[int]:
    starts = [0]
    for line in source.splitlines(keepends=True):
        starts.append(starts[-1] + len(line))
    return starts


def _one_line(text: bytes) -> str:
    return textwrap.shorten(text.decode(), 120, placeholder=" …")


def _edits(tree: ast.Module) -> Iterator[_Edit]:
    for node in _code(tree):
        match node:
            case ast.If(test=test) | ast.While(test=test) | ast.IfExp(test=test):
                yield _Edit(test, "condition negated", f"(not ({ast.unparse(test)}))")
            case ast.Compare(left=left, ops=[operator], comparators=[right]):
                swapped = ast.Compare(left, [_SWAPPED[type(operator)]], [right])
                yield _Edit(node, "comparison swapped", f"({ast.unparse(swapped)})")
            case ast.BoolOp(op=ast.And(), values=values):
                yield _Edit(node, "and → or", f"({ast.unparse(ast.BoolOp(ast.Or(), values))})")
            case ast.BoolOp(values=values):
                yield _Edit(node, "or → and", f"({ast.unparse(ast.BoolOp(ast.And(), values))})")
            case ast.UnaryOp(op=ast.Not(), operand=operand):
                yield _Edit(node, "not dropped", f"({ast.unparse(operand)})")
            case ast.BinOp(left=left, op=operation, right=right) if type(operation) in _OPERATORS:
                other = ast.BinOp(left, _OPERATORS[type(operation)], right)
                yield _Edit(node, "operator changed", f"({ast.unparse(other)})")
            case ast.Constant(value=value):
                for text in _other_constants(value):
                    yield _Edit(node, "constant changed", text)
            case ast.stmt():
                yield from _statement_edits(node)


def _other_constants(value: object) -> Iterator[str]:
    match value:
        case bool():
            yield repr(not value)
        case int() | float():
            yield repr(value + 1)
        case str() | bytes() if value:
            yield repr(value[:0])
        case _:
            pass


def _statement_edits(node: ast.stmt) -> Iterator[_Edit]:
    match node:
        case ast.Expr(value=ast.Call() | ast.Await() | ast.Yield()) | ast.AugAssign() | ast.Raise():
            yield _Edit(node, "statement dropped", "pass")
        case ast.Assign(targets=[ast.Attribute() | ast.Subscript()]) | ast.Delete():
            yield _Edit(node, "statement dropped", "pass")
        case ast.Return(value=ast.expr()):
            yield _Edit(node, "returns nothing", "return None")
        case ast.Break():
            yield _Edit(node, "break → continue", "continue")
        case ast.Continue():
            yield _Edit(node, "continue → break", "break")
        case ast.FunctionDef(body=body) | ast.AsyncFunctionDef(body=body):
            first, *rest = [statement for statement in body if not _is_docstring(statement)] or body
            # With nothing behind it, dropping the statement itself is the same break.
            if rest:
                text = f"return None\n{ast.unparse(first)}"
                yield _Edit(first, "early return", textwrap.indent(text, " " * first.col_offset).lstrip())
        case _:
            pass


def _is_docstring(statement: ast.stmt) -> bool:
    return isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Constant)


def _code(tree: ast.Module) -> Iterator[ast.expr | ast.stmt]:
    """The nodes that decide something when the program runs."""
    waiting: list[ast.AST] = [tree]
    while waiting:
        node = waiting.pop(0)
        if isinstance(node, ast.expr | ast.stmt):
            if _says_nothing(node):
                continue
            yield node
        for name, value in ast.iter_fields(node):
            if name in _TYPES_ONLY.get(type(node), ()):
                continue
            children = value if isinstance(value, list) else [value]
            waiting.extend(child for child in children if isinstance(child, ast.AST))


#: Fields that the type checker reads and the running program does not.
_TYPES_ONLY: dict[type[ast.AST], tuple[str, ...]] = {
    ast.FunctionDef: ("returns", "decorator_list"),
    ast.AsyncFunctionDef: ("returns", "decorator_list"),
    ast.ClassDef: ("decorator_list", "bases"),
    ast.arg: ("annotation",),
    ast.AnnAssign: ("annotation",),
    # An f-string's parts have no place of their own in older syntax trees.
    ast.JoinedStr: ("values",),
}


def _says_nothing(node: ast.expr | ast.stmt) -> bool:
    """Docstrings, imports, assertions for the type checker, and patterns of types."""
    match node:
        case ast.Import() | ast.ImportFrom() | ast.Assert():
            return True
        case ast.If(test=ast.Name(id="TYPE_CHECKING")):
            return True
        case ast.Expr(value=ast.Constant() | ast.Call(func=ast.Name(id="assert_never"))):
            return True
        case ast.Assign(targets=[ast.Name(id="__all__")]):
            return True
        case ast.AnnAssign(annotation=ast.Name(id="TypeAlias")):
            return True
        case ast.Call(func=ast.Name(id="cast" | "TypeVar" | "NewType")):
            return True
        case _:
            return False
