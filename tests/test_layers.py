"""Which room may import which: the table of layers as data, held against the source by walking its imports.

An import counts wherever it stands, at the top of a module, inside a function or under TYPE_CHECKING: each makes one
room depend on the names of another. Late imports in `cli` only decide when a half is loaded; the child processes below
check that.
"""

from __future__ import annotations

import ast
import json
import statistics
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
BENCH = ROOT / "bench"

NOUNS = {"vocabulary", "image_vocabulary", "metric_names", "anatomy", "container", "model", "record", "conclusion"}
LAYER_0 = {"__init__", "cache", "errors", "clock", "events", "secrets", "voids"} | NOUNS
LAYER_1 = LAYER_0 | {"wire"}
LAYER_2 = LAYER_1 | {"scenario", "engines", "store"}
LAYER_3 = LAYER_2 | {"dockerhost"}
LAYER_4 = LAYER_3 | {"images", "runtimes", "load", "probes"}
LEFT = LAYER_4 - LAYER_2 | {"plan", "doctor", "preparing", "calibration", "launching", "measure", "resuming"}
RIGHT = {"analysis", "report", "imports"}

MAY_IMPORT = {
    **dict.fromkeys(LAYER_0, LAYER_0),  # the nouns among themselves and the version, nothing else
    "wire": LAYER_0,
    **dict.fromkeys(("scenario", "engines", "store"), LAYER_1),
    "dockerhost": LAYER_0,
    **dict.fromkeys(("images", "runtimes", "load", "probes"), LAYER_3),
    "preparing": LAYER_4 | {"plan"},  # images, weights and profiles, before the first launch
    **dict.fromkeys(("plan", "doctor", "calibration", "resuming"), LAYER_4),
    "launching": LAYER_4 | {"plan"},  # the flow of one launch
    "measure": LAYER_4 | {"plan", "calibration", "launching", "preparing"},  # the flow of a run
    "analysis": LAYER_2,
    "report": LAYER_2 | {"analysis"},
    "imports": LAYER_2,
    "cli": LEFT | RIGHT | LAYER_4,
    "__main__": {"cli"},
}
# One module of a room that is otherwise out of reach.
MAY_IMPORT_MODULE = {("runtimes", "bench.images.pull"), ("runtimes", "bench.probes.gpufacts")}
PATCHES_THE_PROCESS = {"gevent", "locust"}
LOAD_CHILD = "bench.load.user"  # runs in a process of its own
LEFT_ONLY = [
    "docker",
    "locust",
    "gevent",
    "psutil",
    "httpx",
    "prometheus_client",
    "tokenizers",
    "pynvml",
    "cyclonedx",
    "xllamacpp",
    "gguf",
]  # extras run, demo

FILES = sorted(BENCH.rglob("*.py"))


def name_of(file: Path) -> str:
    parts = file.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def room_of(module: str) -> str:
    return module.split(".")[1] if "." in module else "__init__"


MODULES = {name_of(file): file for file in FILES}


