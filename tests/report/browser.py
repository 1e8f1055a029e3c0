"""One page in a real headless Chromium, over its DevTools socket: what it logged, what it asked the network for."""

from __future__ import annotations

import base64
import json
import os
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.request import urlopen

import pytest
import websocket

_FLAGS = (
    "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update", "--disable-sync", "--disable-dev-shm-usage", "--hide-scrollbars",
    "--remote-debugging-port=0", "--remote-allow-origins=*",
)  # fmt: skip
_NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome")


def find_browser() -> str:
    """The browser's path; skips without one, unless NIMBENCH_REQUIRE_BROWSER=1 says that it must be there."""
    found = next((path for name in _NAMES if (path := shutil.which(name))), None)
    if found is None:
        if os.environ.get("NIMBENCH_REQUIRE_BROWSER") == "1":
            pytest.fail(f"no browser on the PATH, looked for {', '.join(_NAMES)}")
        pytest.skip("no Chromium on the PATH")
    return found


class Tab:
    """A tab whose console, exceptions and requests are kept."""

    def __init__(self, socket: websocket.WebSocket) -> None:
        self._socket, self._last = socket, 0
        self.errors: list[str] = []
        self.requests: list[str] = []
        for domain in ("Page", "Runtime", "Network", "Log"):
            self.call(f"{domain}.enable")

    def call(self, method: str, **params: Any) -> dict[str, Any]:
        self._last += 1
        self._socket.send(json.dumps({"id": self._last, "method": method, "params": params}))
        while True:
            message = json.loads(self._socket.recv())
            if message.get("id") == self._last:
                assert "error" not in message, message
                return dict(message["result"])
            self._note(message)

    def _note(self, message: dict[str, Any]) -> None:
        params = message.get("params", {})
        match message["method"]:
            case "Runtime.exceptionThrown":
                self.errors.append(json.dumps(params["exceptionDetails"])[:2000])
            case "Runtime.consoleAPICalled" if params["type"] in ("error", "warning", "assert"):
                self.errors.append(json.dumps(params["args"])[:2000])
            case "Log.entryAdded" if params["entry"]["level"] in ("error", "warning"):
                self.errors.append(json.dumps(params["entry"])[:2000])
            case "Network.requestWillBeSent":
                self.requests.append(params["request"]["url"][:200])

    def evaluate(self, expression: str) -> Any:
        result = self.call("Runtime.evaluate", expression=expression, returnByValue=True, awaitPromise=True)
        assert "exceptionDetails" not in result, result
        return result["result"].get("value")

    def open(self, page: Path, *, width: int = 1280, height: int = 900) -> None:
        self.call(
            "Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1, mobile=width < 600
        )
        self.call("Page.navigate", url=page.resolve().as_uri())
        for _ in range(300):
            if self.evaluate("document.readyState") == "complete":
                break
            time.sleep(0.1)
        self.evaluate("new Promise(done => requestAnimationFrame(() => setTimeout(done, 300)))")

    def screenshot(self, path: Path, *, top: float = 0, height: float = 900, width: float = 1280) -> None:
        clip = {"x": 0, "y": top, "width": width, "height": height, "scale": 1}
        shot = self.call("Page.captureScreenshot", clip=clip, captureBeyondViewport=True)
        path.write_bytes(base64.b64decode(shot["data"]))


@contextmanager
def open_tab(profile: Path) -> Iterator[Tab]:
    """A fresh browser with one tab; its whole process group is gone afterwards."""
    browser = subprocess.Popen(
        [find_browser(), *_FLAGS, f"--user-data-dir={profile}", "about:blank"],
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True,
    )  # fmt: skip
    try:
        socket = websocket.create_connection(_tab_url(profile / "DevToolsActivePort"), timeout=60)
        try:
            yield Tab(socket)
        finally:
            socket.close()
    finally:
        os.killpg(browser.pid, signal.SIGKILL)
        browser.wait()


def _tab_url(port_file: Path) -> str:
    for _ in range(300):
        if port_file.is_file() and (lines := port_file.read_text().splitlines()):
            with urlopen(f"http://127.0.0.1:{lines[0]}/json/list") as reply:
                tabs = [one for one in json.load(reply) if one["type"] == "page"]
            if tabs:
                return str(tabs[0]["webSocketDebuggerUrl"])
        time.sleep(0.1)
    raise AssertionError("the browser opened no DevTools port")
