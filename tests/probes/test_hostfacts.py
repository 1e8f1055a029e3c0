"""What is recorded of the host: facts where there are any, None where not, and the same at the next look."""

import json

import pytest

from bench.probes.cpufreq import clock_facts
from bench.probes.hostfacts import CHECKED, DOCKER_FACTS, differences, host_facts, toolkit_version
from tests.dockerside import requires_docker


@pytest.fixture
def program(tmp_path, monkeypatch):
    """A function that puts a program of that name and output before all others."""

    def put(name, output):
        path = tmp_path / name
        path.write_text(f"#!/bin/sh\ncat <<'END'\n{output}\nEND\n")
        path.chmod(0o755)
        monkeypatch.setenv("PATH", str(tmp_path), prepend=":")

    return put


def test_a_host_compared_with_itself_has_not_changed():
    before = json.loads(json.dumps(host_facts()))  # as run.json brings it back
    assert differences(before, host_facts(), CHECKED) == []


def test_every_fact_that_a_resumed_run_checks_is_recorded():
    assert set(CHECKED) <= set(host_facts(containers=False))


def test_without_containers_the_engine_is_not_asked():
    facts = host_facts(containers=False)
    assert [facts[name] for name in (*DOCKER_FACTS, "container_toolkit")] == [None] * (len(DOCKER_FACTS) + 1)


def test_an_engine_that_does_not_answer_leaves_its_facts_open(monkeypatch, tmp_path):
    monkeypatch.setenv("DOCKER_HOST", f"unix://{tmp_path}/nobody.sock")
    facts = host_facts()
    assert [facts[name] for name in DOCKER_FACTS] == [None] * len(DOCKER_FACTS)


@requires_docker
def test_an_engine_that_answers_tells_its_version_and_store():
    facts = host_facts()
    assert facts["docker_version"]
    assert facts["docker_root"].startswith("/")


def test_without_the_toolkit_its_version_is_not_known(monkeypatch, tmp_path):
    monkeypatch.setenv("PATH", str(tmp_path))
    assert toolkit_version() is None


@pytest.mark.parametrize(
    ("output", "version"),
    [
        ("NVIDIA Container Toolkit CLI version 1.17.8\ncommit: f202b80a9b9d0db00d9b1d73c0128c8962c55f4d", "1.17.8"),
        ("NVIDIA Container Toolkit CLI version 1.18.0-rc.1\ncommit: 0", "1.18.0-rc.1"),
        ("something else", None),
    ],
)
def test_the_toolkits_own_words_give_its_version(program, output, version):
    program("nvidia-ctk", output)
    assert toolkit_version() == version


def processors(folder, governors, **files):
    for place, governor in enumerate(governors):
        clocks = folder / f"cpu{place}" / "cpufreq"
        clocks.mkdir(parents=True)
        for name, text in {"scaling_governor": governor, **files}.items():
            (clocks / name).write_text(f"{text}\n")
    return folder


def test_one_governor_for_all_processors_is_named_once(tmp_path):
    cpus = processors(tmp_path, ["performance"] * 3, scaling_driver="acpi-cpufreq")
    facts = {"cpu_governor": "performance", "cpu_clock_driver": "acpi-cpufreq", "cpu_energy_preference": None}
    assert clock_facts(cpus) == facts


def test_processors_that_differ_are_counted(tmp_path):
    cpus = processors(tmp_path, ["performance"] * 4 + ["powersave"] * 12)
    assert clock_facts(cpus)["cpu_governor"] == "powersave ×12, performance ×4"


def test_powersave_of_a_driver_with_a_preference_shows_what_is_preferred(tmp_path):
    said = {"scaling_driver": "intel_pstate", "energy_performance_preference": "balance_power"}
    assert clock_facts(processors(tmp_path, ["powersave"] * 2, **said))["cpu_energy_preference"] == "balance_power"


def test_a_machine_without_clocks_to_set_has_no_governor(tmp_path):
    (tmp_path / "cpufreq").mkdir()
    assert set(clock_facts(tmp_path).values()) == {None}


def test_a_run_is_not_resumed_under_another_governor():
    assert differences({"cpu_governor": "performance"}, {"cpu_governor": "powersave"}, CHECKED) == [
        "cpu_governor: was 'performance', is 'powersave'"
    ]