def imports_of(file: Path) -> Iterator[tuple[int, str]]:
    """(line, absolute module) of every import statement, and of import_module("a constant")."""
    for node in ast.walk(ast.parse(file.read_text())):
        if isinstance(node, ast.Import):
            yield from ((node.lineno, alias.name) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{file}:{node.lineno}: relative import"
            for alias in node.names:  # `from bench import plan` names a module, `from bench.model import Arm` does not
                full = f"{node.module}.{alias.name}"
                yield node.lineno, full if full in MODULES else str(node.module)
        elif (
            isinstance(node, ast.Call)
            and ast.unparse(node.func).endswith("import_module")
            and isinstance(node.args[0], ast.Constant)
        ):
            yield node.lineno, str(node.args[0].value)


IMPORTS = {module: list(imports_of(file)) for module, file in MODULES.items()}


def test_every_room_has_a_layer() -> None:
    assert {room_of(module) for module in MODULES} <= set(MAY_IMPORT)


def test_no_room_reaches_where_it_may_not() -> None:
    wrong = [
        f"{MODULES[module].relative_to(ROOT)}:{line} imports {target}"
        for module, found in IMPORTS.items()
        for line, target in found
        if target.split(".")[0] == "bench"
        and room_of(target) not in MAY_IMPORT[room_of(module)] | {room_of(module)}
        and (room_of(module), target) not in MAY_IMPORT_MODULE
    ]
    assert not wrong, "\n".join(wrong)


def test_the_two_halves_of_the_table_never_meet() -> None:
    assert not any(MAY_IMPORT[room] & RIGHT for room in LEFT)
    assert not any(MAY_IMPORT[room] & LEFT for room in RIGHT)


def test_only_the_load_child_imports_what_patches_sockets() -> None:
    importers: dict[str, set[str]] = {module: set() for module in MODULES}
    for module, found in IMPORTS.items():
        for _, target in found:
            importers.get(target, set()).add(module)
    child = {LOAD_CHILD}
    while grown := {m for m, by in importers.items() if by and by <= child} - child:
        child |= grown
    assert importers.get(LOAD_CHILD, set()) <= child, "the load child is started as a process, never imported"
    patched = {module for module, found in IMPORTS.items() if {t.split(".")[0] for _, t in found} & PATCHES_THE_PROCESS}
    assert patched <= child


CHILD = """
import json, runpy, sys
class Blocked:
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] in {blocked!r}:
            raise ModuleNotFoundError("No module named " + repr(name), name=name)
sys.meta_path.insert(0, Blocked())
code = 0
try:
{body}
except SystemExit as exit:
    code = exit.code or 0
print("\\n" + json.dumps({{"code": code, "modules": sorted(sys.modules)}}))
"""


def modules_after(body: str, blocked: list[str]) -> set[str]:
    """The modules that a fresh Python has loaded after `body`."""
    lines = "\n".join(f"    {line}" for line in body.splitlines())
    done = subprocess.run(
        [sys.executable, "-c", CHILD.format(body=lines, blocked=blocked)],
        capture_output=True, text=True, cwd=ROOT, timeout=60, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    end = json.loads(done.stdout.splitlines()[-1])
    assert end["code"] == 0, done.stdout + done.stderr
    return set(end["modules"])


def verb(*words: str) -> str:
    return f"sys.argv = ['nimbench', *{list(words)!r}]\nrunpy.run_module('bench', run_name='__main__')"


@pytest.mark.parametrize("words", [("plan", "demo"), ("run", "--help"), ("report", "--help"), ("load", "--help")])
def test_no_verb_loads_gevent_into_its_own_process(words: tuple[str, ...]) -> None:
    assert not PATCHES_THE_PROCESS & modules_after(verb(*words), blocked=[])


def test_report_verb_loads_no_module_of_the_left_half() -> None:
    loaded = modules_after(verb("report", "--help"), blocked=LEFT_ONLY)
    assert not {name for name in loaded if name.startswith("bench.") and room_of(name) in LEFT}


def test_base_install_carries_the_right_half() -> None:
    base = [m for m in MODULES if room_of(m) in LAYER_2 | RIGHT]
    body = f"import importlib\nfor name in {base!r}:\n    importlib.import_module(name)"
    loaded = modules_after(body, blocked=LEFT_ONLY)
    assert set(base) <= loaded


def test_every_module_starts_with_its_responsibility() -> None:
    silent = [module for module, file in MODULES.items() if not ast.get_docstring(ast.parse(file.read_text()))]
    assert not silent


def test_no_module_is_over_250_lines_and_half_are_within_130() -> None:
    lines = {module: len(file.read_text().splitlines()) for module, file in MODULES.items()}
    assert not {module: count for module, count in lines.items() if count > 250}
    assert statistics.median(lines.values()) <= 130


def test_only_cli_and_child_programs_print_or_exit() -> None:
    ending = [
        f"{file.relative_to(ROOT)}:{node.lineno}"
        for module, file in MODULES.items()
        if room_of(module) != "cli" and "__main__" not in file.read_text()
        for node in ast.walk(ast.parse(file.read_text()))
        if isinstance(node, ast.Call) and ast.unparse(node.func) in {"print", "sys.exit", "click.echo"}
    ]
    assert not ending


@pytest.mark.parametrize("name", ["align", "pin", "doctor", "plan", "run"])
def test_help_of_a_verb_for_measuring_hosts_needs_none_of_their_packages(name: str) -> None:
    assert modules_after(verb(name, "--help"), blocked=LEFT_ONLY)
