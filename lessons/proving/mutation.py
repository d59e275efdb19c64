"""Small damages to a solution, one at a time, of the kinds people do: the judges must notice most of them.

Works on the text through the syntax tree, so that a mutant reads like the program it came from. Damages
that no judge could see (a print, a poll that only serves callbacks) are not made.
"""

from __future__ import annotations

import ast
import copy
from collections.abc import Callable, Iterator
from dataclasses import dataclass

_DROPPED_CALLS = {"flush", "produce", "commit", "subscribe", "assign", "store_offsets", "close", "write_text"}
_DROPPED_KEYWORDS = {"key", "headers", "value", "partition", "timestamp"}
_QUIET = {"print", "log", "info", "debug"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Mutant:
    """One damaged program. what: the damage in a few words, with its line."""

    what: str
    text: str


def mutants(source: str, *, given: str = "") -> Iterator[Mutant]:
    """Every mutant of a program, in the order of its lines. given: the starter; its own lines stay whole."""
    tree = ast.parse(source)
    untouched = {line.strip() for line in given.splitlines()}
    lines = source.splitlines()
    seen = {ast.unparse(tree)}
    for index, node in enumerate(ast.walk(tree)):
        for line, what, damage in _placed_damages(node):
            if lines[line - 1].strip() in untouched:
                continue
            text = _damaged(tree, index, damage)
            if text is not None and text not in seen:
                seen.add(text)
                yield Mutant(what=f"line {line}: {what}", text=text + "\n")


Damage = Callable[[ast.AST], ast.AST | None]


def _placed_damages(node: ast.AST) -> Iterator[tuple[int, str, Damage]]:
    """(line, words, how) of each damage to one node; the entries of a dict have lines of their own."""
    if isinstance(node, ast.Dict) and len(node.keys) > 1:
        for n, key in enumerate(node.keys):
            if isinstance(key, ast.Constant):
                yield key.lineno, f"{key.value!r} left out of a dict", _without_item(n)
    for what, damage in _damages(node):
        yield getattr(node, "lineno", 1), what, damage


def _damages(node: ast.AST) -> Iterator[tuple[str, Damage]]:
    """(words, how) of each damage to one node; None from `how` means that the node is left out."""
    if isinstance(node, ast.Expr) and _called(node.value) in _DROPPED_CALLS:
        yield f"{_called(node.value)}() left out", _without_statement
    if isinstance(node, ast.Assign) and _called(node.value) in _DROPPED_CALLS:
        yield f"{_called(node.value)}() left out, its result 0", _result_nought
    if isinstance(node, ast.Call) and _called(node) not in _QUIET:
        yield from _call_damages(node)
    if _is_list_of_pairs(node):
        yield "one pair left out", _without_element(0)
    if isinstance(node, ast.For):
        yield "the loop ends after its first pass", _one_pass


def _is_list_of_pairs(node: ast.AST) -> bool:
    if not isinstance(node, ast.List | ast.Tuple) or len(node.elts) < 2 or not isinstance(node.ctx, ast.Load):
        return False
    return all(isinstance(one, ast.Tuple) for one in node.elts)


def _call_damages(node: ast.Call) -> Iterator[tuple[str, Damage]]:
    for n, keyword in enumerate(node.keywords):
        if keyword.arg in _DROPPED_KEYWORDS or _called(node) == "dict":
            yield f"{keyword.arg}= left out of {_called(node)}()", _without_keyword(n)
        if keyword.arg == "key":
            yield "the key made JSON", _json_key(n)
    if _called(node) == "dumps":
        yield "str() instead of json.dumps()", _as_str
    if _called(node) == "now" and node.args:
        yield "now() without a time zone", _without_arguments
    if _called(node) == "produce":
        yield "produce() called twice", _twice


def _damaged(tree: ast.Module, index: int, damage: Damage) -> str | None:
    """The program with the node of that number damaged."""
    fresh = copy.deepcopy(tree)
    target = list(ast.walk(fresh))[index]
    changed = _Replace(target, damage).visit(fresh)
    if changed is None:
        return None
    _fill_empty(changed)
    try:
        return ast.unparse(ast.fix_missing_locations(changed))
    except (ValueError, AttributeError):
        return None


class _Replace(ast.NodeTransformer):
    def __init__(self, target: ast.AST, damage: Damage) -> None:
        self._target, self._damage = target, damage

    def visit(self, node: ast.AST) -> ast.AST | None:
        if node is self._target:
            return self._damage(node)
        visited: ast.AST | None = super().visit(node)
        return visited


def _fill_empty(tree: ast.AST) -> None:
    for node in ast.walk(tree):
        body = getattr(node, "body", None)
        if isinstance(body, list) and not body:
            body.append(ast.Pass())


def _called(node: ast.AST) -> str:
    """The last word of what is called: flush for producer.flush(30)."""
    if not isinstance(node, ast.Call):
        return ""
    return node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")


def _without_statement(_node: ast.AST) -> ast.AST:
    return ast.Pass()


def _result_nought(node: ast.AST) -> ast.AST:
    assert isinstance(node, ast.Assign)
    return ast.Assign(targets=node.targets, value=ast.Constant(0))


def _as_str(node: ast.AST) -> ast.AST:
    assert isinstance(node, ast.Call)
    return ast.Call(func=ast.Name("str"), args=node.args[:1], keywords=[])


def _without_arguments(node: ast.AST) -> ast.AST:
    assert isinstance(node, ast.Call)
    return ast.Call(func=node.func, args=[], keywords=[])


def _without_item(n: int) -> Damage:
    def damage(node: ast.AST) -> ast.AST:
        assert isinstance(node, ast.Dict)
        return ast.Dict(
            keys=node.keys[:n] + node.keys[n + 1 :], values=node.values[:n] + node.values[n + 1 :]
        )

    return damage


def _without_element(n: int) -> Damage:
    def damage(node: ast.AST) -> ast.AST:
        assert isinstance(node, ast.List | ast.Tuple)
        return type(node)(elts=node.elts[:n] + node.elts[n + 1 :], ctx=ast.Load())

    return damage


def _without_keyword(n: int) -> Damage:
    def damage(node: ast.AST) -> ast.AST:
        assert isinstance(node, ast.Call)
        return ast.Call(func=node.func, args=node.args, keywords=node.keywords[:n] + node.keywords[n + 1 :])

    return damage


def _json_key(n: int) -> Damage:
    def damage(node: ast.AST) -> ast.AST:
        assert isinstance(node, ast.Call)
        dumps = ast.Attribute(
            value=ast.Call(func=ast.Name("__import__"), args=[ast.Constant("json")], keywords=[]),
            attr="dumps",
        )
        inner = ast.Call(func=ast.Name("str"), args=[node.keywords[n].value], keywords=[])
        quoted = ast.keyword(arg="key", value=ast.Call(func=dumps, args=[inner], keywords=[]))
        return ast.Call(
            func=node.func, args=node.args, keywords=[*node.keywords[:n], quoted, *node.keywords[n + 1 :]]
        )

    return damage


def _twice(node: ast.AST) -> ast.AST:
    assert isinstance(node, ast.Call)
    return ast.Tuple(elts=[node, copy.deepcopy(node)], ctx=ast.Load())


def _one_pass(node: ast.AST) -> ast.AST:
    assert isinstance(node, ast.For)
    return ast.For(target=node.target, iter=node.iter, body=[*node.body, ast.Break()], orelse=[])
