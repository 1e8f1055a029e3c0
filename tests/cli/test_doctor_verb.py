"""`nimbench doctor` says what is missing, with exit code 2 where a run would fail."""

import json

import pytest

from tests.cli.nimbench import nimbench
from tests.scenario.sample import TEXT, write
from tests.test_doctor import PLAIN_HOP, free_base


def test_a_machine_that_has_all_it_needs(tmp_path):
    pytest.importorskip("xllamacpp", reason="the extra demo is not installed")
    write(tmp_path / "s", PLAIN_HOP)
    done = nimbench("doctor", "s", "--set", f"launches.port_base={free_base()}", cwd=tmp_path)
    assert done.returncode == 0, done.stdout
    assert "`nimbench run s` has all it needs." in done.stdout


def test_what_is_missing_is_said_with_its_repair(tmp_path):
    write(tmp_path / "s", TEXT.replace("[nginx,", "[no-such-nginx,"))
    done = nimbench("doctor", "s", "--set", f"launches.port_base={free_base()}", cwd=tmp_path)
    assert done.returncode == 2
    assert "repair: install no-such-nginx" in done.stdout
    assert "would fail: 1 thing missing." in done.stdout


def test_doctor_as_json_is_json_alone(tmp_path):
    document = json.loads(nimbench("doctor", "--json", cwd=tmp_path).stdout)
    assert document["scenario"] is None
    assert {"name", "ok", "found", "expected", "repair", "needed"} == set(document["checks"][0])
