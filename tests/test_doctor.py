"""What the doctor finds, on this very machine and with real ports, files and programs."""

import contextlib
import socket
import subprocess
import sys
from dataclasses import replace

import pytest

from bench import doctor
from bench.engines.llamacpp import LlamaCpp
from bench.errors import PrerequisiteError
from bench.plan import make_plan
from bench.probes.gpufacts import GpuHost
from bench.scenario import load_scenario
from bench.vocabulary import RuntimeKind
from tests.scenario.sample import TEXT, write
from tests.test_layers import LEFT_ONLY

PLAIN_HOP = TEXT.replace("command: [nginx,", "command: [sh,")  # a program that every machine has


def free_base(count: int = 4) -> int:
    """A port that is free, with free ones after it."""
    while True:
        with contextlib.ExitStack() as stack:
            first = stack.enter_context(socket.socket())
            first.bind(("127.0.0.1", 0))
            base = first.getsockname()[1]
            if base + count > 65000:
                continue
            try:
                for port in range(base + 1, base + count):
                    stack.enter_context(socket.socket()).bind(("127.0.0.1", port))
            except OSError:
                continue
            return base


def scenario_of(folder, text=PLAIN_HOP, *, base=None):
    return load_scenario(str(write(folder / "s", text)), sets=[f"launches.port_base={base or free_base()}"])


def lacks(scenario, **options):
    checks = doctor.check(scenario, make_plan(scenario), **options)
    return {found.name: found for found in checks if found.needed and not found.ok}


def test_nothing_is_missing_for_a_scenario_that_can_run(tmp_path):
    pytest.importorskip("xllamacpp", reason="the extra demo is not installed")
    scenario = scenario_of(tmp_path)
    doctor.require(scenario, make_plan(scenario), results=tmp_path)


def test_a_machine_is_checked_without_a_scenario(tmp_path):
    names = [found.name for found in doctor.check(None, results=tmp_path)]
    assert {"Python", "/proc", "CPUs", "memory", "Docker", "GPU"} <= set(names)


def test_docker_and_gpu_are_good_to_know_only(tmp_path):
    checks = {found.name: found for found in doctor.check(None, results=tmp_path)}
    assert not checks["Docker"].needed
    assert not checks["GPU"].needed


def test_a_port_in_use_is_found(tmp_path):
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]
        found = lacks(scenario_of(tmp_path, base=port))[f"arm plain: port {port}"]
    assert found.found == "in use by another program"
    assert "--set launches.port_base=" in found.repair


def test_a_missing_program_is_found(tmp_path):
    text = TEXT.replace("command: [nginx,", "command: [no-such-nginx,")
    assert lacks(scenario_of(tmp_path, text))["arm hop: program no-such-nginx"].found == "not on the PATH"


def test_a_missing_nginx_has_its_own_repair(tmp_path, monkeypatch):
    monkeypatch.setattr("shutil.which", lambda program, path: None)
    assert lacks(scenario_of(tmp_path, TEXT))["arm hop: program nginx"].repair == "apt-get install nginx-light"


def test_a_missing_model_is_found(tmp_path):
    scenario = scenario_of(tmp_path)
    (tmp_path / "s" / "model.gguf").unlink()
    assert "model.gguf" in lacks(scenario)["model.path"].found


def test_a_model_that_is_not_made_yet_is_not_missing(tmp_path):
    scenario = scenario_of(tmp_path, PLAIN_HOP.replace("path: model.gguf", "made: tiny-llama"))
    assert not [name for name in lacks(scenario) if name.startswith("model")]


def test_a_model_that_nothing_makes_is_missing(tmp_path):
    scenario = scenario_of(tmp_path, PLAIN_HOP.replace("path: model.gguf", "made: huge-llama"))
    assert "huge-llama" in lacks(scenario)["model.made"].found


def test_a_missing_tokenizer_is_found(tmp_path):
    scenario = scenario_of(tmp_path, PLAIN_HOP.replace("path: model.gguf", "path: model.gguf, tokenizer: no.json"))
    assert "no.json" in lacks(scenario)["model.tokenizer"].found


def test_an_engine_that_is_not_installed_is_found(tmp_path, monkeypatch):
    monkeypatch.setattr(LlamaCpp, "modules", ("xllamacpp_of_tomorrow",))
    found = lacks(scenario_of(tmp_path))["arm plain: engine llamacpp"]
    assert "xllamacpp_of_tomorrow" in found.found
    assert found.repair == "in nimbench's checkout: pip install '.[demo]'"


