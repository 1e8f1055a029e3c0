"""A YAML file as plain data with the line of every key, read so that no file can hurt: bounded in every direction."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.error import MarkedYAMLError, YAMLError
from ruamel.yaml.events import CollectionEndEvent, CollectionStartEvent
from ruamel.yaml.nodes import MappingNode, Node, ScalarNode, SequenceNode

from bench.errors import InputError
from bench.scenario.problems import Key, Problem, shown

FILE_BYTES = 64 * 1024  # a scenario is a page or two
NODES = 5_000  # after aliases are expanded: this is what stops a "billion laughs" file
DEPTH = 20

_TRUE = frozenset({"true", "True", "TRUE"})


@dataclass(frozen=True, slots=True)
class Document:
    """The data of a file; `places` says where each key was written; `problems` were seen while reading."""

    data: dict[str, Any]
    file: str
    places: dict[Key, str] = field(default_factory=dict)
    problems: tuple[Problem, ...] = ()

    def place(self, key: Key) -> str:
        """Where `key`, or the nearest thing around it, was written."""
        while key and key not in self.places:
            key = key[:-1]
        return self.places.get(key, self.file)


def shown_path(path: Path) -> str:
    """A path as the user would type it."""
    try:
        return str(path.resolve().relative_to(Path.cwd()))
    except ValueError:
        return str(path)


def read_text(path: Path) -> str:
    """The text of a small UTF-8 file."""
    where = shown_path(path)
    try:
        size = path.stat().st_size
        if size > FILE_BYTES:
            raise InputError(
                "the file is too large to be a part of a scenario",
                where=where,
                expected=f"at most {FILE_BYTES} bytes",
                got=f"{size} bytes",
                repair="check that this is the file you meant",
            )
        return path.read_bytes().decode("utf-8-sig")
    except OSError as error:
        raise InputError(
            "the file cannot be read", where=where, got=error.strerror, repair="check the path and its permissions"
        ) from error
    except UnicodeDecodeError as error:
        raise InputError(
            "the file is not text in UTF-8",
            where=where,
            expected="UTF-8",
            got=f"byte 0x{error.object[error.start]:02x} at offset {error.start}",
            repair="save the file as UTF-8",
        ) from error


def read_document(path: Path) -> Document:
    """The mapping in a YAML file."""
    where = shown_path(path)
    node = _compose(read_text(path), where)
    if node is None or (isinstance(node, ScalarNode) and _scalar(node) is None):
        raise InputError(
            "the file is empty",
            where=where,
            expected="the keys of a scenario (summary, model, baseline, arms, load, primary)",
            repair="start from scenarios/demo/scenario.yaml",
        )
    if not isinstance(node, MappingNode):
        raise InputError(
            "the file is not a mapping of keys to values",
            where=f"{where}:{node.start_mark.line + 1}",
            expected="key: value",
            got="a list" if isinstance(node, SequenceNode) else shown(node.value),
        )
    reader = _Reader(where)
    data = reader.mapping(node, ())
    return Document(data, where, reader.places, tuple(reader.problems))


def parse_value(text: str, where: str) -> Any:
    """The value of one `--set key=value`, read as YAML."""
    node = _compose(text, where)
    return None if node is None else _Reader(where).value(node, ())


def relabelled(document: Document, key: Key, place: str) -> Document:
    """The document with another place for `key` and all that lies under it."""
    kept = {k: p for k, p in document.places.items() if k[: len(key)] != key}
    return replace(document, places={**kept, key: place})


def _compose(text: str, where: str) -> Node | None:
    try:
        _check_depth(text, where)
        return YAML(typ="safe", pure=True).compose(text)  # type: ignore[no-any-return]
    except MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        tab = "\\t" in str(error.problem)
        raise InputError(
            f"not YAML: {'a tab where YAML wants spaces' if tab else error.problem or error.context}",
            where=f"{where}:{mark.line + 1}" if mark else where,
            got=shown(text.splitlines()[mark.line]) if mark and mark.line < len(text.splitlines()) else None,
            repair="indent with spaces" if tab else "check the quotes, brackets and indentation there",
        ) from error
    except YAMLError as error:
        problem = str(error).splitlines()[0]
        raise InputError(f"not YAML: {problem}", where=where, repair="check that this is a text file") from error


def _check_depth(text: str, where: str) -> None:
    """Event by event, before anything recurses: the parser's time grows with the square of the depth."""
    depth = 0
    for event in YAML(typ="safe", pure=True).parse(text):
        depth += isinstance(event, CollectionStartEvent) - isinstance(event, CollectionEndEvent)
        if depth > DEPTH:
            line = event.start_mark.line + 1
            raise InputError("nested too deep", where=f"{where}:{line}", expected=f"at most {DEPTH} levels")


class _Reader:
    """Walks the nodes of one file, expanding aliases and counting what they cost."""

    def __init__(self, where: str) -> None:
        self.where = where
        self.places: dict[Key, str] = {}
        self.problems: list[Problem] = []
        self._nodes = 0

    def mapping(self, node: MappingNode, key: Key) -> dict[str, Any]:
        """A mapping; a key that comes twice is a problem, because one of the two values would be lost silently."""
        data: dict[str, Any] = {}
        for name_node, value_node in self._pairs(node, key):
            name = name_node.value
            here = (*key, name)
            line = name_node.start_mark.line + 1
            if name in data:
                first = self.places[here].rpartition(":")[2]
                text = f"this key comes twice (lines {first} and {line})"
                self.problems.append(Problem(key=here, text=text, repair="keep one of them"))
                continue
            self.places[here] = f"{self.where}:{line}"
            data[name] = self.value(value_node, here)
        return data

    def value(self, node: Node, key: Key) -> Any:
        """Any node as plain data."""
        self._spend(node, key)
        if isinstance(node, MappingNode):
            return self.mapping(node, key)
        if isinstance(node, SequenceNode):
            values = []
            for index, item in enumerate(node.value):
                self.places[(*key, index)] = f"{self.where}:{item.start_mark.line + 1}"
                values.append(self.value(item, (*key, index)))
            return values
        return _scalar(node)

    def _pairs(self, node: MappingNode, key: Key) -> Iterator[tuple[ScalarNode, Node]]:
        for name_node, value_node in node.value:
            if isinstance(name_node, ScalarNode):
                yield name_node, value_node
                continue
            text = f"a key on line {name_node.start_mark.line + 1} is not a word"
            self.problems.append(Problem(key=key, text=text, expected="key: value"))

    def _spend(self, node: Node, key: Key) -> None:
        self._nodes += 1
        if self._nodes > NODES:
            problem, expected = "the file grows without end when its aliases (*name) are filled in", f"{NODES} values"
        elif len(key) > DEPTH:
            problem, expected = "nested too deep", f"{DEPTH} levels"
        else:
            return
        raise InputError(
            problem,
            where=f"{self.where}:{node.start_mark.line + 1}",
            expected=f"at most {expected}",
            repair="write the values out, without anchors and aliases",
        )


def _scalar(node: Node) -> Any:
    kind = str(node.tag).rpartition(":")[2]
    text = str(node.value)
    if kind == "null":
        return None
    if kind == "bool":
        return text in _TRUE
    try:
        if kind == "int":
            return int(text, 0) if text[:1] == "0" and len(text) > 1 and not text.isdigit() else int(text)
        if kind == "float":
            return float(text)
    except ValueError:
        return text  # .inf, 1_000 and other spellings that no key takes: refused later as text, with the line
    return text
