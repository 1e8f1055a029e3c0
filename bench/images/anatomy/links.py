"""Follows symbolic links inside an image, as a kernel would: they end at the image's root, a loop nowhere."""

from __future__ import annotations

from collections.abc import Mapping

from bench.images.anatomy.entries import Entry, EntryKind

HOPS = 40  # as Linux has it


class Links:
    """Of all files that a container sees. Where /lib is /usr/lib, lists of packages name the one, layers the other."""

    def __init__(self, files: Mapping[str, Entry]) -> None:
        self._links = {path: entry.link for path, entry in files.items() if entry.kind is EntryKind.SYMLINK}
        self._folders: dict[str, str | None] = {"": ""}

    def place(self, path: str) -> str | None:
        """Where the name `path` itself lies: links among its folders are followed, one at its end is not."""
        folder, _, name = path.strip("/").rpartition("/")
        if name in ("", ".", ".."):
            return self.target(path)
        if folder not in self._folders:
            self._folders[folder] = self._walk(folder)
        real = self._folders[folder]
        return None if real is None else f"{real}/{name}".lstrip("/")

    def target(self, path: str) -> str | None:
        """What `path` leads to in the end; whether it is there is another question. None: a loop."""
        return self._walk(path)

    def _walk(self, path: str) -> str | None:
        ahead, done, hops = path.split("/")[::-1], list[str](), 0
        while ahead:
            part = ahead.pop()
            if part in ("", "."):
                continue
            if part == "..":
                del done[-1:]  # above the root is the root
                continue
            done.append(part)
            link = self._links.get("/".join(done))
            if link is None:
                continue
            hops += 1
            if hops > HOPS:
                return None
            if link.startswith("/"):
                done.clear()
            else:
                done.pop()
            ahead.extend(reversed(link.split("/")))
        return "/".join(done)
