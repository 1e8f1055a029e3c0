"""Registry logins that the user already has: Docker's own store, or NGC_API_KEY for nvcr.io. Never written anywhere."""

from __future__ import annotations

import base64
import binascii
import json
import os
import re
import shutil
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from bench.errors import PrerequisiteError

NVCR = "nvcr.io"
NVCR_USER = "$oauthtoken"  # the literal user name of every NGC key
NGC_KEY = "NGC_API_KEY"
_HUB = "docker.io"
_HUB_KEYS = ("https://index.docker.io/v1/", "index.docker.io", "docker.io", "registry-1.docker.io")
_TOKEN_USER = "<token>"  # a helper's way to say that the secret is an identity token
_NOT_FOUND = "credentials not found"  # the helpers' protocol: this text on stdout
_HELPER = re.compile(r"[A-Za-z0-9._-]+")
_HELPER_S = 30
_CONFIG_BYTES = 1 << 20


@dataclass(frozen=True, slots=True, kw_only=True)
class Credentials:
    """A login. `source` may be shown, nothing else."""

    username: str = field(repr=False)
    secret: str = field(repr=False)
    is_identity_token: bool = False
    source: str

    def for_engine(self) -> dict[str, str]:
        """As Docker's API takes it."""
        if self.is_identity_token:
            return {"identitytoken": self.secret}
        return {"username": self.username, "password": self.secret}


def credentials_for(registry: str, environ: Mapping[str, str] = os.environ) -> Credentials | None:
    """The login for a registry (`docker.io`, `nvcr.io`, host:port), None where the user has none."""
    path = _config_path(environ)
    config = _read(path)
    keys = _HUB_KEYS if registry in (_HUB, *_HUB_KEYS) else (registry, f"https://{registry}", f"http://{registry}")
    return _from_helpers(config, keys, environ) or _from_auths(config, keys, path) or _from_key(registry, environ)


def _config_path(environ: Mapping[str, str]) -> Path:
    folder = environ.get("DOCKER_CONFIG")
    return (Path(folder) if folder else Path(environ.get("HOME") or Path.home()) / ".docker") / "config.json"


def _read(path: Path) -> dict[str, Any]:
    """Docker's config.json; nothing of it is ever shown, because it holds passwords."""
    try:
        text = path.read_bytes()
    except (FileNotFoundError, NotADirectoryError):
        return {}
    except OSError as error:
        raise _unreadable(path, error.strerror or "unreadable") from error
    try:
        config = json.loads(text) if len(text) <= _CONFIG_BYTES else None
    except ValueError:
        config = None
    if not isinstance(config, dict):
        raise _unreadable(path, "not a JSON object") from None
    return config


def _from_helpers(config: Mapping[str, Any], keys: tuple[str, ...], environ: Mapping[str, str]) -> Credentials | None:
    helpers = config.get("credHelpers")
    chosen = [helpers[key] for key in keys if key in helpers] if isinstance(helpers, dict) else []
    store = chosen[0] if chosen else config.get("credsStore")
    if not isinstance(store, str) or not store:
        return None
    for key in keys[:2]:
        if found := _ask(store, key, environ):
            return found
    return None


def _ask(store: str, key: str, environ: Mapping[str, str]) -> Credentials | None:
    """One question to a docker-credential-* program: the registry on stdin, JSON back."""
    program = f"docker-credential-{store}"
    path = shutil.which(program, path=environ.get("PATH")) if _HELPER.fullmatch(store) else None
    if path is None:
        raise PrerequisiteError(
            f"Docker's settings name the credential helper {program!r}, which is not installed",
            where="config.json of Docker",
            repair=f"install {program}, or take it out of the settings and log in again with `docker login`",
        )
    try:
        done = subprocess.run(
            [path, "get"], input=key, env=dict(environ), capture_output=True, text=True, timeout=_HELPER_S, check=False
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise PrerequisiteError(
            f"the credential helper {program} gave no answer ({type(error).__name__})",
            repair=f"try it by hand: echo {key} | {program} get",
        ) from None
    if done.returncode != 0:
        if _NOT_FOUND in done.stdout.lower():
            return None
        raise PrerequisiteError(
            f"the credential helper {program} failed with exit code {done.returncode}",
            repair=f"unlock it, then try it by hand: echo {key} | {program} get",
        )
    return _from_answer(done.stdout, program)


def _from_answer(text: str, program: str) -> Credentials | None:
    try:
        answer = json.loads(text)
        username, secret = answer["Username"], answer["Secret"]
    except (ValueError, KeyError, TypeError):
        raise PrerequisiteError(
            f"the credential helper {program} answered in an unknown form", repair="log in again with `docker login`"
        ) from None
    if not secret:
        return None
    return Credentials(
        username=username, secret=secret, is_identity_token=username == _TOKEN_USER, source=f"the helper {program}"
    )


def _from_auths(config: Mapping[str, Any], keys: tuple[str, ...], path: Path) -> Credentials | None:
    auths = config.get("auths")
    if not isinstance(auths, dict):
        return None
    for key in keys:
        entry = auths.get(key) or auths.get(f"{key}/")
        if isinstance(entry, dict) and (found := _from_entry(entry, str(path))):
            return found
    return None


def _from_entry(entry: Mapping[str, Any], source: str) -> Credentials | None:
    """`auth` is base64 of user:password; an identity token stands beside it and wins."""
    username, secret = str(entry.get("username") or ""), str(entry.get("password") or "")
    if entry.get("auth"):
        try:
            decoded = base64.b64decode(str(entry["auth"]), validate=True).decode()
        except (binascii.Error, UnicodeDecodeError):
            raise _unreadable(Path(source), "an entry under `auths` is not base64") from None
        username, _, secret = decoded.rstrip("\0").partition(":")
    if token := entry.get("identitytoken"):
        return Credentials(username=username, secret=str(token), is_identity_token=True, source=source)
    return Credentials(username=username, secret=secret, source=source) if secret else None


def _from_key(registry: str, environ: Mapping[str, str]) -> Credentials | None:
    key = environ.get(NGC_KEY, "").strip()
    return Credentials(username=NVCR_USER, secret=key, source=NGC_KEY) if registry == NVCR and key else None


def _unreadable(path: Path, why: str) -> PrerequisiteError:
    return PrerequisiteError(
        f"Docker's settings cannot be read: {why}", where=str(path), repair="log in again with `docker login`"
    )
