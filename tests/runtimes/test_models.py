"""The files of a model: found or made, and known by their hash."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import pytest

from bench.errors import InputError, PrerequisiteError
from bench.model import Model
from bench.runtimes.models import model_location, resolve_model, tokenizer_location

MAKER = "import sys, pathlib\npathlib.Path(sys.argv[1], 'm.gguf').write_text({text!r})\n"


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("NIMBENCH_CACHE", str(tmp_path / "cache"))


@pytest.fixture
def folder(tmp_path):
    """A scenario's folder with a maker beside it whose model is five bytes."""
    models = tmp_path / "scenarios" / "_models"
    models.mkdir(parents=True)
    (models / "five.py").write_text(MAKER.format(text="12345"))
    recipe = {"formats": {"gguf": {"f16": "m.gguf"}}, "tokenizer": "m.gguf"}
    recipe["files"] = {"m.gguf": hashlib.sha256(b"12345").hexdigest()}
    (models / "five.sha256.json").write_text(json.dumps(recipe))
    (tmp_path / "scenarios" / "mine").mkdir()
    return str(tmp_path / "scenarios" / "mine")


def test_a_made_model_is_made_once_and_where_it_was_said_to_be(folder):
    model = Model(id="m", made="five")
    place = model_location(model, folder, "gguf")
    assert not place.exists()
    found = resolve_model(model, folder, "gguf")
    assert (found.path, found.tokenizer_path) == (str(place), str(tokenizer_location(model, folder)))
    assert found.files == {"m.gguf": hashlib.sha256(b"12345").hexdigest()}
    inode = place.stat().st_ino
    assert resolve_model(model, folder, "gguf") == found
    assert place.stat().st_ino == inode


def test_a_made_model_with_other_bytes_is_refused(folder):
    Path(folder, "..", "_models", "five.py").write_text(MAKER.format(text="other"))
    with pytest.raises(PrerequisiteError, match="not the recorded one"):
        resolve_model(Model(id="m", made="five"), folder, "gguf")
    assert not model_location(Model(id="m", made="five"), folder, "gguf").exists()


def test_a_maker_that_fails_says_why(folder):
    Path(folder, "..", "_models", "five.py").write_text("import no_such_module\n")
    with pytest.raises(PrerequisiteError, match="no_such_module"):
        resolve_model(Model(id="m", made="five"), folder, "gguf")


@pytest.mark.parametrize("changes", [{"made": "nine"}, {"made": "five", "precision": "bf16"}])
def test_an_unknown_name_or_precision_lists_what_there_is(folder, changes):
    with pytest.raises(InputError, match=r"expected: (tiny-llama|f16)"):
        model_location(Model(id="m", **changes), folder, "gguf")


def test_a_given_folder_is_hashed_file_by_file(tmp_path):
    (tmp_path / "weights").mkdir()
    (tmp_path / "weights" / "a.safetensors").write_text("a")
    (tmp_path / "weights" / ".cache").write_text("not part of it")
    found = resolve_model(Model(id="m", path="weights"), str(tmp_path), "safetensors")
    assert found.files == {"a.safetensors": hashlib.sha256(b"a").hexdigest()}
    (tmp_path / "weights" / "a.safetensors").write_text("bb")
    again = resolve_model(Model(id="m", path="weights"), str(tmp_path), "safetensors")
    assert again.files == {"a.safetensors": hashlib.sha256(b"bb").hexdigest()}


def test_a_path_that_is_not_there_is_a_prerequisite_error(tmp_path):
    with pytest.raises(PrerequisiteError, match="nowhere"):
        resolve_model(Model(id="m", path="nowhere"), str(tmp_path), "gguf")


def test_a_model_that_the_scenario_does_not_name_is_not_looked_for(tmp_path):
    found = resolve_model(Model(id="served-elsewhere"), str(tmp_path), None)
    assert (found.path, found.tokenizer_path, found.files) == (None, None, {})
