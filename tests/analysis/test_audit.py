"""Arms that are not configured alike are not compared: the fact, both values and the repair are named."""

import dataclasses

import pytest

from bench.analysis import effective, summarise
from bench.analysis.audit import facts_of
from bench.analysis.numbers import Numbers
from bench.model import Stage
from bench.vocabulary import Kind, Question, Role, RuntimeKind, Severity, Side, Verdict
from tests.analysis.test_checks import changed, found, with_launch
from tests.synthetic import Fake, make_run

CONFIG = {
    "engine_inside": "vllm",
    "engine_version": "0.27.1",
    "precision": "bfloat16",
    "quantization": "none",
    "max_model_len": 8192,
    "kv_cache_tokens": 107_728,
    "kv_cache_dtype": "auto",
    "prefix_caching": True,
    "speculative": "none",
    "max_num_seqs": 256,
    "max_num_batched_tokens": 8192,
    "gpu_memory_utilization": 0.92,
    "attention_backend": "FLASH_ATTN",
}
SMALL = {"blocks": 3, "stages": (Stage(id="c4", concurrency=4, duration_s=2.0),)}
NIM = Fake(side=Side.BUY, engine="nim", runtime=RuntimeKind.DOCKER, config=CONFIG)
CUSTOM = Fake(engine="vllm", runtime=RuntimeKind.DOCKER, config=CONFIG, args=("--x",), speed=1.3)


def run(custom=None, *, nim=None, **more):
    """NIM against a custom arm that differs in these facts; a value of None takes the fact away."""

    def altered(fake, changes):
        config = {key: value for key, value in (CONFIG | (changes or {})).items() if value is not None}
        return dataclasses.replace(fake, config=config)

    return make_run({"nim": altered(NIM, nim), "custom": altered(CUSTOM, custom)}, **SMALL | more)


def primary(summary):
    return next(c for c in summary.comparisons if c.role is Role.PRIMARY)


def verdicts(summary):
    return {c.verdict for c in summary.comparisons if c.kind is Kind.SAMPLED}


def test_equal_configurations_are_compared_and_nothing_is_said():
    summary = summarise(run())
    assert primary(summary).verdict is Verdict.BETTER and summary.decision.arms == ("custom",)
    said = {f.id for f in summary.findings}
    assert not said & {"not-comparable", "not-audited", "settings-differ", "config-changed", "engine-build-differs"}


@pytest.mark.parametrize(
    ("key", "value", "said"),
    [
        ("engine_inside", "sglang", "engine_inside vllm (nim) and sglang (custom)"),
        ("engine_version", "0.31.0", "engine_version 0.27.1 (nim) and 0.31.0 (custom)"),
        ("precision", "float16", "precision bfloat16 (nim) and float16 (custom)"),
        ("quantization", "fp8", "quantization none (nim) and fp8 (custom)"),
        ("max_model_len", 4096, "max_model_len 8,192 (nim) and 4,096 (custom)"),
        ("kv_cache_tokens", 97_328, "kv_cache_tokens 107,728 (nim) and 97,328 (custom)"),
        ("kv_cache_dtype", "fp8", "kv_cache_dtype bfloat16 (nim) and fp8 (custom)"),
        ("prefix_caching", False, "prefix_caching on (nim) and off (custom)"),
        ("speculative", "eagle3", "speculative none (nim) and eagle3 (custom)"),
    ],
)
def test_unequal_fact_makes_every_measured_ratio_not_comparable(key, value, said):
    summary = summarise(run({key: value}))
    assert verdicts(summary) == {Verdict.NOT_COMPARABLE}
    assert said in primary(summary).reason
    made = summary.decision
    assert (made.arms, made.state, made.side) == ((), "unknown", "none")
    assert said in made.sentence and f"Align {key} (nimbench align synthetic)" in made.sentence
    assert "% higher" not in made.sentence and not made.because
    (finding,) = [f for f in summary.findings if f.id == "not-comparable"]
    assert said in finding.text and f"Align {key}: " in finding.next


