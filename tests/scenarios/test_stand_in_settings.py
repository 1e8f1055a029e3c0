"""What the stand-in's verbs print and pass on, read back by the adapter that reads a NIM's. No container."""

from __future__ import annotations

import re

import pytest

from bench.engines.alignment import aligned_args, engine_args
from bench.engines.profiles import State, choose_profile, parse_listing
from tests.scenarios.stand_in import FOLDER, stand_in

engines, profiles, settings, dry_run = (stand_in(name) for name in ("engines", "profiles", "settings", "dry_run"))


@pytest.fixture(params=[engines.LLAMACPP, engines.VLLM], ids=lambda engine: engine.name)
def engine(request):
    return request.param


@pytest.fixture(autouse=True)
def no_settings(monkeypatch):
    for name in (*settings.ENVIRONMENT, "NIM_PASSTHROUGH_ARGS", "NIM_MODEL_PROFILE", "STAND_IN_MODE"):
        monkeypatch.delenv(name, raising=False)


def values(found):
    return {name: setting["value"] for name, setting in found.items()}


def test_every_profile_has_an_id_of_its_own_in_the_form_of_a_nim(engine):
    ids = [profile.id for profile in profiles.all_profiles(engine)]
    assert len(set(ids)) == len(ids)
    assert all(re.fullmatch(r"[0-9a-f]{64}", one) for one in ids)


def test_the_listing_is_read_like_one_of_a_nim_and_a_name_never_means_the_twin_with_lora(engine):
    listing = parse_listing("\n".join(profiles.listing(engine)))
    plain = next(iter(profiles.all_profiles(engine)))
    chosen = choose_profile(listing, plain.name)
    assert (chosen.id, chosen.state) == (plain.id, State.RUNNABLE)
    assert {profile.state for profile in listing.profiles} == {State.RUNNABLE, State.LOW_MEMORY, State.INCOMPATIBLE}
    assert any("feat_lora" in profile.listed_as for profile in listing.profiles)


def test_with_no_compatible_profile_the_listing_has_none_that_can_run(engine, monkeypatch):
    monkeypatch.setenv("STAND_IN_MODE", "no_compatible_profile")
    listing = parse_listing("\n".join(profiles.listing(engine)))
    assert {profile.state for profile in listing.profiles} == {State.INCOMPATIBLE}
    with pytest.raises(LookupError, match="Could not find a profile that is currently runnable"):
        profiles.chosen(engine)


def test_an_id_with_its_description_behind_it_is_no_id(engine, monkeypatch):
    one = profiles.all_profiles(engine)[0]
    monkeypatch.setenv("NIM_MODEL_PROFILE", f"{one.id} ({one.name})")
    with pytest.raises(LookupError, match="Could not match a profile in manifest"):
        profiles.chosen(engine)


def test_the_command_line_beats_passthrough_beats_environment_beats_profile_beats_default(monkeypatch):
    one = profiles.all_profiles(engines.VLLM)[0]
    assert values(settings.resolved(one, []))["dtype"] == "bfloat16"
    monkeypatch.setenv("NIM_MAX_MODEL_LEN", "100")
    monkeypatch.setenv("NIM_SERVED_MODEL_NAME", "of-environment")
    monkeypatch.setenv("NIM_PASSTHROUGH_ARGS", "--max-model-len=200 --dtype float16 --max-num-seqs 3")
    found = settings.resolved(one, ["--max-model-len", "300"])
    expected = {
        "max-model-len": "300",
        "dtype": "float16",
        "max-num-seqs": "3",
        "served-model-name": "of-environment",
        "tensor-parallel-size": "1",
    }
    assert {name: values(found)[name] for name in expected} == expected
    assert found["max-model-len"]["source"] == "CLI"
    assert found["max-model-len"]["previous"]["source"] == "PASSTHROUGH"


def test_the_engine_stays_behind_nginx_whatever_is_asked(engine):
    one = profiles.all_profiles(engine)[0]
    found = values(settings.resolved(one, ["--host=0.0.0.0", "--port=80"]))
    assert (found["host"], found["port"]) == ("127.0.0.1", "8001")


def test_a_flag_and_its_negation_are_one_setting():
    assert settings.parse(["--enable-prefix-caching", "--no-enable-prefix-caching"]) == {
        "no-enable-prefix-caching": None
    }


def test_what_a_dry_run_prints_gives_the_custom_arm_its_arguments(monkeypatch):
    one, engine = profiles.all_profiles(engines.VLLM)[0], engines.VLLM
    found = settings.resolved(one, ["--max-model-len=512", "--enforce-eager"])
    text = "\n".join(dry_run.report(engine, one, found, "/cache/tmp/nim_x", settings.engine_words(engine, found)))
    read = engine_args(text)
    assert (read.program, read.model, read.profile_id) == (("vllm", "serve"), "/cache/tmp/nim_x", one.id)
    assert read.resolved["max_model_len"]["value"] == 512
    arguments, edits = aligned_args(read, model_path="/weights")
    assert not {"--host", "--port", "/cache/tmp/nim_x"} & set(arguments)
    assert arguments[arguments.index("--max-model-len") + 1] == "512"
    assert "--enforce-eager" in arguments
    assert {edit.flag for edit in edits} == {"model", "--host", "--port"}


def test_llama_cpp_is_given_its_own_words_for_the_settings(engine):
    one = profiles.all_profiles(engines.LLAMACPP)[0]
    words = settings.engine_words(engines.LLAMACPP, settings.resolved(one, ["--threads=1"]))
    assert words[:2] == ["--alias", "stand-in/tiny-llama"]
    assert "--threads" in words
    assert "--tensor-parallel-size" not in words


def test_nothing_in_the_image_carries_a_label_of_nvidia():
    dockerfile = (FOLDER / "Dockerfile").read_text()
    assert "com.nvidia" not in dockerfile
    assert 'LABEL org.nimbench.stand-in="stand-in, not NVIDIA NIM"' in dockerfile
