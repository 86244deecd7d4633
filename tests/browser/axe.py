"""axe-core, the accessibility checker, in a page of a test."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest

from tests.browser.lab import ROOT

VARIABLE = "CONTEXTER_AXE"


def axe_or_skip() -> Path:
    """Return the checker's file; skip without it, unless CI says that it must be.

    `.ci/run` installs it and sets both variables; by hand, ``npm install axe-core``
    in the project does.
    """
    named = os.environ.get(VARIABLE)
    path = Path(named or ROOT / "node_modules" / "axe-core" / "axe.min.js")
    if not path.is_file():
        reason = f"no axe-core: npm install axe-core, or name its file in {VARIABLE}"
        if os.environ.get("CONTEXTER_SKIP_IS_FAILURE"):
            pytest.fail(reason)
        pytest.skip(reason)
    return path


def violations(page: Any, selector: str) -> list[str]:
    """Return what keeps a part of a page from WCAG 2.1 AA, a line each."""
    if not page.evaluate("typeof window.axe === 'object'"):
        page.add_script_tag(path=str(axe_or_skip()))
    found = page.evaluate(
        """async (selector) => (await axe.run(selector, {runOnly: {type: "tag",
        values: ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "best-practice"]}}))
        .violations.map((each) => [each.id, each.help,
        each.nodes.map((node) => node.html.slice(0, 120) + ' '
            + (node.any[0]?.message || '')).slice(0, 3)])""",
        selector,
    )
    return [f"{name}: {told} {nodes}" for name, told, nodes in found]
