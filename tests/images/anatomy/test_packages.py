"""Who owns which file, by the records of dpkg, apk, conda and pip, also where they are lost or faked."""

from __future__ import annotations

import json

import pytest

from bench.images.anatomy.entries import EntryKind, Ownership, Visible
from bench.images.anatomy.links import Links
from bench.images.anatomy.packages import keep, owners, ownership_doubts, packages, unowned
from tests.images.anatomy.laid import laid, wheel

STATUS = """Package: libc6
Status: install ok installed
Architecture: amd64
Version: 2.36-9+deb12u14
Description: shared libraries
 Version: of the description, which is no field

Package: gone
Status: deinstall ok config-files
Version: 1

Package: dash
Status: install ok installed
Architecture: amd64
Version: 0.5.12-2
"""
SITE = "usr/local/lib/python3.11/site-packages"


def owner_of(path: str, visible: Visible, ownership: Ownership | None = None) -> str | None:
    ownership = ownership or owners(visible)
    index = ownership.owner.get(path)
    return None if index is None else " ".join(ownership.packages[index])


def dpkg(lists: dict[str, str], status: str = STATUS) -> dict[str, str]:
    named = {f"var/lib/dpkg/info/{name}.list": text for name, text in lists.items()}
    return {"var/lib/dpkg/status": status, **named}


def test_a_list_that_says_lib_owns_the_file_below_usr_lib() -> None:
    visible = laid(
        dpkg({"libc6:amd64": "/.\n/lib\n/lib/x86_64-linux-gnu\n/lib/x86_64-linux-gnu/libc.so.6\n"}),
        sizes={"usr/lib/x86_64-linux-gnu/libc.so.6": 2_000_000},
        symlinks={"lib": "usr/lib"},
    )
    assert owner_of("usr/lib/x86_64-linux-gnu/libc.so.6", visible) == "deb libc6 2.36-9+deb12u14"


def test_a_removed_package_whose_settings_remain_is_not_installed() -> None:
    visible = laid(dpkg({}))
    assert [name for _, name, _ in owners(visible).packages] == ["libc6", "dash"]


def test_a_diverted_file_is_owned_where_it_was_put_aside() -> None:
    status = STATUS + "\nPackage: old\nStatus: install ok installed\nVersion: 3\n"
    diversions = "/bin/sh\n/bin/sh.distrib\ndash\n"
    visible = laid(
        dpkg({"dash": "/bin/sh\n", "old": "/bin/sh\n"}, status) | {"var/lib/dpkg/diversions": diversions},
        sizes={"bin/sh": 10, "bin/sh.distrib": 20},
    )
    assert owner_of("bin/sh", visible) == "deb dash 0.5.12-2"
    assert owner_of("bin/sh.distrib", visible) == "deb old 3"


def test_an_alternative_belongs_to_the_program_that_was_chosen() -> None:
    visible = laid(
        dpkg({"dash": "/usr/bin/dash\n"}),
        sizes={"usr/bin/dash": 10},
        symlinks={"usr/bin/shell": "/etc/alternatives/shell", "etc/alternatives/shell": "/usr/bin/dash"},
    )
    found = owners(visible)
    assert owner_of("usr/bin/shell", visible, found) == "deb dash 0.5.12-2"
    assert owner_of("etc/alternatives/shell", visible, found) == "deb dash 0.5.12-2"


def test_an_image_without_dpkg_owns_files_by_their_checksums() -> None:
    visible = laid(
        {
            "var/lib/dpkg/status.d/libc6": "Package: libc6\nVersion: 2.36\nArchitecture: amd64\n",
            "var/lib/dpkg/status.d/libc6.md5sums": "0123456789abcdef0123456789abcdef  usr/lib/libc.so.6\n",
        },
        sizes={"usr/lib/libc.so.6": 5},
    )
    found = owners(visible)
    assert found.packages == [("deb", "libc6", "2.36")]
    assert owner_of("usr/lib/libc.so.6", visible, found) == "deb libc6 2.36"


