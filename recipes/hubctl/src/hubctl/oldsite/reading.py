"""An old ``jupyterhub_config.py``: what it sets, read from its text.

It is a program, and what it sets could be had by running it. But it was written for another Python and another
JupyterHub, which it may import parts of; it may make folders, ask other servers, change PATH; and this command runs as
root, to look before anything is changed. So none of it is run: what is set in ``c`` is read with Python's own parser,
with the statements and expressions that such files are made of, and what can't be told that way is left to a person,
by its line.
"""

import ast
import re
from pathlib import Path
from typing import Any

from hubctl.errors import HubError
from hubctl.oldsite import overlooked
from hubctl.oldsite.expressions import Section, Symbol, Unknown, evaluate, is_known
from hubctl.oldsite.oldconfig import Inline, OldConfig, Option

_MOST_TURNS = 1000
"""Of a loop; longer ones are not read."""

_EMPTY: dict[str, Any] = {"append": [], "extend": [], "add": set(), "update": {}}
"""Methods that change a value in place, and what it was if nothing was."""

_REALM = re.compile(r"(?<![A-Za-z0-9.-])[A-Z][A-Z0-9-]*(?:\.[A-Z0-9-]+)+(?![A-Za-z0-9.-])")
_OF_KERBEROS = re.compile(r"kinit|krb5|kerberos|gssapi", re.IGNORECASE)


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
        left = overlooked.look(tree, reader.aliases, reader.understood)
    except RecursionError:
        raise HubError(f"{path} is nested too deeply to be read", "--config names another one") from None
    reader.found.loaded = left.loads
    reader.found.unread = left.unread | reader.found.unread
    return reader.found


