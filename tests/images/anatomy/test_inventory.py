"""What an image says of itself, and whether its Python packages fit: held against pip itself in a real environment."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from bench.anatomy import Inventory, Package
from bench.images.anatomy.entries import Visible
from bench.images.anatomy.inventory import inventory
from bench.images.anatomy.nvidia import LIBRARIES, driver_required, library_version
from bench.images.anatomy.packages import keep, owners, packages
from tests.images.anatomy.laid import laid, wheel

VENV = "opt/engine"
SITE = f"{VENV}/lib/python3.11/site-packages"
CFG = "home = /usr/bin\ninclude-system-site-packages = false\nversion = 3.11.2\n"


def taken(visible: Visible, **more: Any) -> Inventory:
    found = owners(visible)
    said: dict[str, Any] = {"labels": {}, "env": {"PATH": "/opt/engine/bin:/usr/bin"}}
    return inventory(visible, found, packages(visible, found), **(said | more))


def engine(*wheels: dict[str, str], **more: Any) -> Visible:
    files = {f"{VENV}/pyvenv.cfg": CFG}
    for one in wheels:
        files |= one
    return laid(files, symlinks={f"{VENV}/bin/python3": "/usr/bin/python3.11"}, sizes={"usr/bin/python3.11": 1}, **more)


def test_packages_that_fit_are_ok() -> None:
    visible = engine(wheel(SITE, "Foo_Bar", "2.0.1"), wheel(SITE, "vllm", "0.32.0", requires=("foo.bar>=2,<3",)))
    found = taken(visible)
    assert (found.python, found.engine, found.pip_check) == ("3.11.2", "vllm 0.32.0", "ok")


def test_missing_and_wrong_versions_are_told_in_pip_s_words() -> None:
    visible = engine(
        wheel(SITE, "numpy", "2.3.5"),
        wheel(SITE, "vllm", "0.32.0", requires=("numpy<2", "torchvision==0.28.0", "ray ; extra == 'ray'")),
    )
    assert taken(visible).pip_check == (
        "vllm 0.32.0 has requirement numpy<2, but you have numpy 2.3.5.; "
        "vllm 0.32.0 requires torchvision, which is not installed."
    )


def test_markers_are_held_against_the_image_and_not_this_host() -> None:
    needs = (
        "tomli ; python_version < '3.11'",
        "colorama ; sys_platform == 'win32'",
        "arm ; platform_machine == 'aarch64'",
    )
    visible = engine(wheel(SITE, "own", "1", requires=needs))
    assert taken(visible).pip_check == "ok"
    assert taken(visible, platform="linux/arm64").pip_check == "own 1 requires arm, which is not installed."


def test_a_pre_release_satisfies_a_requirement_as_it_does_for_pip() -> None:
    visible = engine(wheel(SITE, "torch", "2.14.0.dev20261101"), wheel(SITE, "own", "1", requires=("torch>=2.13",)))
    assert taken(visible).pip_check == "ok"


def test_what_another_python_of_the_image_has_does_not_count() -> None:
    other = "usr/local/lib/python3.11/dist-packages"
    visible = engine(wheel(SITE, "own", "1", requires=("six",)), wheel(other, "six", "1.17.0"))
    assert taken(visible).pip_check == "own 1 requires six, which is not installed."
    shared = engine(wheel(SITE, "own", "1", requires=("six",)), wheel(other, "six", "1.17.0"))
    shared.kept[f"{VENV}/pyvenv.cfg"] = CFG.replace("false", "true").encode()
    assert taken(shared).pip_check == "ok"


def test_a_requirement_that_cannot_be_read_is_told() -> None:
    visible = engine(wheel(SITE, "own", "1", requires=("six (>=1",)))
    assert taken(visible).pip_check == "own 1 has a requirement that cannot be read: six (>=1."


def test_an_image_without_python_has_no_answer() -> None:
    found = taken(
        laid({"etc/os-release": 'PRETTY_NAME="Debian GNU/Linux 12 (bookworm)"\nID=debian\nVERSION_ID="12"\n'})
    )
    assert (found.os, found.os_id, found.python, found.pip_check) == (
        "Debian GNU/Linux 12 (bookworm)",
        "debian-12",
        None,
        None,
    )


def test_unowned_bytes_leave_out_links_and_what_packages_own() -> None:
    visible = laid(sizes={"opt/model.bin": 1000, "opt/b": 24}, symlinks={"opt/link": "model.bin"})
    found = taken(visible)
    assert (found.unowned_files, found.unowned_bytes) == (2, 1024)


def test_the_base_is_as_old_as_the_oldest_step_that_has_a_time() -> None:
    history = [
        ("ADD rootfs", "1970-01-01T00:00:00Z", False),
        ("RUN a", "2026-08-11T09:20:43.211924583Z", False),
        ("ENV b", "2026-09-01T00:00:00Z", True),
        ("CMD", None, True),
    ]
    assert taken(laid(), history=history).base_created_utc == "2026-08-11T09:20:43.211924583Z"
    assert taken(laid(), history=history[:1]).base_created_utc is None


def package(manager: str, name: str, version: str) -> Package:
    return Package(manager=manager, name=name, version=version)


def test_sources_that_agree_give_one_version() -> None:
    found = [package("pypi", "nvidia-cuda-runtime", "13.0.96"), package("pypi", "torch", "2.13.0+cu130")]
    assert library_version(LIBRARIES["cuda"], found, {"CUDA_VERSION": "13.0.2"}, {}) == "13.0.96"
    deb = [package("deb", "libnccl2", "2.29.7-1+cuda13.0")]
    assert library_version(LIBRARIES["nccl"], deb, {}, {}) == "2.29.7"


def test_sources_that_disagree_are_all_named() -> None:
    found = [package("pypi", "nvidia-cuda-runtime-cu12", "12.8.90")]
    assert library_version(LIBRARIES["cuda"], found, {"CUDA_VERSION": "13.0.2"}, {}) == (
        "12.8.90 (pypi nvidia-cuda-runtime-cu12), 13.0.2 (CUDA_VERSION)"
    )
    assert library_version(LIBRARIES["cudnn"], found, {}, {}) is None


def test_the_driver_that_a_cuda_image_asks_for_is_said_in_words() -> None:
    wanted = "cuda>=12.4 brand=tesla,driver>=470,driver<471 brand=nvidia,driver>=470,driver<471"
    assert driver_required({"NVIDIA_REQUIRE_CUDA": wanted}) == (
        "a driver for CUDA ≥ 12.4, or driver ≥ 470 and < 471 on tesla, nvidia"
    )
    assert driver_required({"NVIDIA_REQUIRE_CUDA": wanted, "NVIDIA_DISABLE_REQUIRE": "1"}) is None
    assert driver_required({}) is None


def folder_as_image(folder: Path, at: str) -> Visible:
    """A real folder as an image would have it."""
    visible = Visible()
    for root, _, names in os.walk(folder):
        for name in names:
            file = Path(root, name)
            path = f"{at}/{file.relative_to(folder)}"
            if file.is_symlink():
                visible.files |= laid(symlinks={path: str(file.readlink())}).files
            else:
                visible.files |= laid(sizes={path: file.stat().st_size}).files
                if keep(path):
                    visible.kept[path] = file.read_bytes()[: keep(path)]
    return visible


@pytest.mark.slow
def test_a_real_environment_is_judged_as_pip_judges_it(tmp_path: Path) -> None:
    """Real wheels' metadata, one package taken away and one exchanged by hand; pip and we must say the same."""
    venv = tmp_path / "venv"
    subprocess.run([sys.executable, "-m", "venv", venv], check=True)
    pip = [venv / "bin/python", "-m", "pip", "--disable-pip-version-check"]
    subprocess.run(
        [*pip, "install", "--quiet", "--no-deps", "jinja2==3.1.6", "docker==7.2.0", "click==8.5.1"], check=True
    )
    site = next(venv.glob("lib/python*/site-packages"))
    metadata = site / "click-8.5.1.dist-info/METADATA"
    metadata.write_text(metadata.read_text().replace("Name: click", "Name: click\nRequires-Dist: jinja2<3", 1))
    said = subprocess.run([*pip, "check"], capture_output=True, text=True).stdout.strip().splitlines()
    ours = taken(folder_as_image(venv, VENV)).pip_check or ""
    assert sorted(said) == sorted(line for line in ours.split("; ")) and len(said) >= 4
    listed = json.loads(subprocess.run([*pip, "list", "--format=json"], capture_output=True, text=True).stdout)
    visible = folder_as_image(venv, VENV)
    assert {(one["name"], one["version"]) for one in listed} == {
        (name, version) for _, name, version in owners(visible).packages
    }
    assert not [path for path in visible.files if "site-packages/" in path and path not in owners(visible).owner]
