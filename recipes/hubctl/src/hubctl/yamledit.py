"""Changes inside a YAML tree that keep its comments.

ruamel.yaml keeps a comment with the value that stands before it, so what is written below a value, about the next one,
would go with the value when it is replaced or removed: here it is moved to where the next value still comes after it.
"""

import io
from collections.abc import Iterator
from typing import Any

from ruamel.yaml.comments import CommentedMap, CommentedSeq
from ruamel.yaml.error import CommentMark
from ruamel.yaml.tokens import CommentToken

from hubctl import yamlfile


def assign(section: CommentedMap | CommentedSeq, key: str | int, value: Any) -> None:
    """Puts ``value`` in the place of what was there. Comments beside that go with it, lines of comments stay."""
    below = "".join(_within(section, key)) + _cut(section, key) if _has(section, key) else ""
    section[key] = value
    _add(section, key, below)


def append(section: CommentedMap, key: str, item: Any) -> None:
    """One more item at the end of the list ``section[key]``."""
    items = section[key]
    if not items:
        items.fa.set_flow_style()  # `[]` becomes `[item]`
    below = _cut(section, key)
    items.append(item)
    _add(section, key, below)


def remove_item(section: CommentedMap, key: str, index: int) -> None:
    """Takes an item out of the list ``section[key]``, with the comments in it."""
    items = section[key]
    below = _cut(items, index)
    del items[index]
    if index > 0:
        _add(items, index - 1, below)
    elif items:
        _write(section, key, below)
    else:
        items.fa.set_flow_style()
        _add(section, key, below)


def dump(tree: CommentedMap, text: str) -> str:
    """The tree as text, indented as ``text`` is, which it was read from."""
    yaml = yamlfile.round_trip()
    step = next(_steps(tree), 2)
    offset = next(_offsets(tree), step)
    yaml.indent(mapping=step, sequence=offset + 2, offset=offset)
    written = io.StringIO()
    yaml.dump(tree, written)
    # a file of comments alone has no tree that would hold them
    is_bare = not yamlfile.round_trip().load(text)
    return f"{text.rstrip()}\n{written.getvalue()}".lstrip("\n") if is_bare else written.getvalue()


def _steps(node: Any) -> Iterator[int]:
    """How much further the keys of sections are indented."""
    for child in node.values() if isinstance(node, CommentedMap) else ():
        if isinstance(child, CommentedMap) and _is_block(child):
            if child.lc.col is not None and node.lc.col is not None:
                yield child.lc.col - node.lc.col
            yield from _steps(child)


def _offsets(node: Any) -> Iterator[int]:
    """How much further the dashes of lists are indented than the key of the list."""
    for child in node.values() if isinstance(node, CommentedMap) else ():
        if isinstance(child, CommentedSeq) and _is_block(child) and child.lc.col is not None:
            yield child.lc.col - (node.lc.col or 0)
        yield from _offsets(child)


def _is_block(node: Any) -> bool:
    """Whether a section or list has lines of its own."""
    return isinstance(node, CommentedMap | CommentedSeq) and bool(node) and not node.fa.flow_style()


def _has(section: CommentedMap | CommentedSeq, key: str | int) -> bool:
    return key in section if isinstance(section, CommentedMap) else True


def _last(section: Any, key: Any) -> tuple[Any, Any]:
    """The value that stands last in ``section[key]``: the section or list that holds it, and its key there."""
    value = section[key]
    if not _is_block(value):
        return section, key
    return _last(value, next(reversed(value)) if isinstance(value, CommentedMap) else len(value) - 1)


def _slot(section: Any) -> int:
    """Where ruamel.yaml keeps the comment after a value."""
    return 2 if isinstance(section, CommentedMap) else 0


def _cut(section: Any, key: Any) -> str:
    """Takes away the lines below ``section[key]``, all that comes before the next value."""
    owner, last = _last(section, key)
    comments = owner.ca.items.get(last)
    token = comments[_slot(owner)] if comments else None
    if token is None:
        return ""
    own, _, below = token.value.partition("\n")
    if own.strip():
        token.value = f"{own}\n"
    else:
        comments[_slot(owner)] = None
    return str(below)


def _add(section: Any, key: Any, below: str) -> None:
    """Puts lines below ``section[key]``."""
    if not below:
        return
    _write(*_last(section, key), below)


def _write(owner: Any, key: Any, below: str) -> None:
    """Puts lines right after what stands at a key: before a list's first item, where a list does."""
    if not below:
        return
    comments = owner.ca.items.setdefault(key, [None] * 4)
    token = comments[_slot(owner)]
    if token is None:
        comments[_slot(owner)] = CommentToken(f"\n{below}", CommentMark(0), None)
    else:
        token.value = token.value.rstrip("\n") + "\n" + below


def _within(section: Any, key: Any) -> Iterator[str]:
    """The lines of comments inside of ``section[key]``; those below its last value are below it."""
    last_owner, last = _last(section, key)
    for owner, name in _values(section[key]):
        comments = owner.ca.items.get(name)
        token = comments[_slot(owner)] if comments else None
        if token is not None and not (owner is last_owner and name == last):
            yield token.value.partition("\n")[2]


def _values(node: Any) -> Iterator[tuple[Any, Any]]:
    """All that a section or list holds, in the order of their lines: what holds it, and its key there."""
    if isinstance(node, CommentedMap | CommentedSeq):
        for key in node if isinstance(node, CommentedMap) else range(len(node)):
            yield node, key
            yield from _values(node[key])