def test_arm_that_is_not_comparable_hides_no_verdict_of_the_others():
    arms = {"nim": NIM, "custom": CUSTOM, "fp8": dataclasses.replace(CUSTOM, config=CONFIG | {"quantization": "fp8"})}
    summary = summarise(make_run(arms, **SMALL))
    told = {c.candidate: c.verdict for c in summary.comparisons if c.role is Role.PRIMARY}
    assert told == {"custom": Verdict.BETTER, "fp8": Verdict.NOT_COMPARABLE}
    assert summary.decision.state == "unknown"


def test_only_the_engine_is_named_where_the_versions_are_those_of_two_engines():
    reason = primary(summarise(run({"engine_inside": "sglang", "engine_version": "0.5.21"}))).reason
    assert "engine_version" not in reason


@pytest.mark.parametrize(
    ("key", "ours", "theirs"),
    [
        ("precision", "bfloat16", "torch.bfloat16"),
        ("precision", "bf16", "bfloat16"),
        ("engine_version", "0.27.1", "0.27.1+cu130"),
        ("engine_version", "v0.27.1", "0.27.1"),
        ("max_model_len", 8192, "8192"),
        ("kv_cache_tokens", 107_728, "107,000"),
        ("kv_cache_dtype", "auto", "bfloat16"),
        ("prefix_caching", True, "True"),
        ("quantization", "none", "None"),
    ],
)
def test_spelling_is_no_difference(key, ours, theirs):
    assert primary(summarise(run({key: theirs}, nim={key: ours}))).verdict is Verdict.BETTER


@pytest.mark.parametrize("other", ["0.27.2", "0.27.1.post1", "0.27.1rc1", "0.27.2.dev12+gabc"])
def test_other_release_is_a_difference(other):
    assert primary(summarise(run({"engine_version": other}))).verdict is Verdict.NOT_COMPARABLE


def test_profiles_word_for_a_quantised_model_is_a_doubt_and_no_block():
    data = run({"quantization": "fp8"}, nim={"precision": "fp8", "quantization": None, "kv_cache_dtype": "bfloat16"})
    (finding,) = found(data, "not-audited")
    assert "precision" in finding.text and "quantization (nim)" in finding.text
    assert primary(summarise(data)).verdict is Verdict.BETTER


def test_quantised_profile_against_a_plain_model_is_a_block():
    data = run(nim={"precision": "fp8", "quantization": None, "kv_cache_dtype": "bfloat16"})
    assert "precision fp8 (nim) and bfloat16 (custom)" in primary(summarise(data)).reason


def test_two_builds_of_one_release_are_told():
    (finding,) = found(run({"engine_version": "0.27.1+cu130"}), "engine-build-differs")
    assert finding.severity is Severity.INFO and "0.27.1+cu130 (custom)" in finding.text


@pytest.mark.parametrize(("tokens", "blocked"), [(106_700, False), (106_600, True), (102_342, True)])
def test_kv_cache_may_differ_by_one_per_cent_and_no_more(tokens, blocked):
    verdict = primary(summarise(run({"kv_cache_tokens": tokens}))).verdict
    assert (verdict is Verdict.NOT_COMPARABLE) is blocked


def test_blocks_of_tokens_are_a_kv_cache_too():
    blocks = {"kv_cache_tokens": None, "kv_blocks": "6733", "kv_block_tokens": "16"}
    assert primary(summarise(run(blocks))).verdict is Verdict.BETTER
    assert primary(summarise(run(blocks | {"kv_blocks": "6083"}))).verdict is Verdict.NOT_COMPARABLE


def test_build_that_was_not_told_is_no_version():
    unknown = {"engine_inside": "llamacpp", "engine_version": "b0-unknown"}
    assert "engine_version" in found(run(unknown, nim=unknown), "not-audited")[0].text


def test_pinned_bytes_are_compared_where_both_are_known():
    equal = {"kv_cache_memory_bytes": 48_318_382_080, "kv_cache_tokens": None}
    assert primary(summarise(run(equal, nim=equal))).verdict is Verdict.BETTER
    assert not found(run(equal, nim=equal), "not-audited")
    less = equal | {"kv_cache_memory_bytes": 40_000_000_000}
    assert "kv_cache_memory_bytes 48,318,382,080 (nim)" in primary(summarise(run(less, nim=equal))).reason


