"""Where a configuration file does to the configuration what was not followed, so that a person can look there.

What was followed is known. All else that the file does with the configuration, or with a name of it, is one of two: it
only looks at an option, which changes nothing; or it is told.
"""

import ast
import itertools
from collections.abc import Iterator, Mapping, Set
from dataclasses import dataclass, field

from hubctl.oldsite.expressions import Section

_LOADERS = ("load_subconfig", "exec", "execfile", "runpy.run_path")
_LOOKS = ("get", "copy", "keys", "values", "items", "format", "split", "strip", "lower", "upper", "join", "union")
"""Methods of an option's value that leave it as it is."""


@dataclass
class Left:
    """What was not followed, by lines.

    Attributes:
        loads: how further files are loaded.
        unread: the part of the configuration that something is done to.
    """

    loads: dict[int, str] = field(default_factory=dict)
    unread: dict[int, str] = field(default_factory=dict)


def look(tree: ast.Module, aliases: Mapping[str, Section], understood: Set[ast.AST]) -> Left:
    """Goes through a whole file, the bodies of functions and classes, too.

    Args:
        tree: the file.
        aliases: names of the configuration and its sections.
        understood: expressions that stand for one of these where it was followed, and all that is never reached.
    """
    looker = _Looker(aliases, understood)
    looker.visit(tree)
    return looker.left


class _Looker(ast.NodeVisitor):
    def __init__(self, aliases: Mapping[str, Section], understood: Set[ast.AST]) -> None:
        self.aliases = aliases
        self.understood = understood
        self.left = Left()

    def visit_Name(self, node: ast.Name) -> None:
        if not isinstance(node.ctx, ast.Store):  # else it is another thing from here on
            self._used(node)

    def visit_Attribute(self, node: ast.Attribute) -> None:
        self._used(node)

    def visit_Subscript(self, node: ast.Subscript) -> None:
        self._used(node)

    def visit_AugAssign(self, node: ast.AugAssign) -> None:
        if self._path(node.target) is not None:
            self._tell(node.target)
        self.generic_visit(node)

    def visit_Call(self, node: ast.Call) -> None:
        called = ast.unparse(node.func)
        if called in _LOADERS and node not in self.understood:
            self.left.loads[node.lineno] = called
        path = self._path(node.func)
        if path and isinstance(node.func, ast.Attribute) and not (len(path) > 2 and path[-1] in _LOOKS):
            self._tell(node.func.value)
        elif self._path(node) is not None:
            self._tell(node)
        self.generic_visit(node)

    def visit_FunctionDef(self, node: ast.FunctionDef | ast.AsyncFunctionDef) -> None:
        declared = {name for inner in ast.walk(node) if isinstance(inner, ast.Global) for name in inner.names}
        self._inside(node, _bound(node) - declared)

    visit_AsyncFunctionDef = visit_FunctionDef

    def _inside(self, node: ast.AST, names: set[str]) -> None:
        """Where these names are others."""
        outside, self.aliases = self.aliases, {name: self.aliases[name] for name in self.aliases.keys() - names}
        self.generic_visit(node)
        self.aliases = outside

    def _scope(self, node: ast.expr) -> None:
        self._inside(node, _bound(node))

    visit_Lambda = visit_ListComp = visit_SetComp = visit_DictComp = visit_GeneratorExp = _scope

    def _used(self, node: ast.Name | ast.Attribute | ast.Subscript) -> None:
        path = self._path(node)
        if path is None:
            self.generic_visit(node)
            return
        if len(path) < 2 or not isinstance(node.ctx, ast.Load):
            self._tell(node)
        for step in _steps(node):
            if isinstance(step, ast.Subscript):
                self.visit(step.slice)

    def _path(self, node: ast.AST) -> list[str] | None:
        """``["JupyterHub", "port"]`` of ``c.JupyterHub.port``; None where it is no part of the configuration."""
        steps = [*_steps(node)]
        root = steps[-1].value if steps else node
        if isinstance(root, ast.Call) and ast.unparse(root.func) == "get_config":
            section = Section()
        elif isinstance(root, ast.Name) and root.id in self.aliases:
            section = self.aliases[root.id]
        else:
            return None
        return [*filter(None, [section.name]), *map(_key, reversed(steps))]

    def _tell(self, node: ast.expr) -> None:
        steps = [*_steps(node)]
        if (steps[-1].value if steps else node) in self.understood:
            return
        known = itertools.takewhile(str.isidentifier, self._path(node) or [])
        self.left.unread.setdefault(node.lineno, ".".join(["c", *known]))


def _steps(node: ast.AST) -> Iterator[ast.Attribute | ast.Subscript]:
    """``c.JupyterHub["port"]``, then ``c.JupyterHub``."""
    while isinstance(node, ast.Attribute | ast.Subscript):
        yield node
        node = node.value


def _key(step: ast.Attribute | ast.Subscript) -> str:
    """The name of a part; empty where that is not written there."""
    if isinstance(step, ast.Attribute):
        return step.attr
    return str(step.slice.value) if isinstance(step.slice, ast.Constant) else ""


def _bound(scope: ast.AST) -> set[str]:
    """Names that a function, a comprehension or a lambda has of its own."""
    return {
        inner.arg if isinstance(inner, ast.arg) else inner.id
        for inner in ast.walk(scope)
        if isinstance(inner, ast.arg) or (isinstance(inner, ast.Name) and isinstance(inner.ctx, ast.Store))
    }