def test_bytecode_belongs_to_its_source_and_dpkg_records_to_their_package() -> None:
    visible = laid(
        dpkg({"dash": "/usr/lib/python3.11/abc.py\n/usr/lib/python3.11/x/old.py\n"}),
        sizes={
            "usr/lib/python3.11/abc.py": 5,
            "usr/lib/python3.11/__pycache__/abc.cpython-311.pyc": 7,
            "usr/lib/python3.11/__pycache__/abc.cpython-311.opt-1.pyc": 7,
            "usr/lib/python3.11/__pycache__/other.cpython-311.pyc": 7,
            "usr/lib/python3.11/x/old.py": 1,
            "usr/lib/python3.11/x/old.pyc": 1,
            "var/lib/dpkg/info/dash.postinst": 3,
        },
    )
    found = owners(visible)
    assert {entry.path for entry in unowned(visible, found)} == {
        "usr/lib/python3.11/__pycache__/other.cpython-311.pyc",
        "var/lib/dpkg/status",
    }


def test_apk_names_folders_and_files_apart() -> None:
    record = "C:Q1x=\nP:musl\nV:1.2.5-r0\nF:lib\nR:ld-musl-x86_64.so.1\na:0:0:755\nF:usr/lib\nR:libc.so\n\n"
    visible = laid({"lib/apk/db/installed": record}, sizes={"lib/ld-musl-x86_64.so.1": 9, "usr/lib/libc.so": 1})
    (package,) = packages(visible, owners(visible))
    assert (package.manager, package.name, package.version, package.files, package.disk_bytes) == (
        "apk",
        "musl",
        "1.2.5-r0",
        2,
        10,
    )


def test_what_conda_installed_for_python_is_conda_s() -> None:
    files = ["lib/python3.11/site-packages/six.py", "lib/python3.11/site-packages/six-1.16.0.dist-info/METADATA"]
    record = json.dumps({"name": "six", "version": "1.16.0", "files": files})
    visible = laid(
        {"opt/conda/conda-meta/six-1.16.0-py_0.json": record}
        | wheel("opt/conda/lib/python3.11/site-packages", "six", "1.16.0", "six.py"),
        sizes={"opt/conda/lib/python3.11/site-packages/six.py": 100},
    )
    assert owners(visible).packages == [("conda", "six", "1.16.0")]


@pytest.mark.parametrize("broken", ["{", "[]", '{"name": 1}', "[" * 100_000])
def test_a_broken_record_of_conda_is_told_and_owns_nothing(broken: str) -> None:
    visible = laid({"opt/conda/conda-meta/x.json": broken})
    assert owners(visible).packages == []
    assert ownership_doubts(visible) == ("opt/conda/conda-meta/x.json is no record of a conda package",)


def test_a_record_owns_scripts_outside_the_site_folder_and_quoted_names() -> None:
    visible = laid(
        wheel(SITE, "vllm", "0.32.0", "vllm/a.py", "../../../bin/vllm", '"vllm/with, comma.so"'),
        sizes={f"{SITE}/vllm/a.py": 10, "usr/local/bin/vllm": 20, f"{SITE}/vllm/with, comma.so": 30},
    )
    (package,) = packages(visible, owners(visible))
    metadata = sum(len(content) for content in visible.kept.values())
    assert (package.manager, package.name, package.files) == ("pypi", "vllm", 5)
    assert package.disk_bytes == 60 + metadata
    assert package.wire_bytes == sum(entry.wire_bytes or 0 for entry in visible.files.values())


def test_a_record_that_climbs_above_the_root_ends_at_the_root() -> None:
    visible = laid(wheel(SITE, "bad", "1", "../" * 50 + "etc/passwd"), sizes={"etc/passwd": 5})
    assert owner_of("etc/passwd", visible) == "pypi bad 1"


def test_vendored_metadata_is_part_of_who_carries_it_and_a_target_folder_is_found() -> None:
    vendored = wheel(f"{SITE}/setuptools/_vendor", "wheel", "0.43", "wheel/a.py")
    names = [path.removeprefix(f"{SITE}/") for path in vendored]
    visible = laid(wheel(SITE, "setuptools", "75", *names) | vendored | wheel("opt/app", "own", "1", "own.py"))
    assert sorted(owners(visible).packages) == [("pypi", "own", "1"), ("pypi", "setuptools", "75")]


