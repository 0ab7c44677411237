"""Where in a TOML file a key stands: key path → line and column. Used only once something is wrong."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tree_sitter import Node

Path = tuple[str | int, ...]
Position = tuple[int, int]  # line and column, both from 1


def positions(data: bytes) -> dict[Path, Position]:
    """Where each key, array element and table header of a TOML document begins. `tomllib` gives no positions."""
    import tree_sitter_toml
    from tree_sitter import Language, Parser

    root = Parser(Language(tree_sitter_toml.language())).parse(data).root_node
    found: dict[Path, Position] = {}
    for path, node in _walk_document(root):
        found.setdefault(path, (node.start_point.row + 1, node.start_point.column + 1))
    return found


def position(known: dict[Path, Position], path: Path) -> Position:
    """The place of `path`, or of the nearest thing around it: a key that is missing is where its table begins."""
    for length in range(len(path), 0, -1):
        if (place := known.get(path[:length])) is not None:
            return place
    return (1, 1)


def _walk_document(root: Node) -> Iterator[tuple[Path, Node]]:
    counts: dict[Path, int] = {}  # array of tables → how many of its elements began so far
    for node in root.named_children:
        if node.type == "pair":
            yield from _walk_pair((), node)
        elif node.type in ("table", "table_array_element"):
            path = _header(node, counts)
            yield path, node
            for length in range(1, len(path)):
                yield path[:length], node
            for pair in node.named_children[1:]:
                if pair.type == "pair":
                    yield from _walk_pair(path, pair)


def _header(node: Node, counts: dict[Path, int]) -> Path:
    """The path a `[table]` or `[[array]]` header opens: each array on the way stands for its latest element."""
    keys = _keys(node.named_children[0])
    path: Path = ()
    for key in keys[:-1]:
        path = (*path, key)
        if path in counts:
            path = (*path, counts[path])
    path = (*path, keys[-1])
    if node.type == "table_array_element":
        counts[path] = counts.get(path, -1) + 1
        path = (*path, counts[path])
    return path


def _walk_pair(base: Path, pair: Node) -> Iterator[tuple[Path, Node]]:
    key, value = pair.named_children[0], pair.named_children[-1]
    path = base
    for name in _keys(key):
        path = (*path, name)
        yield path, pair
    yield from _walk_value(path, value)


def _walk_value(path: Path, value: Node) -> Iterator[tuple[Path, Node]]:
    if value.type == "inline_table":
        for pair in value.named_children:
            if pair.type == "pair":
                yield from _walk_pair(path, pair)
    elif value.type == "array":
        elements = [child for child in value.named_children if child.type != "comment"]
        for index, element in enumerate(elements):
            yield (*path, index), element
            yield from _walk_value((*path, index), element)


def _keys(node: Node) -> list[str]:
    if node.type == "dotted_key":
        return [key for child in node.named_children for key in _keys(child)]
    text = (node.text or b"").decode("utf-8", "replace")
    if node.type != "quoted_key":
        return [text]
    return [text[1:-1] if text.startswith("'") else str(ast.literal_eval(text))]
