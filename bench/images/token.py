"""The Bearer dance: a short-lived token from the address that a registry names in its challenge."""

from __future__ import annotations

import json
from urllib.parse import urlsplit

import httpx

from bench.dockerhost.credentials import Credentials
from bench.images.challenge import Challenge
from bench.images.reference import Reference, is_loopback
from bench.images.refusals import refused
from bench.vocabulary import FailureKind

CLIENT = "nimbench"
ANSWER_BYTES = 1 << 20


def ask_token(http: httpx.Client, challenge: Challenge, reference: Reference, login: Credentials | None) -> str | None:
    """The token, None when the login server refuses. A login goes to the realm alone, over TLS but on this host."""
    realm = challenge.parameters.get("realm", "")
    parts = urlsplit(realm)
    is_local = is_loopback(parts.netloc) and is_loopback(reference.host)
    if parts.scheme != "https" and not (parts.scheme == "http" and is_local):
        text = "the registry names a login server without TLS, to which no login is sent"
        raise refused(FailureKind.AUTH, str(reference), reference.registry, reference.repository, text)
    scope = challenge.parameters.get("scope") or f"repository:{reference.repository}:pull"
    words = {"service": challenge.parameters.get("service", ""), "scope": scope}
    request = _request(http, realm, {name: value for name, value in words.items() if value}, login)
    answer = http.send(request, stream=True, follow_redirects=False)
    try:
        body = _bounded(answer)
    finally:
        answer.close()
    if answer.status_code == 429:
        text = "the registry's login server answered 429: too many requests"
        raise refused(FailureKind.RATE_LIMITED, str(reference), reference.registry, reference.repository, text)
    return _token_in(body) if answer.status_code == 200 else None


def _request(http: httpx.Client, realm: str, words: dict[str, str], login: Credentials | None) -> httpx.Request:
    """An identity token is exchanged by POST; a password goes as Basic, so that it stands in no address."""
    if login is not None and login.is_identity_token:
        form = {"grant_type": "refresh_token", "refresh_token": login.secret, "client_id": CLIENT, **words}
        return http.build_request("POST", realm, data=form)
    url = httpx.URL(realm).copy_merge_params(words)
    request = http.build_request("GET", url)
    if login is not None:
        request = next(httpx.BasicAuth(login.username, login.secret).auth_flow(request))
    return request


def _bounded(answer: httpx.Response) -> bytes:
    body = b""
    for chunk in answer.iter_bytes():
        body += chunk
        if len(body) > ANSWER_BYTES:
            return b""
    return body


def _token_in(body: bytes) -> str | None:
    try:
        answer = json.loads(body)
    except ValueError:
        return None
    token = (answer.get("token") or answer.get("access_token")) if isinstance(answer, dict) else None
    return token if isinstance(token, str) and token.isascii() and token.isprintable() else None
