"""What could be left out: no byte twice, nobody needed is named as certain, and every thing comes with its repair."""

from __future__ import annotations

import pytest

from bench.anatomy import GpuBinary, Saving
from bench.images.anatomy.binary import SYMBOLS
from bench.images.anatomy.entries import Entry, EntryKind, LayerContents, Visible
from bench.images.anatomy.packages import owners
from bench.images.anatomy.savings import savings
from bench.images.anatomy.wheels import unneeded
from bench.vocabulary import ByteGroup
from tests.images.anatomy.laid import laid, wheel

SITE = "opt/venv/lib/python3.12/site-packages"
MB = 1_000_000


def image(*wheels: tuple[str, str, int, tuple[str, ...]], sizes: dict[str, int] | None = None) -> Visible:
    """Each wheel is one library of so many megabytes."""
    files: dict[str, str] = {}
    large = dict(sizes or {})
    for name, version, megabytes, requires in wheels:
        files |= wheel(SITE, name, version, f"{name}/lib{name}.so", requires=requires)
        large[f"{SITE}/{name}/lib{name}.so"] = megabytes * MB
    return laid(files, sizes=large)


def found(
    visible: Visible, *binaries: GpuBinary, layers: tuple[LayerContents, ...] = (), arch: str | None = None
) -> dict[str, Saving]:
    rows = savings(visible, owners(visible), (), binaries, layers, needed_arch=arch)
    return {row.what: row for row in rows}


def test_what_nothing_requires_goes_with_what_only_it_needs() -> None:
    visible = image(
        ("vllm", "0.9", 100, ("torch",)), ("torch", "2.9", 100, ()),
        ("jupyter", "1.0", 10, ("notebook", "torch")), ("notebook", "7.0", 20, ()),
    )  # fmt: skip
    rows = found(visible)
    assert list(rows) == ["the wheel jupyter 1.0 with what only it needs: notebook"]
    row = rows["the wheel jupyter 1.0 with what only it needs: notebook"]
    assert (row.group, row.caution) == (ByteGroup.PYTHON, None)
    assert 30 * MB < row.disk_bytes < 30 * MB + 1000
    assert "pip uninstall --yes jupyter notebook" in row.how


def test_what_the_engine_asks_for_is_named_with_who_asks_and_for_what() -> None:
    visible = image(("vllm", "0.9", 100, ("ray",)), ("ray", "2.5", 60, ("msgpack",)), ("msgpack", "1.0", 2, ()))
    (row,) = found(visible).values()
    assert row.what == "the wheel ray 2.5 with what only it needs: msgpack"
    assert row.caution and row.caution.startswith("vllm asks for it: only an engine that spans several hosts")


def test_the_engine_and_what_it_needs_are_never_named() -> None:
    assert found(image(("vllm", "0.9", 100, ("numpy",)), ("numpy", "2.0", 30, ()))) == {}


def test_without_a_known_engine_nothing_is_certain() -> None:
    (row,) = found(image(("myserver", "1.0", 50, ()))).values()
    assert row.caution and "no engine was recognized" in row.caution


def test_an_extra_that_somebody_asks_for_counts_as_a_need_and_one_that_nobody_asks_for_does_not() -> None:
    optional = (("fastapi", "1", 2, ('uvicorn; extra == "standard"',)), ("uvicorn", "1", 3, ()))
    assert found(image(("vllm", "0.9", 9, ("fastapi[standard]",)), *optional)) == {}
    assert list(found(image(("vllm", "0.9", 9, ("fastapi",)), *optional))) == ["the wheel uvicorn 1"]


def test_a_requirement_for_another_python_or_that_cannot_be_read_is_told_apart() -> None:
    visible = image(("vllm", "0.9", 9, ('tomli; python_version < "3.11"', "!!")), ("tomli", "1", 3, ()))
    assert list(found(visible)) == ["the wheel tomli 1"]


def test_wheels_that_require_each_other_in_a_circle_end() -> None:
    circles = (("a", "1", 3, ("b",)), ("b", "1", 3, ("a",)), ("c", "1", 2, ("d",)), ("d", "1", 2, ("c",)))
    assert found(image(("vllm", "0.9", 9, ("a",)), *circles)) == {}


