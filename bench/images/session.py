"""One conversation with a registry: anonymous first, a login when it asks for one, bounded in every direction."""

from __future__ import annotations

import base64
import hashlib
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from types import TracebackType
from urllib.parse import urlsplit

import httpx

from bench.dockerhost.credentials import Credentials, credentials_for
from bench.errors import ArmError
from bench.images.challenge import Challenge, parse_challenges
from bench.images.reference import Reference, is_loopback
from bench.images.refusals import refused
from bench.images.token import ask_token
from bench.vocabulary import FailureKind

TIMEOUT = httpx.Timeout(30.0, connect=10.0)
MANIFEST_BYTES = 4 << 20  # the specification's least upper bound for a manifest
STREAM_BYTES = 1 << 18
REDIRECTS = 5
_REDIRECT = (301, 302, 303, 307, 308)
_CLOSED = (401, 403, 404)  # some registries answer 404 to whoever may not know of a private image
_KINDS = {
    401: FailureKind.AUTH,
    403: FailureKind.AUTH,
    404: FailureKind.IMAGE_NOT_FOUND,
    429: FailureKind.RATE_LIMITED,
}


class Session:
    """Reads manifests and blobs of one repository. `anonymous` says whether no login was sent."""

    def __init__(self, reference: Reference, environ: Mapping[str, str] = os.environ) -> None:
        self._reference, self._environ = reference, environ
        self._is_local = is_loopback(reference.host)
        # A loopback registry is reached past any proxy, and its certificate is nobody's: Docker does the same.
        self._http = httpx.Client(timeout=TIMEOUT, verify=not self._is_local, trust_env=not self._is_local)
        self._base: str | None = None
        self._authorization: str | None = None
        self._challenges: dict[str, Challenge] = {}
        self.anonymous = True

    def __enter__(self) -> Session:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._http.close()

    def read(self, path: str, *, accept: str = "*/*", limit_bytes: int = MANIFEST_BYTES) -> tuple[bytes, httpx.Headers]:
        """The body at /v2/<repository>/<path>, with the headers of the answer."""
        url = self.address(path)
        status, headers, body = self._get(url, accept, limit_bytes)
        for with_login in (False, True):
            if status not in _CLOSED or not self._log_in(headers, with_login=with_login):
                continue
            status, headers, body = self._get(url, accept, limit_bytes)
        if status != 200:
            raise self._refused(status, headers, body)
        return body, headers

    def stream(self, digest: str, *, size_bytes: int) -> Iterator[bytes]:
        """A blob piece by piece, never held whole; its size and SHA-256 are checked at the end."""
        self.anonymous, before = True, self.anonymous  # a token may have run out since: then all is asked again
        headers = httpx.Headers()
        for with_login in (None, False, True):
            if with_login is not None and not self._log_in(headers, with_login=with_login):
                continue
            with self._opened(self.address(f"blobs/{digest}"), "*/*") as answer:
                headers = answer.headers
                if answer.status_code == 200:
                    self.anonymous = self.anonymous and before
                    yield from self._checked(answer, digest, size_bytes)
                    return
                status, body = answer.status_code, self._body(answer, MANIFEST_BYTES)
                if status not in _CLOSED:
                    break
        raise self._refused(status, headers, body)

    def address(self, path: str) -> str:
        """Where it is read; no login stands in it."""
        return f"{self._root()}/v2/{self._reference.repository}/{path}"

    def error(self, kind: FailureKind, text: str) -> ArmError:
        """An error about this image."""
        reference = self._reference
        return refused(kind, str(reference), reference.registry, reference.repository, text)

    def _root(self) -> str:
        """HTTPS; for a loopback registry plain HTTP where it speaks no TLS."""
        if self._base is None:
            secure = f"https://{self._reference.host}"
            self._base = secure
            if self._is_local and not self._answers(secure):
                self._base = f"http://{self._reference.host}"
        return self._base

    def _answers(self, base: str) -> bool:
        try:
            self._http.get(f"{base}/v2/", follow_redirects=False)
        except httpx.TransportError:
            return False
        return True

    def _get(self, url: str, accept: str, limit_bytes: int) -> tuple[int, httpx.Headers, bytes]:
        with self._opened(url, accept) as answer:
            return answer.status_code, answer.headers, self._body(answer, limit_bytes)

    @contextmanager
    def _opened(self, url: str, accept: str) -> Iterator[httpx.Response]:
        """The answer to one GET, its body not read yet."""
        headers = {"Accept": accept} | ({"Authorization": self._authorization} if self._authorization else {})
        for _ in range(REDIRECTS + 1):
            with self._asked(url, headers) as answer:
                if answer.status_code not in _REDIRECT:
                    yield answer
                    return
                target = self._target(url, answer)
            if _origin(target) != _origin(url):
                headers.pop("Authorization", None)
            url = target
        raise self.error(FailureKind.DOWNLOAD, f"the registry redirects more than {REDIRECTS} times")

    def _target(self, url: str, answer: httpx.Response) -> str:
        """Where a redirect leads: to another host it goes without the login, and never from TLS to plain HTTP."""
        try:
            target = str(httpx.URL(url).join(answer.headers.get("location", "")))
        except httpx.InvalidURL as error:
            raise self.error(FailureKind.DOWNLOAD, "the registry redirects to no address") from error
        if urlsplit(target).scheme != "https" and (urlsplit(url).scheme == "https" or not self._is_local):
            raise self.error(FailureKind.DOWNLOAD, "the registry redirects to an address without TLS")
        return target

    @contextmanager
    def _asked(self, url: str, headers: Mapping[str, str]) -> Iterator[httpx.Response]:
        try:
            with self._http.stream("GET", url, headers=headers, follow_redirects=False) as answer:
                yield answer
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            why = f"{urlsplit(url).hostname} cannot be reached: {type(error).__name__}: {error}"
            raise self.error(FailureKind.DOWNLOAD, why) from None

    def _body(self, answer: httpx.Response, limit_bytes: int) -> bytes:
        body = b""
        for chunk in answer.iter_bytes():
            body += chunk
            if len(body) > limit_bytes:
                raise self.error(FailureKind.DOWNLOAD, f"the answer is larger than {limit_bytes} bytes")
        return body

    def _checked(self, answer: httpx.Response, digest: str, size_bytes: int) -> Iterator[bytes]:
        """Raw: a layer is compressed itself, and its digest is of what was sent."""
        seen, left = hashlib.sha256(), size_bytes
        for chunk in answer.iter_raw(STREAM_BYTES):
            seen.update(chunk)
            left -= len(chunk)
            if left < 0:
                break
            yield chunk
        if left:
            many = "more" if left < 0 else "fewer"
            raise self.error(FailureKind.DOWNLOAD, f"{digest} has {many} bytes than its manifest says ({size_bytes})")
        if f"sha256:{seen.hexdigest()}" != digest:
            raise self.error(FailureKind.DOWNLOAD, f"the registry's bytes are not those of {digest}")

    def _log_in(self, headers: httpx.Headers, *, with_login: bool) -> bool:
        """Takes up the challenge, the last one that was made; False when there is nothing new to send."""
        made = parse_challenges(headers.get_list("www-authenticate"))
        self._challenges = {one.scheme: one for one in reversed(made)} or self._challenges
        if not self._challenges or (with_login and not self.anonymous):
            return False
        login = credentials_for(self._reference.registry, self._environ) if with_login else None
        if with_login and login is None:
            return False
        if bearer := self._challenges.get("bearer"):
            token = self._token(bearer, login)
            self._authorization = f"Bearer {token}" if token else None
        elif "basic" in self._challenges and login is not None:
            pair = base64.b64encode(f"{login.username}:{login.secret}".encode()).decode()
            self._authorization = f"Basic {pair}"
        else:
            return False
        self.anonymous = self.anonymous and login is None
        return self._authorization is not None

    def _token(self, challenge: Challenge, login: Credentials | None) -> str | None:
        try:
            return ask_token(self._http, challenge, self._reference, login)
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            why = f"the registry's login server cannot be reached: {type(error).__name__}: {error}"
            raise self.error(FailureKind.DOWNLOAD, why) from None

    def _refused(self, status: int, headers: httpx.Headers, body: bytes) -> ArmError:
        kind = _KINDS.get(status, FailureKind.DOWNLOAD)
        text = f"the registry answered {status}"
        if kind is FailureKind.AUTH:
            text += " without a login" if self.anonymous else " to the login that Docker's settings or the key gave"
            text += " (it says so too when there is no such image)"
        elif kind is FailureKind.RATE_LIMITED or b"toomanyrequests" in body.lower():
            kind = FailureKind.RATE_LIMITED
            wait = headers.get("retry-after", "")
            text += f": too many requests; it asks to wait {wait} s" if wait.isdecimal() else ": too many requests"
        return self.error(kind, text)


def _origin(url: str) -> tuple[str, str]:
    parts = urlsplit(url)
    return parts.scheme, parts.netloc
