"""A registry is asked politely: anonymous first, the login only at home, every byte held against its digest."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from bench.errors import ArmError
from bench.images.registry import resolve
from bench.vocabulary import FailureKind
from tests.images.tokens import (
    ANONYMOUS_TOKEN,
    IDENTITY,
    INDEX,
    LIST,
    MANIFEST,
    PASSWORD,
    SCHEMA2,
    TOKEN,
    USER,
    BearerRegistry,
    bearer_registry,
    digest_of,
)
from tests.registry import PrivateRegistry, private_registry

__all__ = ["private_registry"]
CONFIG = {
    "architecture": "amd64",
    "os": "linux",
    "created": "2026-10-01T00:00:00Z",
    "config": {
        "Entrypoint": ["vllm", "serve"],
        "Cmd": None,
        "Env": ["PATH=/bin", "EMPTY=", "EQUALS=a=b"],
        "Labels": {"com.nvidia.nim.version": "2.0.12"},
        "User": "1000:0",
    },
}


@pytest.fixture
def registry() -> Iterator[BearerRegistry]:
    with bearer_registry() as running:
        yield running


@pytest.fixture
def no_login(tmp_path: Path) -> dict[str, str]:
    return {"HOME": str(tmp_path)}


def logged_in(folder: Path, registry: BearerRegistry, **entry: str) -> dict[str, str]:
    auth = base64.b64encode(f"{USER}:{PASSWORD}".encode()).decode()
    (folder / "config.json").write_text(json.dumps({"auths": {registry.address: entry or {"auth": auth}}}))
    return {"DOCKER_CONFIG": str(folder)}


def refusal(registry: BearerRegistry, environ: dict[str, str], name: str = "team/app:1") -> ArmError:
    with pytest.raises(ArmError) as caught:
        resolve(f"{registry.address}/{name}", environ=environ)
    for secret in (PASSWORD, IDENTITY, TOKEN, base64.b64encode(f"{USER}:{PASSWORD}".encode()).decode()):
        assert secret not in str(caught.value)
    assert caught.value.repair
    return caught.value


def test_public_image_is_read_without_a_login(registry, no_login):
    digest = registry.add_image(CONFIG, "1", layers=(100, 20))
    found = resolve(f"{registry.address}/team/app:1", environ=no_login)
    (config,) = registry.blobs.values()
    assert (found.digest, found.manifest_digest, found.anonymous) == (digest, digest, True)
    assert found.wire_bytes == 120 + len(config)
    assert [size for _, size in found.layers] == [100, 20]
    assert (found.entrypoint, found.cmd, found.user) == (("vllm", "serve"), (), "1000:0")
    assert found.env == {"PATH": "/bin", "EMPTY": "", "EQUALS": "a=b"}
    assert found.labels == {"com.nvidia.nim.version": "2.0.12"}
    assert found.created_utc == "2026-10-01T00:00:00Z"
    assert found.source == f"http://{registry.address}/v2/team/app/manifests/1"
    assert {login for _, _, login in registry.seen} == {None, f"Bearer {ANONYMOUS_TOKEN}"}


def test_token_is_asked_for_with_the_words_of_the_challenge(registry, no_login):
    registry.add_image(CONFIG, "1")
    resolve(f"{registry.address}/team/app:1", environ=no_login)
    (asked,) = [path for _, path, _ in registry.seen if path.startswith("/token")]
    assert "service=test%2C+with+a+comma" in asked
    assert "scope=repository%3Ateam%2Fapp%3Apull" in asked


@pytest.mark.parametrize("gives", [True, False])
def test_private_image_is_read_with_the_login_after_a_try_without(registry, tmp_path, gives):
    registry.rules.is_public, registry.rules.gives_anonymous_tokens = False, gives
    registry.add_image(CONFIG, "1")
    found = resolve(f"{registry.address}/team/app:1", environ=logged_in(tmp_path, registry))
    assert not found.anonymous
    tokens = [login for _, path, login in registry.seen if path.startswith("/token")]
    assert tokens[0] is None
    assert len(tokens) == 2


def test_identity_token_is_exchanged(registry, tmp_path):
    registry.rules.is_public = False
    registry.add_image(CONFIG, "1")
    environ = logged_in(tmp_path, registry, identitytoken=IDENTITY)
    assert not resolve(f"{registry.address}/team/app:1", environ=environ).anonymous


def test_login_stays_at_home_when_a_blob_lies_elsewhere(registry, tmp_path):
    registry.rules.is_public, registry.rules.blobs_elsewhere = False, True
    registry.add_image(CONFIG, "1")
    resolve(f"{registry.address}/team/app:1", environ=logged_in(tmp_path, registry))
    elsewhere = [login for kind, _, login in registry.seen if kind == "store"]
    assert elsewhere == [None]


def test_no_login_goes_to_a_realm_without_tls(registry, tmp_path):
    registry.rules.is_public, registry.rules.realm = False, "http://login.example/token"
    error = refusal(registry, logged_in(tmp_path, registry))
    assert error.kind is FailureKind.AUTH
    assert "without TLS" in error.text


@pytest.mark.parametrize(("index", "manifest"), [(INDEX, MANIFEST), (LIST, SCHEMA2)])
def test_index_leads_to_the_manifest_of_the_platform_past_attestations(registry, no_login, index, manifest):
    ours = registry.add_image(CONFIG, kind=manifest, layers=(7,))
    arm = registry.add_image({**CONFIG, "architecture": "arm64"}, kind=manifest, layers=(9,))
    proof = registry.add_image({"architecture": "unknown", "os": "unknown"}, kind=manifest)
    entries = [
        {"digest": proof, "platform": {"os": "unknown", "architecture": "unknown"}},
        {"digest": arm, "platform": {"os": "linux", "architecture": "arm64", "variant": "v8"}},
        {"digest": ours, "platform": {"os": "linux", "architecture": "amd64"}},
    ]
    whole = registry.add(index, {"schemaVersion": 2, "mediaType": index, "manifests": entries}, "1")
    found = resolve(f"{registry.address}/team/app:1", environ=no_login)
    assert (found.digest, found.manifest_digest) == (whole, ours)
    other = resolve(f"{registry.address}/team/app@{whole}", platform="linux/arm64", environ=no_login)
    assert (other.digest, other.manifest_digest) == (whole, arm)
    with pytest.raises(ArmError, match="no image for linux/s390x; there is one for linux/arm64/v8, linux/amd64"):
        resolve(f"{registry.address}/team/app:1", platform="linux/s390x", environ=no_login)


def test_single_manifest_of_another_platform_is_not_taken(registry, no_login):
    registry.add_image({**CONFIG, "architecture": "arm64"}, "1")
    assert refusal(registry, no_login).kind is FailureKind.IMAGE_NOT_FOUND


def test_login_wanted_and_login_refused_are_told_apart(registry, tmp_path, no_login):
    registry.rules.is_public = False
    registry.add_image(CONFIG, "1")
    error = refusal(registry, no_login)
    assert error.kind is FailureKind.AUTH
    assert "401 without a login" in error.text
    assert "docker login" in error.repair
    wrong = base64.b64encode(b"reader:wrong").decode()
    error = refusal(registry, logged_in(tmp_path, registry, auth=wrong))
    assert error.kind is FailureKind.AUTH
    assert "to the login" in error.text


def test_unknown_tag_is_not_found(registry, no_login):
    registry.add_image(CONFIG, "1")
    error = refusal(registry, no_login, "team/app:2")
    assert error.kind is FailureKind.IMAGE_NOT_FOUND
    assert "team/app:2" in error.text


@pytest.mark.parametrize(
    ("answer", "kind", "words"),
    [
        ((429, {"Retry-After": "60"}, b""), FailureKind.RATE_LIMITED, "wait 60 s"),
        ((429, {}, b'{"errors":[{"code":"TOOMANYREQUESTS"}]}'), FailureKind.RATE_LIMITED, "too many"),
        ((503, {}, b"down"), FailureKind.DOWNLOAD, "503"),
        ((200, {}, b"<html>"), FailureKind.DOWNLOAD, "not a JSON object"),
        ((200, {}, b"[" * 100_000), FailureKind.DOWNLOAD, "not a JSON object"),
        ((200, {"Content-Type": "text/plain"}, b'{"schemaVersion": 1}'), FailureKind.DOWNLOAD, "unknown form"),
        (
            (200, {}, b'{"schemaVersion": 2, "layers": [], "config": {"digest": "md5:1"}}'),
            FailureKind.DOWNLOAD,
            "sha256",
        ),
        ((302, {"Location": "http://elsewhere.example/x"}, b""), FailureKind.DOWNLOAD, "elsewhere.example"),
        ((302, {"Location": "/v2/team/app/manifests/1"}, b""), FailureKind.DOWNLOAD, "redirects more than"),
    ],
)
def test_bad_answers_are_told_apart(registry, no_login, answer, kind, words):
    registry.rules.answer = answer
    error = refusal(registry, no_login)
    assert error.kind is kind
    assert words in error.text


def test_limited_login_server_is_told(registry, no_login):
    registry.rules.token_status = 429
    assert refusal(registry, no_login).kind is FailureKind.RATE_LIMITED


def test_answer_without_end_is_cut(registry, no_login):
    registry.add_image(CONFIG, "1")
    registry.rules.answer = (200, {}, b"x" * (5 << 20))
    assert "larger than" in refusal(registry, no_login).text


@pytest.mark.parametrize("where", ["manifest", "config", "announced"])
def test_bytes_that_are_not_what_their_digest_says_are_refused(registry, no_login, where):
    digest = registry.add_image(CONFIG, "1")
    name = "team/app:1"
    if where == "manifest":
        kind, body = registry.manifests[digest]
        registry.manifests[digest] = (kind, body + b" ")
        name = f"team/app@{digest}"
    elif where == "config":
        registry.blobs = {name: body + b" " for name, body in registry.blobs.items()}
    else:
        registry.rules.announced_digest = digest_of(b"other")
    error = refusal(registry, no_login, name)
    assert error.kind is FailureKind.DOWNLOAD
    assert "the registry's bytes are sha256:" in error.text


def test_nobody_there_is_a_failed_download(no_login):
    with pytest.raises(ArmError, match=r"127\.0\.0\.1 cannot be reached") as caught:
        resolve("127.0.0.1:9/team/app:1", environ=no_login)
    assert caught.value.kind is FailureKind.DOWNLOAD


def test_registry_with_basic_login_says_not_found_only_to_those_it_knows(private_registry: PrivateRegistry):
    name = f"{private_registry.address}/team/none:1"
    with pytest.raises(ArmError) as caught:
        resolve(name, environ={"DOCKER_CONFIG": str(private_registry.no_login)})
    assert caught.value.kind is FailureKind.AUTH
    with pytest.raises(ArmError) as caught:
        resolve(name, environ=private_registry.environ)
    assert caught.value.kind is FailureKind.IMAGE_NOT_FOUND
    assert private_registry.password not in str(caught.value)
