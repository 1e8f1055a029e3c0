"""images/<arm>.json: what goes in comes out; damage is told and stays with its arm; secrets stay out."""

import dataclasses
import json
import os

import pytest

from bench.secrets import REDACTED, Redactor
from bench.store.contents import contents_path, read_contents, write_contents
from bench.store.reader import load_run
from bench.store.writer import create_run
from tests.insides import contents, layer, rich
from tests.store import records_of

SECRET = "hf_0123456789abcdef"


@pytest.fixture
def writer(tmp_path):
    return create_run(
        tmp_path, records_of.scenario(), records_of.plan(), host={}, versions={}, origin={},
        redactor=Redactor({"HF_TOKEN": SECRET}),
    )  # fmt: skip


def test_contents_come_back_as_they_were(writer):
    writer.add_contents("a", rich("a"))
    writer.add_contents("b", contents(layer("base", None, 10)))
    data = load_run(writer.folder)
    assert data.contents == {"a": rich("a"), "b": contents(layer("base", None, 10))}
    assert not [text for text in data.missing if "images/" in text]


def test_a_run_without_containers_has_no_contents(writer):
    assert load_run(writer.folder).contents == {}


def test_other_files_beside_the_contents_are_left_alone(writer):
    writer.add_contents("a", rich("a"))
    (writer.folder / "images/a.cdx.json").write_text("{}")
    (writer.folder / "images/stranger.json").write_text("{}")
    assert list(load_run(writer.folder).contents) == ["a"]


def test_a_secret_in_the_history_is_not_stored(writer):
    writer.add_contents("a", contents(layer("base", 1, 1, created_by=f"RUN |1 TOKEN={SECRET} make")))
    text = contents_path(writer.folder, "a").read_text()
    assert SECRET not in text and REDACTED in text


def broken(**changes):
    document = json.loads(json.dumps(dataclasses.asdict(rich("a"))))
    document["anatomy"].update(changes)
    return json.dumps(document)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "damaged JSON"),
        ("[]", "expected an object"),
        ("{", "damaged JSON"),
        ("[" * 100_000, "recursion"),
        ("{}", "anatomy"),
        (broken(disk_bytes="much"), "anatomy.disk_bytes"),
        (broken(disk_bytes=-1), "disk_bytes: -1"),
        (broken(disk_bytes=10**400), "disk_bytes: 1000"),
        (broken(efficiency_ratio=float("nan")), "efficiency_ratio: nan"),
        (broken(groups={"no such group": 3}), "anatomy.groups"),
        (broken(groups={"python": -3}), "python: -3"),
        (b"\xff\xfe\x00", "decode"),
    ],
    ids=range(12),
)
def test_damage_is_told_and_stays_with_its_arm(writer, text, said):
    writer.add_contents("b", rich("b"))
    path = contents_path(writer.folder, "a")
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    missing = []
    assert list(read_contents(writer.folder, ["a", "b"], missing)) == ["b"]
    assert len(missing) == 1 and missing[0].startswith("images/a.json cannot be read"), missing
    assert said in missing[0]
    assert "\n" not in missing[0] and len(missing[0]) < 500
    assert missing[0] in load_run(writer.folder).missing


def test_what_is_no_file_is_told_and_never_waited_for(writer):
    (writer.folder / "images").mkdir()
    os.mkfifo(contents_path(writer.folder, "a"))
    contents_path(writer.folder, "b").mkdir()
    missing = []
    assert read_contents(writer.folder, ["a", "b"], missing) == {}
    assert [text.split(" ")[0] for text in missing] == ["images/a.json", "images/b.json"]


def test_a_giant_is_not_read(writer):
    writer.add_contents("a", rich("a"))
    with contents_path(writer.folder, "a").open("r+b") as file:
        file.truncate(10**12)  # sparse
    missing = []
    assert read_contents(writer.folder, ["a"], missing) == {}
    assert "more than any image" in missing[0]


@pytest.mark.parametrize("arm", ["../a", "/etc/passwd", "x" * 300, "nul\0"])
def test_a_hostile_name_of_an_arm_reads_nothing_elsewhere(writer, arm):
    (writer.folder / "images").mkdir()
    write_contents(writer.folder, "a", rich("a")).rename(writer.folder / "a.json")
    assert read_contents(writer.folder, [arm], []) == {}


def test_fields_of_a_newer_program_are_ignored(writer):
    writer.add_contents("a", rich("a"))
    path = contents_path(writer.folder, "a")
    document = json.loads(path.read_text())
    document["anatomy"]["new"] = document["new"] = {"x": 1}
    path.write_text(json.dumps(document))
    assert load_run(writer.folder).contents["a"] == rich("a")


def test_contents_are_whole_or_absent(writer, monkeypatch):
    writer.add_contents("a", rich("a"))

    def full(_handle):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(Exception, match="no room left"):
        writer.add_contents("a", dataclasses.replace(rich("a"), lint=None))
    monkeypatch.undo()
    assert load_run(writer.folder).contents == {"a": rich("a")}