def test_kv_cache_of_llamacpp_is_that_of_a_slot():
    config = {"engine_inside": "llamacpp", "max_model_len": 512}
    arms = {
        "one": Fake(config=config | {"max_num_seqs": 1, "kv_cache_tokens": 512}),
        "four": Fake(config=config | {"max_num_seqs": 4, "kv_cache_tokens": 2048}, speed=1.3),
    }
    summary = summarise(make_run(arms, **SMALL))
    assert primary(summary).verdict is Verdict.BETTER
    (finding,) = [f for f in summary.findings if f.id == "settings-differ"]
    assert "max_num_seqs 1 (one) and 4 (four)" in finding.text


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("max_num_seqs", 128),
        ("max_num_batched_tokens", 2048),
        ("gpu_memory_utilization", 0.8594),
        ("attention_backend", "FLASHINFER"),
    ],
)
def test_setting_of_scheduling_is_told_and_blocks_nothing(key, value):
    data = run({key: value})
    (finding,) = found(data, "settings-differ")
    assert finding.severity is Severity.WARN and key in finding.text
    assert primary(summarise(data)).verdict is Verdict.BETTER


def test_fact_that_one_side_does_not_tell_is_a_doubt_and_no_block():
    data = run({"quantization": None, "speculative": None})
    (finding,) = found(data, "not-audited")
    assert finding.severity is Severity.WARN
    assert "2 of 9 facts" in finding.text and "quantization (custom), speculative (custom)" in finding.text
    assert primary(summarise(data)).verdict is Verdict.BETTER


def test_doubt_about_processes_and_llamacpp_is_only_good_to_know():
    process = make_run({"a": Fake(engine="vllm"), "b": Fake(engine="vllm", args=("--x",))}, **SMALL)
    llamacpp = Fake(engine="nim", runtime=RuntimeKind.DOCKER, config={"engine_inside": "llamacpp"})
    stand_in = make_run({"a": llamacpp, "b": dataclasses.replace(llamacpp, args=("--x",))}, **SMALL)
    for data in (process, stand_in):
        assert [f.severity for f in found(data, "not-audited")] == [Severity.INFO]


def test_defaults_are_compared_as_shipped_and_their_differences_declared():
    data = run({"precision": "float16", "max_num_seqs": 128}, question=Question.SHIPPED)
    summary = summarise(data)
    assert primary(summary).verdict is Verdict.BETTER and summary.decision.arms == ("custom",)
    assert summary.decision.sentence.endswith(
        "Defaults were compared with defaults; they differ in precision and max_num_seqs."
    )
    (finding,) = found(data, "differences-declared")
    assert finding.severity is Severity.INFO and "precision bfloat16 (nim) and float16 (custom)" in finding.text
    assert not {f.id for f in summary.findings} & {"not-comparable", "not-audited", "settings-differ"}


def test_kv_lottery_within_an_arm_is_told():
    def smaller_in_block_1(one):
        tokens = 102_342 if one.launch.block == 1 else 107_728
        return with_launch(effective_config=CONFIG | {"kv_cache_tokens": tokens})(one)

    data = changed(run(), smaller_in_block_1, arm="nim")
    (finding,) = found(data, "config-changed")
    assert finding.arm == "nim" and "102,342 to 107,728" in finding.text and "3 launches" in finding.text
    assert primary(summarise(data)).verdict is Verdict.BETTER  # one start of three: the arm's middle is what counts


def test_fact_that_most_launches_do_not_tell_is_that_of_the_others():
    data = changed(run(), lambda one: one if one.launch.block == 1 else with_launch(effective_config={})(one))
    assert facts_of(Numbers(data), "nim")["max_model_len"].value == 8192


def test_every_blocking_fact_says_how_to_align_it():
    assert all(fact.align for fact in effective.FACTS)


@pytest.mark.parametrize("strange", [float("nan"), "many", [], {"a": 1}, True, "None", -1, "9" * 400])
def test_strange_value_breaks_nothing(strange):
    for fact in effective.FACTS:
        fact.read({fact.key: strange})
    summarise(run(dict.fromkeys(CONFIG, strange), blocks=2))
