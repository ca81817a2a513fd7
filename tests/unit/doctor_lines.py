"""The lines that ``hubctl doctor`` can print, as its source has them; what differs from server to server is ``…``."""

import ast
import re
from collections.abc import Iterator
from dataclasses import dataclass

from forge.paths import ROOT

_SOURCES = ROOT / "recipes/hubctl/src/hubctl"
_KDC = ROOT / "recipes/jupyterhub-kerberos/src/jupyterhub_kerberos/kdc.py"
_MODULES = (*sorted((_SOURCES / "doctor").glob("*.py")), _SOURCES / "tlspair.py", _SOURCES / "certificate.py")
_ONE_OF = {_SOURCES / "images.py": "engine", _SOURCES / "condarecords.py": "read", _KDC: "principals"}
"""Those of other modules whose errors are findings."""

_Function = ast.FunctionDef | ast.AsyncFunctionDef

_STATES = {"ok": "ok", "warning": "warning", "fault": "fault", "HubError": "fault", "TicketError": "fault"}
"""What is called with a line, and what is told of it; an error ends the check."""


@dataclass(frozen=True, order=True)
class Line:
    """What is told, and how bad it is."""

    text: str
    state: str


def lines() -> set[Line]:
    """All of them, but for those that are other errors' words, or begin with them."""
    found = {line for function in _functions() for line in _of(function)}
    return {line for line in found if line.text != "…" and not line.text.startswith("…;")}


def _functions() -> Iterator[_Function]:
    for module in (*_MODULES, *_ONE_OF):
        nodes = [node for node in ast.walk(ast.parse(module.read_text())) if isinstance(node, _Function)]
        yield from (node for node in nodes if node.name == _ONE_OF.get(module, node.name))


def _of(function: _Function) -> Iterator[Line]:
    """The lines of one function. A name stands for what it is set to before its use."""
    known: dict[str, ast.expr] = {}
    nodes = sorted((node for node in ast.walk(function) if hasattr(node, "lineno")), key=lambda node: node.lineno)
    for node in nodes:
        if isinstance(node, ast.Assign):
            known |= dict(_assigned(node))
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in _STATES and node.args:
            yield Line(re.sub("…+", "…", _text(node.args[0], known)), _STATES[node.func.id])


def _assigned(node: ast.Assign) -> Iterator[tuple[str, ast.expr]]:
    for target in node.targets:
        names, values = (target.elts, node.value) if isinstance(target, ast.Tuple) else ([target], node.value)
        each = values.elts if isinstance(values, ast.Tuple) else [values]
        if len(names) == len(each):
            yield from ((name.id, value) for name, value in zip(names, each, strict=True) if isinstance(name, ast.Name))


def _text(node: ast.expr, known: dict[str, ast.expr]) -> str:
    if isinstance(node, ast.Constant):
        return str(node.value)
    if isinstance(node, ast.JoinedStr):
        return "".join(_text(part, known) for part in node.values)
    if isinstance(node, ast.FormattedValue):
        return _text(node.value, known)
    if isinstance(node, ast.Name) and isinstance(known.get(node.id), ast.JoinedStr | ast.Name):
        return _text(known[node.id], known)
    return "…"