@pytest.mark.parametrize(("torch", "named"), [("2.9.1+cpu", True), ("2.9.1+cu128", False), ("2.9.1", False)])
def test_triton_is_of_no_use_to_a_torch_for_the_cpu_alone(torch: str, named: bool) -> None:
    visible = image(("vllm", "0.9", 9, ("torch", "triton")), ("torch", torch, 9, ()), ("triton", "3.5", 300, ()))
    assert ("the wheel triton 3.5" in found(visible)) is named


def test_no_byte_is_counted_twice() -> None:
    sizes = {
        f"{SITE}/jupyter/x.cpython-312.pyc": 5 * MB, f"{SITE}/jupyter/tests/data": 4 * MB,
        f"{SITE}/jupyter/l.a": 3 * MB,
        f"{SITE}/vllm/y.cpython-312.pyc": 2 * MB, "usr/share/doc/a": 6 * MB, "usr/share/locale/de/a": 7 * MB,
        "var/lib/apt/lists/a": 8 * MB, "root/.cache/pip/a": 9 * MB,
    }  # fmt: skip
    files = wheel(SITE, "vllm", "0.9", "vllm/lib.so", "vllm/y.cpython-312.pyc")
    files |= wheel(SITE, "jupyter", "1.0", "jupyter/x.cpython-312.pyc", "jupyter/tests/data", "jupyter/l.a")
    visible = laid(files, sizes=sizes)
    visible.scanned[f"{SITE}/jupyter/tests/data"] = {SYMBOLS: 3 * MB}
    rows = found(visible)
    wheel_row = rows.pop("the wheel jupyter 1.0")
    assert 12 * MB < wheel_row.disk_bytes < 12 * MB + 1000  # it is the largest, so all of it is its own
    assert {row.what: row.disk_bytes // MB for row in rows.values()} == {
        "Python's bytecode": 2, "manuals": 6, "locales of other languages": 7, "apt's lists and archives": 8,
        "the cache of pip or uv": 9,
    }  # fmt: skip
    assert sum(row.disk_bytes for row in rows.values()) + wheel_row.disk_bytes <= sum(
        entry.disk_bytes for entry in visible.files.values()
    )


def test_parts_of_a_file_and_the_rest_of_it_add_up_to_no_more_than_the_file() -> None:
    visible = image(("vllm", "0.9", 9, ("torch", "torchaudio")), ("torch", "2.9", 100, ()), ("torchaudio", "2", 50, ()))
    library = f"{SITE}/torchaudio/libtorchaudio.so"
    visible.scanned[f"{SITE}/torch/libtorch.so"] = {SYMBOLS: 30 * MB}
    visible.scanned[library] = {SYMBOLS: 45 * MB, "sm_80": 4 * MB, "sm_90": MB}
    binary = GpuBinary(
        path=library, disk_bytes=50 * MB, package="torchaudio 2", arch_bytes={"sm_80": 4 * MB, "sm_90": MB}
    )
    rows = found(visible, binary, arch="sm_90")
    assert sum(row.disk_bytes for what, row in rows.items() if "torch" in what or "symbols" in what) < 81 * MB
    symbols = next(row for what, row in rows.items() if what.startswith("symbols"))
    assert symbols.disk_bytes == 75 * MB and "strip --strip-unneeded" in symbols.how
    assert symbols.what == "symbols for debuggers: libtorchaudio.so, libtorch.so"


def test_symbols_of_a_wheel_that_goes_are_not_named_again() -> None:
    visible = image(("vllm", "0.9", 9, ("torch", "torchaudio")), ("torch", "2.9", 100, ()), ("torchaudio", "2", 80, ()))
    visible.scanned[f"{SITE}/torch/libtorch.so"] = {SYMBOLS: 30 * MB}
    visible.scanned[f"{SITE}/torchaudio/libtorchaudio.so"] = {SYMBOLS: 45 * MB}
    rows = found(visible)
    assert rows["symbols for debuggers: libtorch.so"].disk_bytes == 30 * MB


