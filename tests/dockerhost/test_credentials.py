"""Logins come from where Docker keeps them, or from NGC_API_KEY for nvcr.io, and are never shown."""

from __future__ import annotations

import base64
import json
from pathlib import Path

import pytest

from bench.dockerhost.credentials import credentials_for
from bench.errors import PrerequisiteError

SECRET = "canary-secret-33b0"
HELPER = """\
#!/bin/sh
read -r asked
[ "$1" = get ] || exit 9
case "$asked" in
  known.example) echo '{"ServerURL":"known.example","Username":"me","Secret":"canary-secret-33b0"}' ;;
  token.example) echo '{"Username":"<token>","Secret":"canary-secret-33b0"}' ;;
  odd.example) echo 'canary-secret-33b0' ;;
  locked.example) echo 'canary-secret-33b0: locked' >&2; exit 3 ;;
  https://index.docker.io/v1/) echo '{"Username":"hub","Secret":"canary-secret-33b0"}' ;;
  *) echo 'credentials not found in native keychain'; exit 1 ;;
esac
"""


@pytest.fixture
def docker(tmp_path: Path):
    """A function that writes config.json and gives the environment; a helper named `test` is on PATH."""
    helper = tmp_path / "bin" / "docker-credential-test"
    helper.parent.mkdir()
    helper.write_text(HELPER)
    helper.chmod(0o755)

    def write(**config: object) -> dict[str, str]:
        (tmp_path / "config.json").write_text(json.dumps(config))
        return {"DOCKER_CONFIG": str(tmp_path), "PATH": f"{helper.parent}:/usr/bin:/bin"}

    return write


def encoded(text: str) -> str:
    return base64.b64encode(text.encode()).decode()


def test_login_of_the_file_is_found(docker, tmp_path):
    environ = docker(auths={"reg.example:5000": {"auth": encoded(f"$oauthtoken:{SECRET}:with:colons")}})
    found = credentials_for("reg.example:5000", environ)
    assert found.for_engine() == {"username": "$oauthtoken", "password": f"{SECRET}:with:colons"}
    assert found.source == str(tmp_path / "config.json")
    assert SECRET not in repr(found)
    assert credentials_for("other.example", environ) is None


@pytest.mark.parametrize("key", ["https://index.docker.io/v1/", "docker.io"])
def test_docker_hub_has_names_of_its_own(docker, key):
    environ = docker(auths={key: {"auth": encoded(f"me:{SECRET}")}})
    assert credentials_for("docker.io", environ).username == "me"


def test_identity_token_wins_over_the_password(docker):
    entry = {"auth": encoded("me:old"), "identitytoken": SECRET}
    found = credentials_for("reg.example", docker(auths={"https://reg.example": entry}))
    assert found.is_identity_token
    assert found.for_engine() == {"identitytoken": SECRET}


@pytest.mark.parametrize("config", [{"credsStore": "test"}, {"credHelpers": {"known.example": "test"}}])
def test_helper_is_asked(docker, config):
    environ = docker(**config, auths={"known.example": {}})
    found = credentials_for("known.example", environ)
    assert (found.username, found.secret, found.source) == ("me", SECRET, "the helper docker-credential-test")
    assert credentials_for("unknown.example", environ) is None


def test_helper_may_give_a_token_and_knows_docker_hub(docker):
    environ = docker(credsStore="test")
    assert credentials_for("token.example", environ).for_engine() == {"identitytoken": SECRET}
    assert credentials_for("docker.io", environ).username == "hub"


@pytest.mark.parametrize(
    ("registry", "store", "words"),
    [
        ("locked.example", "test", "failed with exit code 3"),
        ("odd.example", "test", "answered in an unknown form"),
        ("known.example", "absent", "'docker-credential-absent', which is not installed"),
        ("known.example", "../../bin/sh", "which is not installed"),
    ],
)
def test_helper_that_fails_is_named_and_its_words_are_not_shown(docker, registry, store, words):
    with pytest.raises(PrerequisiteError) as caught:
        credentials_for(registry, docker(credsStore=store))
    assert words in str(caught.value)
    assert SECRET not in str(caught.value)
    assert caught.value.repair


def test_ngc_key_is_for_nvcr_alone_and_a_login_of_docker_comes_first(docker):
    environ = docker() | {"NGC_API_KEY": SECRET}
    found = credentials_for("nvcr.io", environ)
    assert (found.username, found.secret, found.source) == ("$oauthtoken", SECRET, "NGC_API_KEY")
    assert credentials_for("docker.io", environ) is None
    assert credentials_for("nvcr.io.example", environ) is None
    environ = docker(auths={"nvcr.io": {"auth": encoded("$oauthtoken:other")}}) | {"NGC_API_KEY": SECRET}
    assert credentials_for("nvcr.io", environ).secret == "other"


@pytest.mark.parametrize(
    "text", ["", "[]", "{", '{"auths": {"reg.example": {"auth": "*** canary-secret-33b0"}}}', "\udcff"]
)
def test_settings_that_cannot_be_read_are_named_not_shown(tmp_path, text):
    (tmp_path / "config.json").write_bytes(text.encode(errors="surrogateescape"))
    with pytest.raises(PrerequisiteError, match="docker login") as caught:
        credentials_for("reg.example", {"DOCKER_CONFIG": str(tmp_path)})
    assert SECRET not in str(caught.value)


def test_without_settings_there_is_no_login(tmp_path):
    assert credentials_for("reg.example", {"HOME": str(tmp_path)}) is None
    assert credentials_for("reg.example", {"DOCKER_CONFIG": str(tmp_path / "none")}) is None


@pytest.mark.parametrize(
    "config", [{"auths": None}, {"auths": {"reg.example": None}}, {"credHelpers": []}, {"auths": []}]
)
def test_empty_parts_are_no_login(docker, config):
    assert credentials_for("reg.example", docker(**config)) is None