def test_an_arm_with_packages_of_its_own_needs_no_engine_here(tmp_path, monkeypatch):
    monkeypatch.setattr(LlamaCpp, "modules", ("xllamacpp_of_tomorrow",))
    assert "arm plain: engine llamacpp" not in lacks(locked_scenario(tmp_path, "a==1 --hash=sha256:00\n"))


def locked_scenario(folder, lock):
    write(folder / "s")
    (folder / "s" / "r.lock").write_text(lock)
    return scenario_of(folder, PLAIN_HOP.replace("side: buy}", "side: buy, packages: r.lock}"))


@pytest.mark.parametrize(
    "lock",
    ["a>=1 --hash=sha256:00\n", "a==1\n", "a==1 \\\n    --hash=sha256:00\nb\n", 'a ; python_version == "3.11"\n'],
)
def test_a_lock_with_a_loose_requirement_is_found(tmp_path, lock):
    found = lacks(locked_scenario(tmp_path, lock))["arm plain: packages"]
    assert "1 requirement" in found.found


def test_a_whole_lock_is_good_before_its_environment_is_built(tmp_path, monkeypatch):
    monkeypatch.setenv("NIMBENCH_CACHE", str(tmp_path / "cache"))
    lock = '# by hand\na==1 ; python_version >= "3.11" \\\n    --hash=sha256:00 \\\n    --hash=sha256:11\n    # via b\n'
    scenario = locked_scenario(tmp_path, lock)
    checks = {found.name: found for found in doctor.check(scenario, make_plan(scenario))}
    assert checks["arm plain: packages"].ok
    assert "will be built" in checks["arm plain: packages"].found
    assert not (tmp_path / "cache").exists()


def test_a_process_arm_asks_no_container_engine_and_no_registry(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "bench.doctor.docker", None)
    monkeypatch.setitem(sys.modules, "bench.doctor.images", None)
    names = [found.name for found in doctor.check(scenario_of(tmp_path))]
    assert not {"Docker", "scenario.lock"} & set(names)


BASE_INSTALL = """
import runpy, sys
class Without:
    def __init__(self, finder): self.finder = finder
    def find_spec(self, name, path=None, target=None):
        return None if name.split(".")[0] in {absent!r} else self.finder.find_spec(name, path, target)
    def __getattr__(self, name): return getattr(self.finder, name)
sys.meta_path[:] = [Without(finder) for finder in sys.meta_path]
sys.argv = {words!r}
runpy.run_module("bench", run_name="__main__")
"""


@pytest.mark.parametrize("words", [["doctor"], ["doctor", "llama-h100"], ["doctor", "--clean"]])
def test_a_host_without_the_extra_run_is_told_how_to_get_it(words):
    code = BASE_INSTALL.format(absent=LEFT_ONLY, words=["nimbench", *words])
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 2, done.stderr
    assert "pip install '.[run]'" in done.stdout + done.stderr
    assert "Traceback" not in done.stderr


def test_an_endpoint_must_answer(tmp_path):
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{other.getsockname()[1]}"
        text = PLAIN_HOP.replace("side: buy}", f"side: buy, url: '{url}'}}")
        assert f"arm plain: {url}" in lacks(scenario_of(tmp_path, text))
        other.listen()
        assert f"arm plain: {url}" not in lacks(scenario_of(tmp_path, text))


def test_disk_that_cannot_hold_the_run_is_found(tmp_path):
    scenario = scenario_of(tmp_path)
    plan = replace(make_plan(scenario), disk_bytes=1 << 60)
    with pytest.raises(PrerequisiteError, match="disk for"):
        doctor.require(scenario, plan, results=tmp_path / "not" / "yet")


def test_everything_missing_comes_in_one_error_each_with_its_repair(tmp_path):
    scenario = scenario_of(tmp_path, TEXT.replace("command: [nginx,", "command: [no-such-nginx,"))
    (tmp_path / "s" / "model.gguf").unlink()
    with pytest.raises(PrerequisiteError) as caught:
        doctor.require(scenario, make_plan(scenario), results=tmp_path)
    message = str(caught.value)
    assert "2 things are missing, nothing was started" in message
    assert message.count("repair:") == 2
    assert caught.value.exit_code == 2


def test_looking_at_a_process_arm_starts_nothing(tmp_path, monkeypatch):
    monkeypatch.setattr("bench.doctor.gpu.read_gpus", GpuHost)  # the driver is asked by a process, which is no arm's
    monkeypatch.setattr("subprocess.Popen", None)
    scenario = scenario_of(tmp_path)
    assert scenario.arms[0].runtime is RuntimeKind.PROCESS
    assert doctor.check(scenario, make_plan(scenario), results=tmp_path)
