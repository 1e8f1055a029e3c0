"""Two real builds of one Dockerfile: the same files, files that may differ, and files that may not."""

from __future__ import annotations

import io
import json
import os
import tarfile
from pathlib import Path
from typing import Any

import pytest

from bench.container import Build, ImageFacts
from bench.images.local import image_facts
from bench.images.rebuild import REPOSITORY, RebuildReport, reason_of, rebuild, source_date
from bench.images.rebuilt import changed_packages, read_saved
from tests.dockerside import requires_docker

START = "ARG BASE_IMAGE\nFROM ${BASE_IMAGE}\n"
CHANCE = "head -c 16 /dev/urandom"


@pytest.fixture
def base(client: Any, tiny_image: str) -> ImageFacts:
    return image_facts(client, client.images.get(tiny_image).tags[0])


@pytest.fixture
def report(client: Any, base: ImageFacts, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.setenv("NIMBENCH_CACHE", str(tmp_path / "cache"))

    def build(dockerfile: str) -> RebuildReport:
        context = tmp_path / "context"
        context.mkdir(exist_ok=True)
        (context / "Dockerfile").write_text(START + dockerfile)
        (context / "app.py").write_text("print(1)\n")
        os.utime(context / "app.py", (1_700_000_000, 1_700_000_000))
        return rebuild(Build(context=str(context)), base=base, arm="custom", client=client)

    return build


@requires_docker
@pytest.mark.slow
def test_a_build_without_chance_gives_the_same_files_and_at_most_other_times(report: Any, client: Any) -> None:
    found = report("COPY app.py /app.py\nRUN echo fixed > /fixed\n")
    assert found.grade in ("A", "B")
    assert (found.differing, found.packages) == ((), ())
    assert (found.grade == "A") == (found.digests[0] == found.digests[1])
    assert found.layers_equal >= found.layers - 1, "the copied file has the time of the context"
    assert not client.images.list(name=REPOSITORY), "both builds are removed"


@requires_docker
@pytest.mark.slow
def test_what_may_differ_is_named_with_its_reason(report: Any) -> None:
    found = report(f"RUN mkdir -p /var/log /var/cache/ldconfig && {CHANCE} > /var/log/build.log\n")
    assert found.grade == "B"
    assert [one.path for one in found.named if one.path] == ["var/log/build.log"]
    assert all(one.reason for one in found.named)


@requires_docker
@pytest.mark.slow
def test_another_content_another_mode_and_another_package_are_found(report: Any) -> None:
    site = "/usr/lib/python3/site-packages/thing"
    found = report(
        f"RUN {CHANCE} > /model.bin; mkdir -p $(dirname {site}); V=$({CHANCE} | sha256sum | tr -dc 0-9 | head -c 9); "
        f"mkdir {site}-1.$V.dist-info; echo x > {site}-1.$V.dist-info/METADATA\n"
    )
    assert found.grade == "C"
    assert {"model.bin"} < {one.path for one in found.differing}
    assert [text.partition(":")[0] for text in found.packages] == ["thing"]
    assert next(one for one in found.differing if one.path == "model.bin").why.startswith("content (16 bytes")


def test_the_named_list_excuses_no_program_and_no_source() -> None:
    for path in ("usr/bin/python3", "app/model.py", "usr/lib/libc.so.6", "var/lib/dpkg/status", "etc/passwd"):
        assert reason_of(path) is None
    for path in ("var/log/apt/history.log", "var/cache/ldconfig/aux-cache", "usr/lib/__pycache__/a.cpython-312.pyc"):
        assert reason_of(path)


def test_the_date_of_a_folder_without_repository_is_its_newest_file(tmp_path: Path) -> None:
    for name, time_s in (("old", 1_000_000_000), ("new", 1_500_000_000)):
        (tmp_path / name).write_text("x")
        os.utime(tmp_path / name, (time_s, time_s))
    assert source_date(tmp_path) == 1_500_000_000


@pytest.mark.parametrize("is_blob", [False, True])
def test_layers_come_in_the_order_of_the_manifest_wherever_it_stands(is_blob: bool) -> None:
    """Older engines write the manifest last, newer ones write blobs, the configuration among them."""
    names = ["blobs/sha256/b", "blobs/sha256/a"] if is_blob else ["b/layer.tar", "a/layer.tar"]
    saved = tar(
        {
            names[1]: tar({"two": b"2"}),
            names[0]: tar({"one": b"1", "var/lib/dpkg/status": b"Package: a\nVersion: 1\n\nPackage: b\nVersion: 2\n"}),
            "blobs/sha256/c": b'{"architecture": "amd64"}',
            "manifest.json": json.dumps([{"Layers": names}]).encode(),
        }
    )
    layers = read_saved(saved[at : at + 700] for at in range(0, len(saved), 700))
    assert [sorted(layer.files) for layer in layers] == [["one", "var/lib/dpkg/status"], ["two"]]
    assert layers[0].packages() == {("a", "1"), ("b", "2")}
    assert changed_packages(layers, layers[1:]) == ("a: 1 → none", "b: 2 → none")


def test_a_stream_that_breaks_off_is_told() -> None:
    with pytest.raises(ValueError, match="cannot be read"):
        read_saved([tar({"a/layer.tar": tar({"x": b"1" * 4000})})[:2000]])


def tar(files: dict[str, bytes]) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        for name, data in files.items():
            info = tarfile.TarInfo(name)
            info.size = len(data)
            archive.addfile(info, io.BytesIO(data))
    return buffer.getvalue()
