"""Every problem names file, line and key, what was expected, what was there and the repair."""

import re

import pytest

from bench.errors import InputError
from bench.scenario import load_scenario
from tests.scenario.sample import TEXT, write


def problem_of(folder, text=TEXT, **replaced):
    with pytest.raises(InputError) as caught:
        load_scenario(str(write(folder / "s", text, **replaced)))
    return str(caught.value)


def test_an_unknown_key_is_shown_with_its_line_and_the_nearest_key(tmp_path):
    message = problem_of(tmp_path, TEXT.replace("baseline: plain", "baseline: plain\nserv_args: []"))
    assert re.search(r"s/scenario\.yaml:4: serv_args: unknown key\n", message)
    assert "expected: one of summary, question" in message
    assert "repair: Did you mean 'serve_args'?" in message


def test_an_unknown_key_deep_inside_is_compared_with_its_neighbours(tmp_path):
    message = problem_of(tmp_path, TEXT.replace("    args: [", "    arg: ["))
    assert "scenario.yaml:9: arms.hop.arg: unknown key" in message
    assert "Did you mean 'args'?" in message


@pytest.mark.parametrize(
    ("old", "new", "where", "said"),
    [
        ("duration: 5s", "duration: 5", ":19: load.stages.0.duration: wrong unit", "repair: write 5s"),
        ("duration: 5s", "duration: 5sec", "load.stages.0.duration: wrong unit", "ms, s, m or h, e.g. 60s"),
        ("duration: 5s", "duration: 0s", "load.stages.0.duration: wrong value", "more than 0s"),
        ("duration: 5s", "duration: 99999h", "load.stages.0.duration: wrong value", "at most 720h"),
        ("_s: 5%", "_s: 5", "margins.output_tokens_per_s: wrong unit", "write 5%"),
        ("_s: 5%", "_s: 0.05", "margins.output_tokens_per_s: wrong unit", "a percentage above 0%"),
        ("margins: {output_tokens_per_s", "margins: {output_token_per_s", "unknown metric", "'output_tokens_per_s'"),
        (
            "metric: output_tokens_per_s",
            "metric: ttft_p95_s",
            "primary.metric: unknown metric",
            "Did you mean 'ttft_p9",
        ),
        ("stage: c4}", "stage: c5}", "primary.stage: 'c5' is not a stage", "one of c1, c4"),
        (", stage: c4", "", "primary.stage: missing key", "one of c1, c4"),
        ("metric: output_tokens_per_s, ", "metric: start_to_ready_s, ", "primary.stage:", "belongs to a launch"),
        ("{ttft_p99_s: 300ms}", "{ttft_p99_s: 300}", "slo.ttft_p99_s: wrong unit", "write 300s"),
        ("{ttft_p99_s: 300ms}", "{output_tokens_per_s: 3s}", "slo.output_tokens_per_s", "a number above 0"),
        ("baseline: plain", "baseline: plane", ":3: baseline: 'plane' is not an arm", "Did you mean 'plain'?"),
        ("engine: llamacpp, side: buy", "engine: llamacpp", "arms.plain.side: missing key", "buy or build"),
        ("side: buy", "side: bye", "arms.plain.side: unknown word", "Did you mean 'buy'?"),
        ("plain: {", "Plain Arm: {", "arms.Plain Arm: wrong name", "small letters"),
        ("entry: nginx", "entry: ngin", "arms.hop.entry: 'ngin' is no command", "Did you mean 'nginx'?"),
        ('HERE: "${scratch}"', 'HERE: "${scrach}"', "arms.hop.env.HERE: '${scrach}'", "'${scratch}'"),
        ('HERE: "${scratch}"', "HERE: true", "arms.hop.env.HERE: wrong type", "put it in quotes"),
        ("      nginx:\n", "      engine:\n", "arms.hop.also.engine:", "means the engine itself"),
        ("files: {nginx.conf:", "files: {../nginx.conf:", "outside of ${scratch}", "a name such as nginx.conf"),
        ("nginx.conf.in}", "absent.in}", "arms.hop.also.nginx.files.nginx.conf: no such file", "got: absent.in"),
        ("side: buy}", "side: buy, packages: no.lock}", "arms.plain.packages: no such file", "got: no.lock"),
        ("side: buy}", "side: buy, url: 'http://h:1', image: i}", "arms.plain: url and image exclude", "keep one"),
        ("side: buy}", "side: buy, url: 'http://h:1/v1'}", "arms.plain.url: wrong address", "without a path"),
        ("side: buy}", "side: buy, url: 'http://h:99999'}", "arms.plain.url: wrong address", "http://host:port"),
        ("side: buy}", "side: buy, url: 'http://h:1', args: [a]}", "arms.plain.args:", "already runs"),
        ("side: buy}", "side: buy, runtime: docker}", "arms.plain.runtime:", "image or build"),
        ("side: buy}", "side: buy, runtime: endpoint}", "arms.plain.runtime:", "url"),
        ("path: model.gguf, ", "", "model: this arm needs the model's files", "path or made"),
        ("path: model.gguf", "path: model.gguf, made: tiny-llama", "model.made: path and made exclude", "keep one"),
        ("input_tokens: 64", "input_tokens: 500", "load.prompt:", "500 + 32 = 532 tokens"),
        ("concurrency: 4", "concurrency: 1", "2 stages have the id 'c1'", "give each an `id:`"),
        ("concurrency: 4,", "rate: 3,", "load.stages.1.rate: open-loop stages are not supported yet", "`concurrency`"),
        ("concurrency: 4,", "concurrency: 4, rate: 3,", "load.stages.1.rate: open-loop", "`concurrency`"),
        ("concurrency: 4,", "concurrency: 1000000000,", "load.stages.1.concurrency: wrong value", "10000"),
        ("blocks: 2", "blocks: yes please", "launches.blocks: wrong value", "valid integer"),
        ("mode: quick", "mode: quik", "launches.mode: unknown word", "Did you mean 'quick'?"),
        ("  smoke: {", "  smok: {", "modes.smok: ", "smoke"),
        (
            "{duration: 2s, warmup",
            "{durations: 2s, warmup",
            ":23: modes.smoke.load.durations: unknown key",
            "'duration'",
        ),
        ("arms:\n", "arms: {}\nnotice:\n", "arms: a comparison needs two arms", "got: none"),
        ("summary: two", "summary: 1\nsumary: two", "sumary: unknown key", "Did you mean 'summary'?"),
        ("summary: two", "summary: [1]\nnotice: two", ":1: summary: wrong value", "valid string"),
        ("baseline: plain", "baseline: plain\nbaseline: hop", "this key comes twice (lines 3 and 4)", "keep one"),
        ("baseline: plain", "baseline: plain\n[1]: hop", "a key on line 4 is not a word", "key: value"),
    ],
)
def test_a_problem_is_clear(tmp_path, old, new, where, said):
    assert old in TEXT
    text = TEXT.replace(old, new, 1)
    if "arms: {}" in new:
        text = re.sub(r"notice:\n(  .*\n)+", "", text)
    message = problem_of(tmp_path, text)
    assert where in message
    assert said in message
    assert "scenario.yaml" in message


