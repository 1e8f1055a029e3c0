"""A registry of the Bearer kind in this process: token server, manifests, blobs on another host, and a full record."""

from __future__ import annotations

import base64
import hashlib
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

INDEX = "application/vnd.oci.image.index.v1+json"
MANIFEST = "application/vnd.oci.image.manifest.v1+json"
LIST = "application/vnd.docker.distribution.manifest.list.v2+json"
SCHEMA2 = "application/vnd.docker.distribution.manifest.v2+json"
USER, PASSWORD, IDENTITY = "reader", "canary-pass-52cd", "canary-identity-9a1e"
ANONYMOUS_TOKEN, TOKEN = "anonymous-token", "reader-token"


def digest_of(body: bytes) -> str:
    return f"sha256:{hashlib.sha256(body).hexdigest()}"


@dataclass
class Rules:
    """How this one behaves; a test changes what it needs."""

    is_public: bool = True
    gives_anonymous_tokens: bool = True
    blobs_elsewhere: bool = False
    answer: tuple[int, dict[str, str], bytes] | None = None  # instead of every manifest
    token_status: int = 200
    realm: str | None = None
    announced_digest: str | None = None


@dataclass
class BearerRegistry:
    """What it holds, and what it was asked."""

    address: str
    rules: Rules = field(default_factory=Rules)
    manifests: dict[str, tuple[str, bytes]] = field(default_factory=dict)  # tag or digest -> (type, body)
    blobs: dict[str, bytes] = field(default_factory=dict)
    seen: list[tuple[str, str, str | None]] = field(default_factory=list)  # (host kind, path, Authorization)

    def add(self, kind: str, document: dict[str, Any], *names: str) -> str:
        body = json.dumps(document).encode()
        for name in (digest_of(body), *names):
            self.manifests[name] = (kind, body)
        return digest_of(body)

    def add_image(self, config: dict[str, Any], *tags: str, kind: str = MANIFEST, layers: tuple[int, ...] = ()) -> str:
        body = json.dumps(config).encode()
        self.blobs[digest_of(body)] = body
        described = [{"digest": digest_of(bytes([n])), "size": size} for n, size in enumerate(layers)]
        document = {"schemaVersion": 2, "mediaType": kind, "layers": described}
        return self.add(kind, document | {"config": {"digest": digest_of(body), "size": len(body)}}, *tags)


@contextmanager
def bearer_registry() -> Iterator[BearerRegistry]:
    """Two servers: the registry with its token server, and the one where blobs lie."""
    main = ThreadingHTTPServer(("127.0.0.1", 0), Answers)
    store = ThreadingHTTPServer(("127.0.0.1", 0), Answers)
    registry = BearerRegistry(address=f"127.0.0.1:{main.server_port}")
    for kind, server in (("registry", main), ("store", store)):
        server.registry, server.kind, server.store = registry, kind, f"http://127.0.0.1:{store.server_port}"  # type: ignore[attr-defined]
        threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
    try:
        yield registry
    finally:
        for server in (main, store):
            server.shutdown()
            server.server_close()


class Answers(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        registry: BearerRegistry = self.server.registry
        login = self.headers.get("Authorization")
        registry.seen.append((self.server.kind, self.path, login))
        parts = urlsplit(self.path)
        if parts.path == "/token":
            self.token(registry.rules, login)
        elif self.server.kind == "store" or self.is_allowed(registry.rules, login):
            self.content(registry, parts.path)
        else:
            realm = registry.rules.realm or f"http://{registry.address}/token"
            asked = f'Bearer realm="{realm}",service="test, with a comma",scope="repository:team/app:pull"'
            self.answer(401, {"WWW-Authenticate": asked})

    def do_POST(self) -> None:
        registry: BearerRegistry = self.server.registry
        form = parse_qs(self.rfile.read(int(self.headers["Content-Length"])).decode())
        registry.seen.append((self.server.kind, self.path, None))
        is_known = form["grant_type"] == ["refresh_token"] and form["refresh_token"] == [IDENTITY]
        self.answer(200 if is_known else 401, {}, json.dumps({"access_token": TOKEN}).encode())

    def token(self, rules: Rules, login: str | None) -> None:
        known = "Basic " + base64.b64encode(f"{USER}:{PASSWORD}".encode()).decode()
        token = TOKEN if login == known else ANONYMOUS_TOKEN
        is_given = token == TOKEN or (login is None and rules.gives_anonymous_tokens)
        self.answer(rules.token_status if is_given else 401, {}, json.dumps({"token": token}).encode())

    def is_allowed(self, rules: Rules, login: str | None) -> bool:
        return login == f"Bearer {TOKEN}" or (rules.is_public and login == f"Bearer {ANONYMOUS_TOKEN}")

    def content(self, registry: BearerRegistry, path: str) -> None:
        kind, name = path.split("/")[-2:]
        if kind == "blobs" and name in registry.blobs:
            if registry.rules.blobs_elsewhere and self.server.kind == "registry":
                self.answer(307, {"Location": f"{self.server.store}{path}?signed=1"})
            else:
                self.answer(200, {}, registry.blobs[name])
        elif kind == "manifests" and registry.rules.answer:
            self.answer(*registry.rules.answer)
        elif kind == "manifests" and name in registry.manifests:
            media_type, body = registry.manifests[name]
            announced = registry.rules.announced_digest or digest_of(body)
            self.answer(200, {"Content-Type": media_type, "Docker-Content-Digest": announced}, body)
        else:
            self.answer(404, {}, b'{"errors":[{"code":"MANIFEST_UNKNOWN"}]}')

    def answer(self, status: int, headers: dict[str, str], body: bytes = b"{}") -> None:
        self.send_response(status)
        for name, text in headers.items():
            self.send_header(name, text)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *words: object) -> None:  # noqa: A002
        """Nothing: the record has it."""
