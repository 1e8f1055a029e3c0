"""The plan: what will be started, in which order, where, and for how long."""

from dataclasses import replace

import pytest

from bench.container import Placement, Prepared
from bench.errors import InputError
from bench.plan import launch_spec, make_plan
from bench.scenario import load_scenario
from bench.vocabulary import RuntimeKind
from tests.scenario.sample import TEXT, write


@pytest.fixture
def scenario(tmp_path):
    return load_scenario(str(write(tmp_path / "s")), sets=["launches.blocks=6"])


def test_every_block_starts_every_arm_once(scenario):
    plan = make_plan(scenario)
    blocks = {}
    for launch in plan.launches:
        blocks.setdefault(launch.block, []).append(launch.arm)
    assert len(blocks) == 7
    assert all(sorted(arms) == ["hop", "plain"] for arms in blocks.values())


def test_burn_in_comes_first_and_is_marked(scenario):
    launches = make_plan(scenario).launches
    assert [launch.burn_in for launch in launches] == [True] * 2 + [False] * 12
    assert [launch.index for launch in launches] == list(range(1, 15))


def test_the_order_within_blocks_is_drawn_from_the_seed(scenario):
    orders = {seed: [launch.arm for launch in make_plan(scenario, seed=seed).launches] for seed in range(5)}
    assert len({tuple(order) for order in orders.values()}) > 1
    assert orders[3] == [launch.arm for launch in make_plan(scenario, seed=3).launches]
    firsts = {launch.arm for launch in make_plan(scenario).launches if launch.order_in_block == 0}
    assert firsts == {"hop", "plain"}


def test_prompts_are_equal_within_a_block_and_differ_between_blocks(scenario):
    seeds = {}
    for launch in make_plan(scenario).launches:
        seeds.setdefault(launch.block, set()).add(launch.seed)
    assert all(len(of_block) == 1 for of_block in seeds.values())
    assert len(set.union(*seeds.values())) == len(seeds)


def test_every_command_has_a_port_of_its_own(scenario):
    ports = make_plan(scenario).ports
    assert {arm: list(of_arm) for arm, of_arm in ports.items()} == {"plain": ["engine"], "hop": ["engine", "nginx"]}
    taken = [port for of_arm in ports.values() for port in of_arm.values()]
    assert len(set(taken)) == 3
    assert min(taken) == scenario.launches.port_base


def test_longer_stages_and_more_blocks_take_longer_and_more_disk(scenario):
    longer = replace(scenario, load=replace(scenario.load, rounds=2))
    more = replace(scenario, launches=replace(scenario.launches, blocks=12))
    base = make_plan(scenario)
    for other in (make_plan(longer), make_plan(more)):
        assert other.expected_s > base.expected_s
        assert other.disk_bytes > base.disk_bytes


def test_a_spec_fills_in_ports_scratch_and_folder(scenario):
    plan = make_plan(scenario)
    spec = launch_spec(scenario, "hop", plan, scratch="/scratch/here")
    engine, nginx = spec.commands
    ports = plan.ports["hop"]
    assert (engine.name, nginx.name) == ("engine", "nginx")
    assert nginx.argv == ("nginx", "-c", "/scratch/here/nginx.conf")
    assert engine.env["HERE"] == nginx.env["HERE"] == "/scratch/here"
    assert f"--port={ports['engine']}" in engine.argv
    assert engine.argv[-2:] == ("--parallel", "4")
    assert any(word.endswith("s/model.gguf") for word in engine.argv)
    config = nginx.files["nginx.conf"]
    assert f"listen {ports['nginx']}; proxy_pass 127.0.0.1:{ports['engine']};" in config
    assert "set $host;" in config  # nginx's own variables stay


def test_the_load_goes_to_the_entry_and_metrics_past_it(scenario):
    plan = make_plan(scenario)
    spec = launch_spec(scenario, "hop", plan, scratch="/x")
    assert spec.url == f"http://127.0.0.1:{plan.ports['hop']['nginx']}"
    assert spec.metrics_url == f"http://127.0.0.1:{plan.ports['hop']['engine']}/metrics"
    plain = launch_spec(scenario, "plain", plan, scratch="/x")
    assert plain.url == f"http://127.0.0.1:{plan.ports['plain']['engine']}"


def test_every_process_of_an_arm_sees_its_own_gpus_alone(scenario):
    placed = Prepared(placement=Placement(gpus=("GPU-c", "GPU-d"), gpu_indices=(2, 3)))
    spec = launch_spec(scenario, "hop", make_plan(scenario), scratch="/x", prepared=placed)
    assert len(spec.commands) > 1
    for command in spec.commands:
        assert (command.env["CUDA_DEVICE_ORDER"], command.env["CUDA_VISIBLE_DEVICES"]) == ("PCI_BUS_ID", "2,3")
    plain = launch_spec(scenario, "plain", make_plan(scenario), scratch="/x")
    assert "CUDA_VISIBLE_DEVICES" not in plain.commands[0].env


def test_a_server_that_already_runs_needs_no_port_and_no_command(scenario):
    plain = replace(scenario.arms[0], url="http://127.0.0.1:9", runtime=RuntimeKind.ENDPOINT)
    scenario = replace(scenario, arms=(plain, scenario.arms[1]))
    plan = make_plan(scenario)
    spec = launch_spec(scenario, "plain", plan, scratch="/x")
    assert plan.ports["plain"] == {}
    assert spec.commands == ()
    assert (spec.url, spec.metrics_url) == ("http://127.0.0.1:9", "http://127.0.0.1:9/metrics")


def test_a_container_arm_is_one_container_with_the_model_mounted(scenario):
    plain = replace(scenario.arms[0], image="x:1", runtime=RuntimeKind.DOCKER)
    scenario = replace(scenario, arms=(plain, scenario.arms[1]))
    plan = make_plan(scenario)
    spec = launch_spec(scenario, "plain", plan, scratch="/x")
    assert spec.commands == ()
    assert spec.container.image == "x:1"
    assert spec.url == f"http://127.0.0.1:{spec.container.host_port}"
    assert spec.container.host_port == plan.ports["plain"]["engine"]
    assert [(mount.target, mount.read_only) for mount in spec.container.mounts] == [("/models/model.gguf", True)]


def test_an_unknown_engine_is_named_with_its_key(tmp_path):
    scenario = load_scenario(str(write(tmp_path / "s", TEXT.replace("engine: llamacpp, ", "engine: llamacp, "))))
    with pytest.raises(InputError, match=r"s: arms\.plain\.engine") as caught:
        make_plan(scenario)
    assert "Did you mean 'llamacpp'?" in str(caught.value)


def test_an_unknown_made_model_is_named_with_its_key(scenario):
    scenario = replace(scenario, model=replace(scenario.model, path=None, made="huge-llama"))
    with pytest.raises(InputError, match="s: model: .*huge-llama"):
        launch_spec(scenario, "plain", make_plan(scenario), scratch="/x")