def test_one_arm_is_no_comparison(tmp_path):
    text = re.sub(r"  hop:\n(    .*\n)+", "", TEXT)
    message = problem_of(tmp_path, text)
    assert "arms: a comparison needs two arms" in message
    assert "got: plain" in message


def test_all_problems_of_a_file_come_in_one_message_by_line(tmp_path):
    text = TEXT.replace("summary: two", "summry: two").replace("baseline: plain", "baseline: plan")
    message = problem_of(tmp_path, text.replace("concurrency: 4,", "concurrency: 4.5,"))
    assert "3 problems" in message.splitlines()[0]
    lines = [int(line) for line in re.findall(r"scenario\.yaml:(\d+): ", message)]
    assert lines == sorted(lines)
    assert len(re.findall(r"repair: ", message)) == 3


def test_contradictions_are_found_beside_unknown_keys(tmp_path):
    text = TEXT.replace("margins:", "margin:").replace("baseline: plain", "baseline: plan")
    message = problem_of(tmp_path, text)
    assert "2 problems" in message
    assert "'plan' is not an arm" in message
    assert "Did you mean 'margins'?" in message


def test_an_arm_that_chooses_its_own_gpus_would_have_others_sampled(tmp_path):
    text = TEXT.replace('env: {HERE: "${scratch}"}', "env: {CUDA_VISIBLE_DEVICES: '1'}")
    assert "samples those" in problem_of(tmp_path, text.replace("baseline: plain", "baseline: plain\ngpu: {name: X}"))


def test_a_long_value_is_cut(tmp_path):
    message = problem_of(tmp_path, TEXT.replace("side: buy", f"side: {'x' * 5000}"))
    assert len(message) < 1000


def test_a_primary_metric_that_is_of_no_arm_is_refused_before_anything_is_measured(tmp_path):
    text = re.sub(r"primary: .*", "primary: {metric: idle_power_w}", TEXT)
    message = problem_of(tmp_path, text)
    assert "primary.metric: idle_power_w is taken before the arm is there" in message
    assert "repair: write loaded_idle_power_w" in message
