"""Distributions written into a folder, as pip would leave them."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path


def write_distribution(
    site: Path,
    name: str,
    files: Mapping[str, str | bytes],
    *,
    version: str = "1.0",
    headers: str = "",
    readme: str = "",
    top_level: str | None = None,
) -> Path:
    """Write files and a dist-info folder that lists them; return the latter."""
    stem = name.replace("-", "_")
    folder = site / f"{stem}-{version}.dist-info"
    folder.mkdir(parents=True)
    for path, content in files.items():
        target = site / path
        target.parent.mkdir(parents=True, exist_ok=True)
        data = content if isinstance(content, bytes) else content.encode()
        target.write_bytes(data)
    told = f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n{headers}\n"
    (folder / "METADATA").write_text(f"{told}{readme}", encoding="utf-8")
    if top_level is not None:
        (folder / "top_level.txt").write_text(top_level, encoding="utf-8")
    listed = [*files, f"{folder.name}/METADATA", f"{folder.name}/RECORD"]
    (folder / "RECORD").write_text("".join(f"{path},,\n" for path in listed))
    return folder