class _Reader:
    """Follows the file's statements.

    Attributes:
        names: what the file's names stand for, and its options as ``c.JupyterHub.port``.
        aliases: names that have stood for the configuration or a section of it.
        understood: expressions that stand for it where it was used in a way that was followed.
    """

    def __init__(self, path: Path) -> None:
        self.found = OldConfig(path)
        self.names: dict[str, Any] = {"__file__": str(path), "c": Section(), "get_config": Symbol("get_config")}
        self.aliases = {"c": Section()}
        self.understood: set[ast.AST] = set()
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
        if isinstance(value, Section) and all(isinstance(target, ast.Name) for target in node.targets):
            self._understand(node.value)
        for target in node.targets:
            self._set(target, value, node.lineno)

    def _annassign(self, node: ast.AnnAssign) -> None:
        if node.value:
            self._set(node.target, evaluate(node.value, self.names), node.lineno)

    def _augassign(self, node: ast.AugAssign) -> None:
        owner = evaluate(node.target, self.names)
        if not isinstance(owner, Section):
            self._set(node.target, evaluate(ast.BinOp(node.target, node.op, node.value), self.names), node.lineno)
        elif isinstance(node.op, ast.BitOr):
            self._take_in(owner, node.target, [node.value], node.lineno, replace=True)

    def _delete(self, node: ast.Delete) -> None:
        for target in node.targets:
            if self._option(target) or isinstance(target, ast.Name):
                self._set(target, Unknown(), node.lineno)
            elif isinstance(target, ast.Subscript) and not isinstance(evaluate(target.value, self.names), Section):
                self._change(target.value, Unknown(), node.lineno)

    def _expr(self, node: ast.Expr) -> None:
        call = node.value
        if not isinstance(call, ast.Call):
            return
        if isinstance(call.func, ast.Attribute):
            owner = evaluate(call.func.value, self.names)
            if not isinstance(owner, Section):
                self._changed_in_place(call.func, call.args, node.lineno)
            elif call.func.attr in ("merge", "update"):
                given = [*call.args, *map(_keyword, call.keywords)]
                self._take_in(owner, call.func.value, given, node.lineno, replace=call.func.attr == "update")
        elif ast.unparse(call.func) == "setattr" and len(call.args) == 3:
            owner, name, value = call.args
            if isinstance(evaluate(owner, self.names), Section):
                target = ast.Subscript(owner, name, ast.Store())
                self._set(target, evaluate(value, self.names), node.lineno)

    def _changed_in_place(self, method: ast.Attribute, arguments: list[ast.expr], line: int) -> None:
        """``c.Authenticator.whitelist.add("alice")``, and the same of a name."""
        owner, how = method.value, method.attr
        is_option = self._option(owner) is not None
        if not is_option and not isinstance(owner, ast.Name):
            return
        after: Any = Unknown()
        if len(arguments) == 1 and how in _EMPTY:
            given = evaluate(arguments[0], self.names)
            after = _joined(self._before(owner, _EMPTY[how]), [given] if how in ("append", "add") else given)
        if is_option or isinstance(evaluate(owner, self.names), list | set | dict):
            self._change(owner, after, line)

    def _before(self, owner: ast.expr, empty: Any) -> Any:
        """What an option or a name holds; an option that nothing was set for is empty."""
        option = self._option(owner)
        return empty if option and option not in self.found.options else evaluate(owner, self.names)

    def _change(self, owner: ast.expr, after: Any, line: int) -> None:
        """Sets it, and all else that is the same list, set or dictionary."""
        before = evaluate(owner, self.names)
        self._set(owner, after, line)
        if not isinstance(before, list | set | dict):
            return
        for name in [name for name, value in self.names.items() if value is before]:
            if option := self.found.options.get(name.removeprefix("c.")):
                self._set_option(option.name, after, option.line)  # its own line says more than that of an alias
            else:
                self._set_name(name, after)

    def _if(self, node: ast.If) -> None:
        test = evaluate(node.test, self.names)
        if is_known(test) and not isinstance(test, Symbol):
            self.block(node.body if test else node.orelse)
            self._skip(node.orelse if test else node.body)
            return
        self._perhaps([*node.body, *node.orelse])

    def _for(self, node: ast.For) -> None:
        over = evaluate(node.iter, self.names)
        if isinstance(over, list | tuple | set | dict) and is_known(over) and len(over) <= _MOST_TURNS:
            for value in over:
                self._set(node.target, value, node.lineno)
                self.block(node.body)
            if not over:
                self._skip(node.body)
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

    def _skip(self, body: list[ast.stmt]) -> None:
        """What is never reached does nothing to the configuration."""
        self.understood.update(inner for statement in body for inner in ast.walk(statement))

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

    def _option(self, node: ast.expr) -> str | None:
        """``JupyterHub.port`` for ``c.JupyterHub.port``, ``c["JupyterHub"]["port"]``, ``hub.port``."""
        if not isinstance(node, ast.Attribute | ast.Subscript):
            return None
        owner, key = evaluate(node.value, self.names), self._key(node)
        return f"{owner.name}.{key}" if isinstance(owner, Section) and owner.name and isinstance(key, str) else None

    def _key(self, node: ast.Attribute | ast.Subscript) -> Any:
        return node.attr if isinstance(node, ast.Attribute) else evaluate(node.slice, self.names)

    def _set(self, target: ast.expr, value: Any, line: int) -> None:
        if isinstance(target, ast.Name):
            self._set_name(target.id, value)
        elif isinstance(target, ast.Attribute | ast.Subscript):
            owner, key = evaluate(target.value, self.names), self._key(target)
            if isinstance(owner, Section):
                self._understand(target)
                self._set_below(owner, key, value, line, replace=True)
            elif isinstance(target, ast.Subscript):
                key = key if isinstance(key, str | int) else Unknown()
                self._change(target.value, _joined(self._before(target.value, {}), {key: value}), line)
            elif isinstance(root := _root(target), ast.Name) and isinstance(self.names.get(root.id), dict):
                self._set_name(root.id, Unknown())  # Config() is one that has attributes
        elif isinstance(target, ast.Tuple | ast.List):
            values = value if isinstance(value, list | tuple) and len(value) == len(target.elts) else None
            for index, part in enumerate(target.elts):
                self._set(part, values[index] if values else Unknown(), line)

    def _set_name(self, name: str, value: Any) -> None:
        if isinstance(value, Section):
            self.aliases[name] = value
        elif self.uncertain:
            value = self.names[name] if isinstance(self.names.get(name), Section) else Unknown()
        self.names[name] = value
        if "realm" in name.lower() and isinstance(value, str) and _REALM.fullmatch(value):
            self.found.realms.append(value)

    def _set_option(self, option: str, value: Any, line: int) -> None:
        self.found.options[option] = Option(option, Unknown() if self.uncertain else value, line)
        self.names[f"c.{option}"] = self.found.options[option].value

    def _set_below(
        self, section: Section, key: Any, value: Any, line: int, replace: bool, node: ast.expr | None = None
    ) -> None:
        """An option, or a section with all that is in it.

        Args:
            replace: whether a section loses what it had.
            node: what the value is written as.
        """
        if isinstance(key, str) and section.name:
            self._set_option(f"{section.name}.{key}", value, line)
        elif isinstance(key, str) and isinstance(value, dict):
            if replace:
                self._empty(key)
            for name, inner in value.items():
                below = _entry(node, name)
                self._set_below(Section(key), name, inner, below.lineno if below else line, replace)
        else:
            known = [key] if isinstance(key, str) and key.isidentifier() else []
            self.found.unread[line] = ".".join(["c", *filter(None, [section.name]), *known])

    def _empty(self, section: str) -> None:
        for option in [option for option in self.found.options.values() if option.name.startswith(f"{section}.")]:
            if self.uncertain:
                self._set_option(option.name, Unknown(), option.line)
            else:
                del self.found.options[option.name], self.names[f"c.{option.name}"]

    def _take_in(self, section: Section, owner: ast.expr, given: list[ast.expr], line: int, replace: bool) -> None:
        """``c.merge({"JupyterHub": {…}})``, ``c.JupyterHub.update(port=443)``, ``c |= {…}``."""
        for node in given:
            values = evaluate(node, self.names)
            if not isinstance(values, dict):
                return  # then it is not understood
            for key, value in values.items():
                below = _entry(node, key)
                self._set_below(section, key, value, below.lineno if below else line, replace, below)
        self._understand(owner)

    def _understand(self, node: ast.expr) -> None:
        self.understood.add(_root(node))


def _root(node: ast.expr) -> ast.expr:
    """``c`` of ``c.JupyterHub["port"]``."""
    while isinstance(node, ast.Attribute | ast.Subscript):
        node = node.value
    return node


def _keyword(given: ast.keyword) -> ast.expr:
    """A named argument as a dictionary; that of ``**more`` is one."""
    key = ast.Constant(given.arg, lineno=given.lineno)
    return ast.Dict([key], [given.value]) if given.arg else given.value


def _entry(node: ast.expr | None, key: Any) -> ast.expr | None:
    """Where a dictionary is written out: what is written for a key."""
    if isinstance(node, ast.Call) and len(node.args) == 1:
        node = node.args[0]  # Config({…})
    if not isinstance(node, ast.Dict):
        return None
    written = zip(node.keys, node.values, strict=True)
    return next((value for name, value in written if isinstance(name, ast.Constant) and name.value == key), None)


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
