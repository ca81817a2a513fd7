"""An old ``jupyterhub_config.py``: what it sets, read from its text.

It is a program, and what it sets could be had by running it. But it was written for another Python and another
JupyterHub, which it may import parts of; it may make folders, ask other servers, change PATH; and this command runs as
root, to look before anything is changed. So none of it is run: assignments to ``c`` are read with Python's own parser,
with the expressions that such files are made of, and what can't be told that way is left to a person, by its line.
"""

import ast
import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from hubctl.errors import HubError
from hubctl.oldsite.expressions import Symbol, Unknown, evaluate, is_known

_MOST_TURNS = 1000
"""Of a loop; longer ones are not read."""

_EMPTY: dict[str, Any] = {"append": [], "extend": [], "add": set(), "update": {}}
"""Methods that change a value in place, and what it was if nothing was."""

_REALM = re.compile(r"(?<![A-Za-z0-9.-])[A-Z][A-Z0-9-]*(?:\.[A-Z0-9-]+)+(?![A-Za-z0-9.-])")
_OF_KERBEROS = re.compile(r"kinit|krb5|kerberos|gssapi", re.IGNORECASE)


@dataclass(frozen=True)
class Option:
    """Something that the file sets.

    Attributes:
        name: ``JupyterHub.port``.
        value: with ``Unknown`` where, or in what, only the running hub knows it.
        line: where it was set last.
    """

    name: str
    value: Any
    line: int


@dataclass(frozen=True)
class Inline:
    """A class that is written in the file.

    Attributes:
        bases: names of what it is derived from.
        of_kerberos: whether it has to do with Kerberos.
        realms: what looks like a realm in it.
    """

    name: str
    line: int
    bases: tuple[str, ...]
    of_kerberos: bool
    realms: tuple[str, ...]


@dataclass
class OldConfig:
    """What stands in the file.

    Attributes:
        options: by their names.
        classes: by their names.
        realms: values of names such as ``REALM``.
        unread: lines that load further files, and which.
        is_ours: whether it is the configuration of a hub of ours.
    """

    path: Path
    options: dict[str, Option] = field(default_factory=dict)
    classes: dict[str, Inline] = field(default_factory=dict)
    realms: list[str] = field(default_factory=list)
    unread: dict[int, str] = field(default_factory=dict)
    is_ours: bool = False


def read(path: Path) -> OldConfig:
    """Reads the file.

    Raises:
        HubError: it can't be read, or is not Python 3; no line of it is shown.
    """
    try:
        tree = ast.parse(path.read_bytes())
    except OSError as error:
        raise HubError(f"{path} can't be read: {error.strerror}", "run this as root") from None
    except SyntaxError as error:
        do = "mend that line in a copy of the file, and name the copy with --config"
        raise HubError(f"{path}:{error.lineno or 1}: not Python 3", do) from None
    except (ValueError, RecursionError, MemoryError):
        raise HubError(f"{path} is no Python file", "--config names another one") from None
    reader = _Reader(path)
    try:
        reader.block(tree.body)
    except RecursionError:
        raise HubError(f"{path} is nested too deeply to be read", "--config names another one") from None
    return reader.found


