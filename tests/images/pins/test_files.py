"""Files of a build are found, read once and graded together; nothing in them can do harm."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import pytest

from bench.anatomy import DayZero
from bench.errors import InputError
from bench.images.pins.files import lint_files
from bench.images.pins.hadolint import find_hadolint
from bench.images.pins.reading import MOST_BYTES

BASE = "FROM python:3.11-slim@sha256:" + "a" * 64 + "\n"


def lint(path, **settings):
    return lint_files([path] if isinstance(path, Path) else path, hadolint=False, **settings)


def rules(path, **settings):
    return [(one.file, str(one.rule), one.line) for one in lint(path, **settings).findings]


def test_a_folder_is_all_files_in_it_that_are_known(tmp_path):
    for name in ("Dockerfile", "Dockerfile.cpu", "gpu.Dockerfile", "Containerfile"):
        (tmp_path / name).write_text(BASE)
    for name in ("requirements.txt", "uv.lock", "README.md", "notes.txt", "Dockerfile.dockerignore"):
        (tmp_path / name).write_text("# nothing\n")
    found = lint(tmp_path, root=tmp_path)
    known = ("Containerfile", "Dockerfile", "Dockerfile.cpu", "gpu.Dockerfile", "requirements.txt", "uv.lock")
    assert found.files == known


def test_a_file_that_a_dockerfile_installs_is_read_once(tmp_path):
    (tmp_path / "Dockerfile").write_text(BASE + "RUN pip install --no-cache-dir -r /app/deps/base.txt\n")
    (tmp_path / "deps").mkdir()
    (tmp_path / "deps/base.txt").write_text("numpy\n")
    expected = [("deps/base.txt", "pip-not-pinned", 1)]
    assert rules(tmp_path / "Dockerfile", root=tmp_path) == expected
    assert rules([tmp_path / "deps/base.txt", tmp_path / "Dockerfile", tmp_path], root=tmp_path) == expected


def test_a_requirements_file_elsewhere_is_found_by_its_name_among_the_files(tmp_path):
    (tmp_path / "image").mkdir()
    (tmp_path / "image/Dockerfile").write_text(BASE + "RUN pip install --no-cache-dir -r /requirements.lock\n")
    (tmp_path / "requirements.lock").write_text("numpy==2.3.4 --hash=sha256:" + "0" * 64 + "\n")
    alone = lint(tmp_path / "image/Dockerfile")
    assert [(str(one.rule), one.weight) for one in alone.findings] == [("unreadable", 3)]
    assert rules([tmp_path / "image/Dockerfile", tmp_path / "requirements.lock"]) == []


def test_no_file_outside_the_folder_is_opened(tmp_path):
    (tmp_path / "secret.txt").write_text("password of somebody\n")
    (tmp_path / "image").mkdir()
    text = BASE + "RUN pip install --no-cache-dir -r ../secret.txt -r /etc/passwd -r x/../../secret.txt\n"
    (tmp_path / "image/Dockerfile").write_text(text)
    found = lint(tmp_path / "image")
    assert [str(one.rule) for one in found.findings] == ["unreadable"] * 3
    assert "somebody" not in str(found)


def test_a_base_that_the_caller_gives_is_judged_by_what_is_given(tmp_path):
    (tmp_path / "Dockerfile").write_text("ARG BASE_IMAGE\nFROM ${BASE_IMAGE}\n")
    assert rules(tmp_path) == []
    given = lint(tmp_path, build_args={"BASE_IMAGE": "debian:bookworm"}, root=tmp_path)
    assert [(str(one.rule), one.line) for one in given.findings] == [("base-not-by-digest", 2)]
    assert rules(tmp_path, build_args={"BASE_IMAGE": "debian@sha256:" + "b" * 64}) == []


def test_a_nightly_build_is_excused_until_its_date_and_an_error_after_it(tmp_path):
    text = BASE + "RUN pip install --no-cache-dir --pre vllm --extra-index-url https://wheels.example/nightly\n"
    (tmp_path / "Dockerfile").write_text(text)
    day_zero = DayZero(reason="no release knows this model", until="2026-03-01")
    holds = lint(tmp_path, day_zero=day_zero, today=date(2026, 3, 1))
    assert (holds.grade, holds.findings, len(holds.excused)) == ("A", (), 2)
    over = lint(tmp_path, day_zero=day_zero, today=date(2026, 3, 2))
    assert over.grade == "F"
    assert "day-zero-expired" in [str(one.rule) for one in over.findings]


def test_a_dockerfile_of_any_name_is_known_by_its_from(tmp_path):
    (tmp_path / "image.build").write_text("from debian:latest\n")
    assert [rule for _, rule, _ in rules(tmp_path / "image.build")] == ["base-latest", "base-not-by-digest"]


@pytest.mark.parametrize(
    "content", [b"\xff\xfe\x00", b"FROM a\0b\n", b"", b"# only a comment\n", b"x" * (MOST_BYTES + 1)]
)
def test_what_is_no_dockerfile_is_bad_input(tmp_path, content):
    (tmp_path / "Dockerfile").write_bytes(content)
    with pytest.raises(InputError, match="this is no Dockerfile") as caught:
        lint(tmp_path)
    assert (caught.value.where, caught.value.exit_code) == (str(tmp_path / "Dockerfile"), 2)


def test_what_is_not_there_is_said(tmp_path):
    with pytest.raises(InputError, match="there is no such file"):
        lint(tmp_path / "Dockerfile")
    with pytest.raises(InputError, match="no file in this folder is known"):
        lint(tmp_path)


@pytest.mark.skipif(find_hadolint() is None, reason="hadolint is not installed")
def test_hadolint_adds_to_our_findings_and_counts_nothing_twice(tmp_path):
    (tmp_path / "Dockerfile").write_text(
        BASE + "RUN apt-get install -y jq && npm install left-pad && gem install rake\n"
    )
    ours, both = lint(tmp_path), lint_files([tmp_path])
    added = {str(one.rule): one.weight for one in both.findings if one not in ours.findings}
    assert added["DL3008"] == 0  # apt: told already
    assert added["DL3016"] == 0  # npm: told already
    assert added["DL3028"] == 1  # gem: no rule of ours
    assert both.hadolint


@pytest.mark.parametrize(
    ("words", "weight"),
    [
        ("-r /opt/absent.txt", 3),
        ("--require-hashes -r /opt/absent.txt", 0),
        (".", 3),
        ("-e /opt/absent", 3),
        ("-r pyproject.toml", 3),
        ("$(cat /opt/absent.txt)", 3),
    ],
)
def test_what_is_installed_unread_costs_as_an_unpinned_install_does(tmp_path, words, weight):
    (tmp_path / "Dockerfile").write_text(BASE + f"RUN pip install --no-cache-dir {words}\n")
    (one,) = lint(tmp_path).findings
    assert (str(one.rule), one.line, one.weight) == ("unreadable", 2, weight)
    assert lint(tmp_path).grade == ("C" if weight else "A")


@pytest.mark.parametrize(
    "copy", ["COPY . /srv/x", "COPY pyproject.toml /srv/x/", "COPY pyproject.toml /srv/x/pyproject.toml"]
)
def test_a_project_is_found_where_copy_puts_it(tmp_path, copy):
    (tmp_path / "pyproject.toml").write_text('[project]\nname = "x"\ndependencies = ["numpy"]\n')
    (tmp_path / "uv.lock").write_text("version = 1\n")  # which pip does not read
    text = f"{BASE}{copy}\nWORKDIR /srv\nRUN cd x && pip install --no-cache-dir .\n"
    (tmp_path / "Dockerfile").write_text(text)
    assert rules(tmp_path / "Dockerfile", root=tmp_path) == [("pyproject.toml", "pip-not-pinned", 3)]
    (tmp_path / "Dockerfile").write_text(
        f"{BASE}RUN git clone https://x.example/y && cd y && pip install --no-deps .\n"
    )
    assert "unreadable" not in [rule for _, rule, _ in rules(tmp_path / "Dockerfile")]


def test_a_link_out_of_the_build_context_is_not_followed(tmp_path):
    (tmp_path / "outside.txt").write_text("hunter2\n")
    image = tmp_path / "image"
    image.mkdir()
    (image / "requirements.txt").symlink_to("../outside.txt")
    (image / "folder").symlink_to("..")
    text = "RUN pip install --no-cache-dir -r requirements.txt -r folder/outside.txt\n"
    (image / "Dockerfile").write_text(BASE + text)
    (image / "more.txt").write_text("-r folder/outside.txt\n-r ../outside.txt\n-c folder/outside.txt\n")
    for paths in ([image / "Dockerfile"], [image], [image / "more.txt"]):
        found = lint(paths)
        assert {(str(one.rule), one.weight) for one in found.findings} == {("unreadable", 3)}
        assert "hunter2" not in str(found)
    (image / "within.txt").symlink_to("list.txt")
    (image / "list.txt").write_text("numpy\n")
    (image / "Dockerfile").write_text(BASE + "RUN pip install --no-cache-dir -r within.txt\n")
    assert [rule for _, rule, _ in rules(image / "Dockerfile")] == ["pip-not-pinned"]


def test_no_line_that_cannot_be_read_is_shown_and_no_login_of_an_address(tmp_path):
    (tmp_path / "requirements.txt").write_text("hunter2 = swordfish\nhunter2$wordfish !\n")
    (tmp_path / "environment.yml").write_text("dependencies:\n  - '!hunter2 swordfish'\n")
    text = "HUNTER2 swordfish\nRUN pip install --no-cache-dir -i https://hunter2:swordfish@x.example/nightly a==1\n"
    (tmp_path / "Dockerfile").write_text(BASE + text)
    found = lint(tmp_path)
    assert len(found.findings) >= 5
    assert not [
        one for one in found.findings for word in ("hunter2", "swordfish", "wordfish") if word in str(one).lower()
    ]


def test_a_list_is_found_where_copy_or_a_mount_puts_it_under_another_name(tmp_path):
    (tmp_path / "locks").mkdir()
    (tmp_path / "locks/gpu.txt").write_text("numpy\n")
    for words in (
        "COPY locks/gpu.txt /tmp/r.txt\nRUN pip install --no-cache-dir -r /tmp/r.txt",
        "COPY locks/*.txt /srv/\nWORKDIR /srv\nRUN pip install --no-cache-dir -r gpu.txt",
        "RUN --mount=type=bind,source=locks/gpu.txt,target=/r.txt pip install --no-cache-dir -r /r.txt",
        "RUN --mount=target=/src cd /src/locks && pip install --no-cache-dir -r gpu.txt",
    ):
        (tmp_path / "Dockerfile").write_text(f"{BASE}{words}\n")
        assert rules(tmp_path / "Dockerfile", root=tmp_path) == [("locks/gpu.txt", "pip-not-pinned", 1)], words


def test_the_context_may_be_another_folder_than_the_dockerfile_s(tmp_path):
    (tmp_path / "docker").mkdir()
    (tmp_path / "docker/Dockerfile").write_text(f"{BASE}COPY . /x\nWORKDIR /x\nRUN pip install --no-cache-dir .\n")
    (tmp_path / "pyproject.toml").write_text('[project]\nname = "x"\ndependencies = ["numpy"]\n')
    assert [rule for _, rule, _ in rules(tmp_path / "docker/Dockerfile")] == ["unreadable"]
    given = rules(tmp_path / "docker/Dockerfile", context=tmp_path, root=tmp_path)
    assert given == [("pyproject.toml", "pip-not-pinned", 3)]


def test_names_that_no_file_system_takes_do_no_harm(tmp_path):
    (tmp_path / "loop.txt").symlink_to("loop.txt")
    long = "x" * 5000
    lines = [
        f"COPY {long} [*{long} /x/",
        f"RUN pip install --no-cache-dir -r {long}.txt -r loop.txt {long}/ -e ./{long}",
    ]
    (tmp_path / "Dockerfile").write_text(BASE + "\n".join(lines) + "\n")
    (tmp_path / "requirements.txt").write_text(f"-r {long}.txt\n-r loop.txt\n-c {long}\n")
    assert {str(one.rule) for one in lint(tmp_path).findings} == {"unreadable"}