def test_debian_s_python_package_is_debian_s_and_one_without_a_record_owns_its_modules() -> None:
    dist = "usr/lib/python3/dist-packages"
    metadata = f"{dist}/yaml-6.egg-info/PKG-INFO"
    visible = laid(
        dpkg({"dash": f"/{metadata}\n"})
        | {metadata: "Name: yaml\nVersion: 6\n"}
        | {
            f"{SITE}/old-2.dist-info/METADATA": "Name: old\nVersion: 2\n",
            f"{SITE}/old-2.dist-info/top_level.txt": "old\n",
        },
        sizes={f"{SITE}/old/a.py": 1, f"{SITE}/older/b.py": 1},
    )
    found = owners(visible)
    assert ("pypi", "yaml", "6") not in found.packages
    assert owner_of(f"{SITE}/old/a.py", visible, found) == "pypi old 2"
    assert owner_of(f"{SITE}/older/b.py", visible, found) is None


def test_hard_links_share_their_owner_and_metadata_is_read_through_them() -> None:
    cache = "root/.cache/uv/archive-v0/x"
    installed = wheel(SITE, "six", "1.17.0", "six.py")
    cached = {path.replace(SITE, cache): text for path, text in installed.items()}
    visible = laid(cached, sizes={f"{cache}/six.py": 50})
    for path in [*installed, f"{SITE}/six.py"]:
        visible.files |= laid(hardlinks={path: path.replace(SITE, cache)}).files
    assert visible.files[f"{SITE}/six.py"].kind is EntryKind.HARDLINK
    found = owners(visible)
    assert owner_of(f"{SITE}/six.py", visible, found) == "pypi six 1.17.0"
    assert owner_of(f"{cache}/six.py", visible, found) is not None


def test_where_pip_got_it_from_is_told_without_a_password() -> None:
    direct = {
        "url": "https://user:secret@example.com/a.git",
        "vcs_info": {"vcs": "git", "commit_id": "a" * 40},
    }
    visible = laid(wheel(SITE, "own", "1") | {f"{SITE}/own-1.dist-info/direct_url.json": json.dumps(direct)})
    (package,) = packages(visible, owners(visible))
    assert package.source == f"git+https://example.com/a.git@{'a' * 40}"


def test_an_rpm_database_is_not_read_and_that_is_told() -> None:
    (doubt,) = ownership_doubts(laid(sizes={"var/lib/rpm/rpmdb.sqlite": 5}))
    assert "RPM" in doubt


def test_links_end_at_the_root_and_loops_nowhere() -> None:
    links = Links(laid(symlinks={"a": "b", "b": "a", "up": "../../etc", "c/d": "/up"}).files)
    assert links.target("a/x") is None and links.place("a/x") is None
    assert links.place("up/passwd") == "etc/passwd"
    assert links.target("c/d/passwd") == "etc/passwd"
    assert links.place("/" + "deep/" * 2000 + "end") == "deep/" * 2000 + "end"


@pytest.mark.parametrize(
    ("path", "kept"),
    [
        ("var/lib/dpkg/status", True),
        ("var/lib/dpkg/status.d/base", True),
        ("var/lib/dpkg/info/libc6:amd64.list", True),
        ("var/lib/dpkg/info/libc6:amd64.postinst", False),
        (f"{SITE}/torch-2.13.0.dist-info/RECORD", True),
        (f"{SITE}/torch-2.13.0.dist-info/LICENSE", False),
        ("opt/conda/conda-meta/python-3.11.json", True),
        ("opt/conda/conda-meta/history", False),
        ("opt/engine/pyvenv.cfg", True),
        ("etc/os-release", True),
        ("etc/shadow", False),
    ],
)
def test_only_contents_that_are_read_later_are_kept(path: str, kept: bool) -> None:
    assert bool(keep(path)) is kept
