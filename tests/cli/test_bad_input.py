"""Bad input through the real command line: exit code 2, one clear message, no traceback, nothing started."""

import socket

import pytest

from tests.cli.nimbench import nimbench
from tests.scenario.sample import TEXT, write
from tests.scenario.test_source import bomb
from tests.test_doctor import PLAIN_HOP, free_base


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (TEXT.replace("serve_args", "").replace("margins:", "margin:"), "Did you mean 'margins'?"),
        (TEXT.replace("duration: 5s", "duration: 5"), "wrong unit"),
        ("", "the file is empty"),
        (bomb(), "grows without end"),
        (TEXT.replace("engine: llamacpp, ", "engine: tgi, "), "no engine is called 'tgi'"),
    ],
    ids=["unknown key", "wrong unit", "empty YAML", "YAML bomb", "unknown engine"],
)
def test_a_bad_scenario_is_one_message(tmp_path, text, said):
    write(tmp_path / "s", text)
    expect_refusal(nimbench("plan", "s", cwd=tmp_path), said)


def test_a_missing_file_is_one_message(tmp_path):
    expect_refusal(nimbench("plan", "s/absent.yaml", cwd=tmp_path), "no such scenario: s/absent.yaml")


def test_an_unknown_option_is_one_message(tmp_path):
    expect_refusal(nimbench("plan", "--mod", "quick", cwd=tmp_path), "--mode")


def test_a_port_in_use_is_one_message(tmp_path):
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]
        done = doctor(tmp_path, PLAIN_HOP, port)
    assert (done.returncode, done.stderr) == (2, "")
    assert f"arm plain: port {port}: in use by another program" in done.stdout


def test_a_missing_model_is_one_message(tmp_path):
    done = doctor(tmp_path, PLAIN_HOP.replace("path: model.gguf", "path: absent.gguf"), free_base())
    assert (done.returncode, done.stderr) == (2, "")
    assert "model.path: no " in done.stdout


def test_an_engine_that_is_not_installed_is_one_message(tmp_path):
    done = doctor(tmp_path, PLAIN_HOP.replace("engine: llamacpp, ", "engine: vllm, "), free_base())
    assert (done.returncode, done.stderr) == (2, "")
    assert "arm plain: engine vllm: not installed" in done.stdout
    assert "repair: give the arm `packages:`" in done.stdout


def doctor(folder, text, base):
    write(folder / "s", text)
    return nimbench("doctor", "s", "--set", f"launches.port_base={base}", cwd=folder)


def expect_refusal(done, said):
    assert done.returncode == 2
    assert done.stdout == ""
    assert said in done.stderr
    assert "Traceback" not in done.stderr
    assert len(done.stderr.splitlines()) <= 6
