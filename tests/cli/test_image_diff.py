"""`nimbench image diff` on contents that run folders hold: no Docker and no network."""

from __future__ import annotations

import json
from pathlib import Path

from click.testing import CliRunner

from bench.anatomy import Anatomy, ImageContents, Inventory, LayerAnatomy, Package
from bench.cli.image_diff import command
from bench.store.contents import write_contents


def kept(folder: Path, arm: str, torch: str, *layers: str) -> str:
    anatomy = Anatomy(
        reference=f"nimbench/{arm}:built",
        digest=None,
        config_digest="sha256:" + "c" * 64,
        platform="linux/amd64",
        layers=tuple(LayerAnatomy(diff_id="sha256:" + name * 64, disk_bytes=1000) for name in layers),
        disk_bytes=1000 * len(layers),
        wire_bytes=None,
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
