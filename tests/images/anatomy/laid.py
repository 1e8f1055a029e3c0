"""Made images for tests: a few lines of text become what a container would see."""

from __future__ import annotations

from collections.abc import Mapping

from bench.images.anatomy.entries import Entry, EntryKind, Visible


def laid(
    files: Mapping[str, str | bytes] = {},
    *,
    sizes: Mapping[str, int] = {},
    symlinks: Mapping[str, str] = {},
    hardlinks: Mapping[str, str] = {},
) -> Visible:
    """`files` with contents that are kept; `sizes` of files without; links by their targets."""
    visible = Visible()
    for path, content in files.items():
        data = content.encode() if isinstance(content, str) else content
        visible.files[path] = Entry(path, EntryKind.FILE, 0, len(data), len(data) // 2)
        visible.kept[path] = data
    for path, size in sizes.items():
        visible.files[path] = Entry(path, EntryKind.FILE, 0, size, size // 2)
    for path, link in symlinks.items():
        visible.files[path] = Entry(path, EntryKind.SYMLINK, 0, link=link)
    for path, link in hardlinks.items():
        visible.files[path] = Entry(path, EntryKind.HARDLINK, 0, link=link)
    return visible


def wheel(site: str, name: str, version: str, *files: str, requires: tuple[str, ...] = ()) -> dict[str, str]:
    """The metadata of an installed distribution; `files` are named by its RECORD."""
    folder = f"{name}-{version}.dist-info"
    said = "".join(f"Requires-Dist: {one}\n" for one in requires)
    record = "".join(f"{one},,\n" for one in (*files, f"{folder}/METADATA", f"{folder}/RECORD"))
    headers = f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n{said}"
    return {
        f"{site}/{folder}/METADATA": f"{headers}\nText of the description\nName: no field\n",
        f"{site}/{folder}/RECORD": record,
    }
