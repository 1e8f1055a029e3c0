"""`nimbench image diff` on contents that run folders hold: no Docker and no network."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner

from bench.anatomy import Anatomy, ImageContents, Inventory, LayerAnatomy, Package
from bench.cli.image_diff import command
from bench.errors import InputError
from bench.store.contents import write_contents


def kept(folder: Path, arm: str, torch: str, *layers: str, wire_bytes: int | None = None) -> str:
    anatomy = Anatomy(
        reference=f"nimbench/{arm}:built",
        digest=None,
        config_digest="sha256:" + "c" * 64,
        platform="linux/amd64",
        layers=tuple(
            LayerAnatomy(
                diff_id="sha256:" + name * 64,
                digest="sha256:" + name * 64 if wire_bytes else None,
                disk_bytes=1000,
                wire_bytes=wire_bytes,
            )
            for name in layers
        ),
        disk_bytes=1000 * len(layers),
        wire_bytes=wire_bytes * len(layers) + 7 if wire_bytes else None,
    )
    packages = (Package(manager="pypi", name="torch", version=torch, disk_bytes=500),)
    inventory = Inventory(torch=torch, user="", packages=packages)
    return str(write_contents(folder, arm, ImageContents(anatomy=anatomy, inventory=inventory)))


def test_two_arms_of_a_run_are_compared(tmp_path: Path) -> None:
    a, b = kept(tmp_path, "one", "2.12.0", "a", "b"), kept(tmp_path, "two", "2.13.0", "a", "d", "e")
    done = CliRunner().invoke(command, [a, b, "--json"], catch_exceptions=False)
    said = json.loads(done.output)
    assert (said["shared_layers"], said["shared_disk_bytes"]) == (1, 1000)
    assert said["facts"] == [{"fact": "torch", "a": "2.12.0", "b": "2.13.0"}]
    assert (said["a"]["layers"], said["b"]["layers"], said["a"]["wire_bytes"]) == (2, 3, None)
    told = CliRunner().invoke(command, [a, b], catch_exceptions=False).output
    assert "In another version: 1" in told and "2.12.0" in told and "Shared: 1 layers" in told


def test_a_layer_is_shared_only_on_the_same_layers_below(tmp_path: Path) -> None:
    a = kept(tmp_path, "one", "1", "a", "b", "c", wire_bytes=100)
    b = kept(tmp_path, "two", "1", "a", "d", "b", "c", wire_bytes=100)
    said = json.loads(CliRunner().invoke(command, [a, b, "--json"], catch_exceptions=False).output)
    assert (said["shared_layers"], said["shared_disk_bytes"], said["remaining_wire_bytes"]) == (1, 1000, 307)
    told = CliRunner().invoke(command, [a, b], catch_exceptions=False).output
    assert "A node that holds A still pulls for B: 307\xa0bytes of 407\xa0bytes on the wire." in told
    same = json.loads(CliRunner().invoke(command, [b, b, "--json"], catch_exceptions=False).output)
    assert (same["shared_layers"], same["remaining_wire_bytes"]) == (4, 7), "the config is counted with each image"


def test_what_cannot_be_known_is_said_to_be_unknown(tmp_path: Path) -> None:
    a, b = kept(tmp_path, "one", "1", "a"), kept(tmp_path, "two", "1", "a", "b")
    assert "still pulls for B: unknown" in CliRunner().invoke(command, [a, b], catch_exceptions=False).output


@pytest.mark.parametrize("name", ["nofile.json", "./nofile", "/nowhere/images/x", "../nofile"])
def test_a_file_that_is_not_there_is_no_image_of_a_registry(tmp_path: Path, name: str, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(InputError, match="there is no such file") as caught:
        CliRunner().invoke(command, [name, "x"], catch_exceptions=False)
    assert (caught.value.where, caught.value.exit_code) == (name, 2)
