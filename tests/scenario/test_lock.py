"""scenario.lock: every tag gets the digest that a registry gave, and nothing else changes."""

from __future__ import annotations

from pathlib import Path

import pytest

from bench.errors import InputError
from bench.scenario import load_scenario
from bench.scenario.lock import Lock, LockedImage, default_base, lock_text, not_pinned, read_lock, references, unpinned
from tests.scenario.sample import TEXT, write

ONE, TWO, OTHER = ("sha256:" + digit * 64 for digit in "123")
ARMS = """\
  nim: {engine: nim, side: buy, image: "reg.example/nim/x:2.0"}
  exact: {engine: vllm, side: buy, image: "reg.example/nim/x:2.0@OTHER"}
  here: {engine: vllm, side: buy, image: "OTHER"}
  given: {engine: vllm, side: build, build: {context: given, base: {image: "base:1"}}}
  default: {engine: vllm, side: build, build: {context: default}}
  argument: {engine: vllm, side: build, build: {context: default, args: {BASE_IMAGE: "base:1"}}}
  child: {engine: vllm, side: build, build: {context: default, base: {arm: nim}}}
  made: {engine: vllm, side: build, build: {context: default, base: {made: debian-bookworm}}}
  fixed: {engine: vllm, side: build, build: {context: fixed}}
""".replace("OTHER", OTHER)
DOCKERFILES = {
    "given": "ARG BASE_IMAGE\nFROM ${BASE_IMAGE}\n",
    "default": '# why\n arg BASE_IMAGE="default:2"\nFROM $BASE_IMAGE\n',
    "fixed": f"ARG BASE_IMAGE=default:2@{OTHER}\nFROM ${{BASE_IMAGE}}\n",
}
LOOSE = [
    ("arms.nim.image", "reg.example/nim/x:2.0"),
    ("arms.given.build.base.image", "base:1"),
    ("arms.default.build.context (Dockerfile: ARG BASE_IMAGE)", "default:2"),
    ("arms.argument.build.args.BASE_IMAGE", "base:1"),
]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    text = TEXT.replace("baseline: plain", "baseline: nim")
    before, _, after = text.partition("  plain:")
    folder = write(tmp_path / "s", before + ARMS + after[after.index("load:") :])
    for name, lines in DOCKERFILES.items():
        (folder / name).mkdir()
        (folder / name / "Dockerfile").write_text(lines)
    return folder


def image(digest: str) -> LockedImage:
    return LockedImage(
        digest=digest,
        manifest_digest=TWO,
        wire_bytes=12,
        entrypoint=["vllm", "serve"],
        source="https://reg.example/v2/nim/x/manifests/2.0",
        anonymous=True,
        pinned_utc="2026-11-23T21:00:00+00:00",
        used_by=["arms.nim.image"],
    )


def write_lock(folder: Path, **digests: str) -> Lock:
    lock = Lock(lock_schema=1, platform="linux/amd64", images={name: image(digest) for name, digest in digests.items()})
    (folder / "scenario.lock").write_text(lock_text(lock, "s"))
    return lock


def test_without_a_lock_every_tag_is_unpinned(folder):
    assert unpinned(load_scenario(str(folder))) == LOOSE


def test_refusal_names_every_tag_and_the_command(folder):
    scenario = load_scenario(str(folder))
    said = str(not_pinned(scenario, unpinned(scenario)))
    assert all(f"{key}: {reference}" in said for key, reference in LOOSE)
    assert "`nimbench pin s`" in said


def test_references_are_all_that_a_registry_is_asked_for(folder):
    found = references(load_scenario(str(folder)))
    assert set(LOOSE) < set(found)
    assert [key for key, reference in found if OTHER in reference] == [
        "arms.exact.image",
        "arms.fixed.build.context (Dockerfile: ARG BASE_IMAGE)",
    ]


def test_lock_is_laid_over_every_tag(folder):
    write_lock(folder, **{"reg.example/nim/x:2.0": ONE, "base:1": TWO, "default:2": ONE})
    scenario = load_scenario(str(folder))
    assert unpinned(scenario) == []
    arms = {arm.name: arm for arm in scenario.arms}
    assert arms["nim"].image == f"reg.example/nim/x:2.0@{ONE}"
    assert arms["exact"].image == f"reg.example/nim/x:2.0@{OTHER}"
    assert arms["here"].image == OTHER
    assert arms["given"].build.base_image == f"base:1@{TWO}"
    assert arms["default"].build.base_image == f"default:2@{ONE}"
    assert arms["argument"].build.args == {"BASE_IMAGE": f"base:1@{TWO}"}
    assert arms["argument"].build.base_image is None
    for name in ("child", "made", "fixed"):
        assert arms[name].build.base_image is None, name


def test_tag_that_changed_since_is_unpinned_again(folder):
    write_lock(folder, **{"reg.example/nim/x:2.0": ONE, "base:1": TWO, "default:2": ONE})
    sets = ["arms.nim.image=reg.example/nim/x:2.1"]
    assert unpinned(load_scenario(str(folder), sets=sets)) == [("arms.nim.image", "reg.example/nim/x:2.1")]


def test_pin_sees_the_scenario_without_its_lock(folder):
    write_lock(folder, **{"reg.example/nim/x:2.0": ONE})
    assert unpinned(load_scenario(str(folder), use_lock=False)) == LOOSE


def test_lock_that_was_written_reads_the_same(folder):
    lock = write_lock(folder, **{"reg.example/nim/x:2.0": ONE, "base:1": TWO})
    assert read_lock(folder / "scenario.lock") == lock
    assert read_lock(folder / "other.lock") is None


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        (f"digest: {ONE}", "digest: latest", "images.base:1.digest"),
        ("wire_bytes: 12", "wire_bytes: -1", "wire_bytes"),
        ("anonymous: true", "colour: red", "anonymous"),
        ("lock_schema: 1", "lock_schema: 2", "lock_schema"),
    ],
)
def test_wrong_lock_is_refused_with_place_and_repair(folder, old, new, words):
    write_lock(folder, **{"base:1": ONE})
    path = folder / "scenario.lock"
    path.write_text(path.read_text().replace(old, new))
    with pytest.raises(InputError) as caught:
        load_scenario(str(folder))
    assert words in str(caught.value)
    assert "scenario.lock" in str(caught.value)
    assert "nimbench pin s" in str(caught.value)


def test_default_base_is_read_from_the_dockerfile(tmp_path):
    file = tmp_path / "Dockerfile"
    assert default_base(file) is None
    for text, expected in (
        ("ARG BASE_IMAGE\nFROM $BASE_IMAGE", None),
        ("ARG MY_BASE_IMAGE=x\nFROM y", None),
        ("# ARG BASE_IMAGE=x\nFROM y", None),
        ("ARG BASE_IMAGE='a/b:1'\nFROM $BASE_IMAGE", "a/b:1"),
    ):
        file.write_text(text)
        assert default_base(file) == expected
