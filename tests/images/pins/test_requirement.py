"""The words behind `pip install`: what they leave open, by rule."""

from __future__ import annotations

import pytest

from bench.images.pins.requirement import requirement_findings

COMMIT = "0123456789abcdef" * 2 + "01234567"
SUM = "0123456789abcdef" * 4
REPOSITORY = "git+https://github.com/vllm-project/vllm"


def rules(*words: str, **more: object) -> list[str]:
    return [str(one.rule) for one in requirement_findings(words, file="Dockerfile", line=7, **more)]  # type: ignore[arg-type]


def test_the_three_lines_of_the_rule() -> None:
    assert rules("transformers") == ["pip-not-pinned"]
    assert rules("transformers>=4.40.0") == ["pip-not-pinned"]
    assert rules("transformers==4.56.2") == ["pip-no-hash"]
    assert rules("transformers==4.56.2", f"--hash=sha256:{SUM}") == []


@pytest.mark.parametrize(
    "words",
    [
        "a==1.*", "a~=1.2", "a>=1,<2", "a!=1", "a[x,y]", "a ; python_version < '3.12'", "a@latest", "a>1", "a<2",
    ],
)  # fmt: skip
def test_everything_but_one_whole_version_is_open(words: str) -> None:
    assert rules(words) == ["pip-not-pinned"]


@pytest.mark.parametrize(
    "words",
    [
        "a==1", "a===1+weird", "a == 1.0", "a[x]==1.0+cu128", "a==1 ; python_version < '3.12'", "a@1.0", "a==1,!=2",
        "a==${VERSION}",
    ],
)  # fmt: skip
def test_one_whole_version_is_exact_and_still_unchecked(words: str) -> None:
    assert rules(words) == ["pip-no-hash"]
    assert rules(words, hashes_required=True) == rules(words, "--require-hashes") == []


@pytest.mark.parametrize("algorithm, digits", [("md5", 32), ("sha1", 40), ("sha256", 63), ("sha256", 65)])
def test_a_hash_that_pip_does_not_take_checks_nothing(algorithm: str, digits: int) -> None:
    assert rules("a==1", f"--hash={algorithm}:{(SUM + SUM)[:digits]}") == ["pip-no-hash"]


@pytest.mark.parametrize(
    "address, is_exact",
    [
        (f"{REPOSITORY}@{COMMIT}", True),
        (f"{REPOSITORY}@{COMMIT}#egg=vllm&subdirectory=x", True),
        (f"vllm @ {REPOSITORY}@{COMMIT} ; python_version > '3.10'", True),
        (f"git+ssh://git@github.com/a/b@{COMMIT}", True),
        (f"{REPOSITORY}@${{COMMIT}}", True),
        ("svn+https://host/a@1234", True),
        (f"hg+https://host/a@{COMMIT}", True),
        (REPOSITORY, False),
        ("git+ssh://git@github.com/a/b", False),
        (f"{REPOSITORY}@main", False),
        (f"{REPOSITORY}@v0.11.0", False),
        (f"{REPOSITORY}@{COMMIT[:7]}", False),
        (f"{REPOSITORY}#{COMMIT}", False),
    ],
)
def test_a_repository_is_exact_at_a_full_commit(address: str, is_exact: bool) -> None:
    assert rules(address) == ([] if is_exact else ["git-not-pinned"])
    assert rules("-e", address) == rules(f"--editable={address}") == rules(address)


def test_uv_add_takes_the_commit_as_an_option() -> None:
    assert rules(REPOSITORY, "--rev", COMMIT) == []
    assert rules(REPOSITORY, "--tag", "v1") == ["git-not-pinned"]
    assert rules(REPOSITORY, "--rev", "main") == ["git-not-pinned"]


def test_an_archive_by_address_wants_its_sum() -> None:
    wheel = "https://host/a-1-py3-none-any.whl"
    assert rules(wheel) == rules(f"a @ {wheel}") == rules(f"{wheel}#md5={SUM[:32]}") == ["url-no-checksum"]
    assert rules(f"{wheel}#sha256={SUM}") == rules(f"a @ {wheel}#sha256={SUM}") == []
    assert rules("-r", "https://host/requirements.txt") == ["url-no-checksum"]


@pytest.mark.parametrize("word", [".", "./lib[x]", "/wheels/a-1.whl", "a-1-py3-none-any.whl", "file:///a", "../b"])
def test_what_lies_in_the_build_is_no_finding(word: str) -> None:
    assert rules(word) == rules("-e", word) == []


def test_options_and_their_values_are_no_requirements() -> None:
    words = "-q -U --target /x --python-version 3.12 -i https://host/simple -f links --no-cache-dir -C k=v -rlist.txt"
    assert rules(*words.split(), "a==1") == ["pip-no-hash"]
    assert rules("--no-index", "-f", "wheelhouse", "vllm") == []
    assert rules("--with", "a,b==1", "c==2") == ["pip-not-pinned", "pip-no-hash"]


def test_one_finding_of_a_rule_names_all_that_it_is_about() -> None:
    (found,) = requirement_findings(["pip", "wheel", "setuptools>=70"], file="Dockerfile", line=7)
    assert all(word in found.text for word in ("pip", "wheel", "setuptools>=70"))
    assert (found.file, found.line, found.weight) == ("Dockerfile", 7, 3)
    assert "pip==" in found.repair


@pytest.mark.parametrize(
    "words, rule",
    [
        (("torch==2.9.0.dev20250801", "--index-url", "https://wheels.example/nightly/cu128"), "pip-no-hash"),
        (("vllm==0.11.0rc1",), "pip-no-hash"),
        (("--pre", "vllm"), "pip-not-pinned"),
        (("--prerelease=allow", "vllm"), "pip-not-pinned"),
        (("vllm", "--extra-index-url", "https://wheels.example/nightly"), "pip-not-pinned"),
        (("vllm>=0.11.0rc1",), "pip-not-pinned"),
        (("tf-nightly",), "pip-not-pinned"),
    ],
)
def test_nightly_builds_are_told_beside_what_else_is_open(words: tuple[str, ...], rule: str) -> None:
    assert rules(*words) == [rule, "nightly"]


@pytest.mark.parametrize(("version", "found"), [("0.66b2", []), ("5.0.0rc1", []), ("2.10.0.dev20251120", ["nightly"])])
def test_a_beta_whose_file_is_checked_is_held_like_a_release_and_a_nightly_build_is_not(
    version: str, found: list[str]
) -> None:
    assert rules(f"a=={version}", f"--hash=sha256:{'0' * 64}") == found
    assert rules(f"a=={version}") == ["pip-no-hash", "nightly"]
    assert rules(f"a>={version}", f"--hash=sha256:{'0' * 64}") == ["pip-not-pinned", "nightly"]


def test_a_bound_below_a_release_asks_for_no_pre_release() -> None:
    assert rules("a<2.0a0") == ["pip-not-pinned"]
    assert rules("a<2.0.dev0") == ["pip-not-pinned"]
    assert rules("a==1.0.post1") == ["pip-no-hash"]


def test_a_constraints_file_pins_what_it_names() -> None:
    assert rules("-c", "constraints.txt", "Numpy", pinned={"numpy"}) == ["pip-no-hash"]
    (found, *_) = requirement_findings(["-c", "constraints.txt", "numpy"], file="f", line=1)
    assert "constraints.txt" in found.text


def test_a_word_that_only_a_variable_decides_costs_nothing() -> None:
    (found,) = requirement_findings(["$PACKAGES"], file="f", line=1)
    assert (str(found.rule), found.weight) == ("unreadable", 0)