class _Reader:
    def __init__(self, path: Path) -> None:
        self.found = OldConfig(path)
        self.names: dict[str, Any] = {"__file__": str(path)}
        self.uncertain = 0
        """How many conditions that can't be told the current statement is below."""

    def block(self, body: list[ast.stmt]) -> None:
        for statement in body:
            method = getattr(self, f"_{type(statement).__name__.lower()}", None)
            if method:
                method(statement)

    # ---- statements ----

    def _import(self, node: ast.Import) -> None:
        for alias in node.names:
            self.names[alias.asname or alias.name.partition(".")[0]] = Symbol(
                alias.name if alias.asname else alias.name.partition(".")[0]
            )

    def _importfrom(self, node: ast.ImportFrom) -> None:
        self.found.is_ours |= node.module == "hubctl.configuration"
        for alias in node.names:
            self.names[alias.asname or alias.name] = Symbol(f"{node.module}.{alias.name}")

    def _assign(self, node: ast.Assign) -> None:
        value = evaluate(node.value, self.names)
        for target in node.targets:
            self._set(target, value, node.lineno)

    def _annassign(self, node: ast.AnnAssign) -> None:
        if node.value:
            self._set(node.target, evaluate(node.value, self.names), node.lineno)

    def _augassign(self, node: ast.AugAssign) -> None:
        value = evaluate(ast.BinOp(node.target, node.op, node.value), self.names)
        self._set(node.target, value, node.lineno)

    def _expr(self, node: ast.Expr) -> None:
        call = node.value
        if not isinstance(call, ast.Call):
            return
        called = ast.unparse(call.func)
        if called in ("load_subconfig", "exec", "execfile", "runpy.run_path"):
            self.found.unread[node.lineno] = called
        elif isinstance(call.func, ast.Attribute):
            self._changed_in_place(call.func, call.args, node.lineno)

    def _changed_in_place(self, method: ast.Attribute, arguments: list[ast.expr], line: int) -> None:
        """``c.Authenticator.whitelist.add("alice")``, and the same of a name."""
        owner, how = method.value, method.attr
        if _option(owner) is None and not isinstance(owner, ast.Name):
            return
        after: Any = Unknown()
        if len(arguments) == 1 and how in _EMPTY:
            given = evaluate(arguments[0], self.names)
            after = _joined(self._before(owner, _EMPTY[how]), [given] if how in ("append", "add") else given)
        if _option(owner) or how in _EMPTY:
            self._change(owner, after, line)

    def _before(self, owner: ast.expr, empty: Any) -> Any:
        """What an option or a name holds; an option that nothing was set for is empty."""
        option = _option(owner)
        return empty if option and option not in self.found.options else evaluate(owner, self.names)

    def _change(self, owner: ast.expr, after: Any, line: int) -> None:
        """Sets it, and all else that is the same list, set or dictionary."""
        before = evaluate(owner, self.names)
        self._set(owner, after, line)
        if not isinstance(before, list | set | dict):
            return
        for name in [name for name, value in self.names.items() if value is before]:
            named = self.found.options.get(name.removeprefix("c."))  # its own line says more than that of an alias
            self._set(ast.parse(name, mode="eval").body, after, named.line if named else line)

    def _if(self, node: ast.If) -> None:
        test = evaluate(node.test, self.names)
        if is_known(test) and not isinstance(test, Symbol):
            self.block(node.body if test else node.orelse)
            return
        self._perhaps([*node.body, *node.orelse])

    def _for(self, node: ast.For) -> None:
        over = evaluate(node.iter, self.names)
        if isinstance(over, list | tuple | set | dict) and is_known(over) and len(over) <= _MOST_TURNS:
            for value in over:
                self._set(node.target, value, node.lineno)
                self.block(node.body)
        else:
            self._set(node.target, Unknown(), node.lineno)
            self._perhaps(node.body)

    def _while(self, node: ast.While) -> None:
        self._perhaps(node.body)

    def _with(self, node: ast.With) -> None:
        for item in node.items:
            if item.optional_vars is not None:
                self._set(item.optional_vars, Unknown(), node.lineno)
        self.block(node.body)

    def _try(self, node: ast.Try) -> None:
        self._perhaps([*node.body, *(line for handler in node.handlers for line in handler.body), *node.orelse])
        self.block(node.finalbody)

    def _perhaps(self, body: list[ast.stmt]) -> None:
        self.uncertain += 1
        self.block(body)
        self.uncertain -= 1

    def _functiondef(self, node: ast.FunctionDef) -> None:
        self.names[node.name] = Symbol(node.name)

    def _asyncfunctiondef(self, node: ast.AsyncFunctionDef) -> None:
        self.names[node.name] = Symbol(node.name)

    def _classdef(self, node: ast.ClassDef) -> None:
        self.names[node.name] = Symbol(node.name)
        bases = tuple(ast.unparse(base).rpartition(".")[2] for base in node.bases)
        texts = [inner.value for inner in ast.walk(node) if isinstance(inner, ast.Constant)]
        realms = dict.fromkeys(realm for text in texts if isinstance(text, str) for realm in _REALM.findall(text))
        of_kerberos = bool(_OF_KERBEROS.search(ast.unparse(node)))
        self.found.classes[node.name] = Inline(node.name, node.lineno, bases, of_kerberos, tuple(realms))

    # ---- what is set ----

    def _set(self, target: ast.expr, value: Any, line: int) -> None:
        if self.uncertain:
            value = Unknown()
        if option := _option(target):
            self.found.options[option] = Option(option, value, line)
            self.names[f"c.{option}"] = value
        elif isinstance(target, ast.Name):
            self.names[target.id] = value
            if "realm" in target.id.lower() and isinstance(value, str) and _REALM.fullmatch(value):
                self.found.realms.append(value)
        elif isinstance(target, ast.Subscript):
            key = evaluate(target.slice, self.names)
            key = key if isinstance(key, str | int) else Unknown()
            self._change(target.value, _joined(self._before(target.value, {}), {key: value}), line)
        elif isinstance(target, ast.Tuple | ast.List):
            values = value if isinstance(value, list | tuple) and len(value) == len(target.elts) else None
            for index, part in enumerate(target.elts):
                self._set(part, values[index] if values else Unknown(), line)


def _option(node: ast.AST) -> str | None:
    """``JupyterHub.port`` for ``c.JupyterHub.port``."""
    if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Attribute):
        root = node.value.value
        is_c = isinstance(root, ast.Name) and root.id == "c"
        is_call = isinstance(root, ast.Call) and isinstance(root.func, ast.Name) and root.func.id == "get_config"
        if is_c or is_call:
            return f"{node.value.attr}.{node.attr}"
    return None


def _joined(before: Any, more: Any) -> Any:
    """A list, set or dictionary with more in it; ``Unknown`` where one of the two is."""
    try:
        if isinstance(before, dict):
            return {**before, **more}
        if isinstance(before, set):
            return before | set(more)
        return [*before, *more]
    except TypeError:
        return Unknown()