def test_code_for_other_gpus_is_counted_for_the_gpu_that_is_asked_for() -> None:
    path = f"{SITE}/torch/libtorch.so"
    visible = image(("vllm", "0.9", 9, ("torch",)), ("torch", "2.9", 100, ()))
    binary = GpuBinary(
        path=path, disk_bytes=100 * MB, package="torch 2.9", arch_bytes={"sm_80": 40 * MB, "sm_90a": 30 * MB}
    )
    (row,) = found(visible, binary, arch="sm_90").values()
    assert (row.disk_bytes, row.wire_bytes, row.group) == (40 * MB, 20 * MB, ByteGroup.GPU_LIBRARY)
    assert "TORCH_CUDA_ARCH_LIST=9.0" in row.how and "sm_80, sm_90a" in row.what and row.caution
    assert found(visible, binary) == {}


def test_a_compiler_is_needed_only_where_torch_is() -> None:
    status = "Package: g++-12\nStatus: install ok installed\nVersion: 12.2\n\n"
    files = {"var/lib/dpkg/status": status, "var/lib/dpkg/info/g++-12.list": "/.\n/usr\n/usr/lib/cc1plus\n"}
    plain = laid(files, sizes={"usr/lib/cc1plus": 30 * MB})
    (row,) = found(plain).values()
    assert row.what == "compilers and other build tools: g++-12" and row.caution is None
    with_torch = image(("vllm", "1", 9, ("torch",)), ("torch", "2", 9, ()), sizes={"usr/lib/cc1plus": 30 * MB})
    with_torch.files |= plain.files
    with_torch.kept |= plain.kept
    (row,) = found(with_torch).values()
    assert row.caution and "--enforce-eager" in row.caution


def test_what_a_later_layer_deletes_is_carried_all_the_same() -> None:
    layers = (
        LayerContents(index=0, diff_id="sha256:a", entries=[Entry("base", EntryKind.FILE, 0, 9 * MB, 4 * MB)]),
        LayerContents(index=1, diff_id="sha256:b", entries=[Entry("wheels/a.whl", EntryKind.FILE, 1, 5 * MB, 5 * MB)]),
        LayerContents(index=2, diff_id="sha256:c", entries=[Entry("wheels", EntryKind.WHITEOUT, 2)]),
    )
    (row,) = found(laid(), layers=layers).values()
    assert (row.disk_bytes, row.wire_bytes) == (5 * MB, 5 * MB)
    assert row.what == "files of layer 2 that layer 3 deletes or writes again" and row.paths == ("wheels/a.whl",)


def test_twins_say_that_their_contents_were_not_compared() -> None:
    (row,) = found(laid(sizes={"a/libx.so.1": 5 * MB, "b/libx.so.1": 5 * MB, "c/libx.so.1": 4 * MB})).values()
    assert row.disk_bytes == 5 * MB and row.caution and "not compared" in row.caution


def test_ten_are_told_and_none_below_a_megabyte() -> None:
    sizes = {f"{n}/twin{k}.bin": (k + 1) * MB for k in range(14) for n in "ab"} | {"tmp/small": MB - 1}
    rows = found(laid(sizes=sizes))
    assert [row.disk_bytes // MB for row in rows.values()] == list(range(14, 4, -1))


def test_unknown_shares_of_the_wire_stay_unknown() -> None:
    visible = laid()
    visible.files["tmp/a"] = Entry("tmp/a", EntryKind.FILE, 0, 5 * MB, None)
    (row,) = found(visible).values()
    assert row.wire_bytes is None


def test_what_the_lowest_layer_brings_is_said_to_need_another_base() -> None:
    visible = laid()
    visible.files["usr/share/doc/a"] = Entry("usr/share/doc/a", EntryKind.FILE, 0, 5 * MB, MB)
    visible.files["tmp/a"] = Entry("tmp/a", EntryKind.FILE, 1, 6 * MB, MB)
    rows = found(visible)
    assert "another base" in rows["manuals"].how and "another base" not in rows["caches, logs and temporary files"].how


def test_a_package_inside_another_is_no_wheel_of_the_image() -> None:
    files = wheel(f"{SITE}/setuptools/_vendor", "wheel", "0.45", "wheel/a.py") | wheel(SITE, "vllm", "1", "vllm/a.py")
    assert unneeded(laid(files)) == []
