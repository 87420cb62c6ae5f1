"""Write config/dicomweb-server.toml and docs/configuration.md from the settings and their docstrings."""

from __future__ import annotations

import ast
import json
from dataclasses import MISSING, fields
from pathlib import Path

from dicomweb_server import settings

ROOT = Path(__file__).parents[1]

INTRODUCTION = """# Configuration

Later wins: the default, the file given with `--config`, the environment, flags. In the environment a setting is called
`DICOMWEB_SERVER_` and its key in capitals with `_` for the dot. `dicomweb-server config` prints what is in force and
where each value came from. This page and `config/dicomweb-server.toml` are made by `python scripts/configuration.py`.
"""


def documented() -> dict[str, str]:
    """Key or section -> docstring."""
    found = {}
    files = sorted(Path(settings.__file__).parent.glob("*.py"))
    for node in (node for file in files for node in ast.parse(file.read_text()).body):
        if isinstance(node, ast.ClassDef):
            section = node.name.lower()
            found[section] = ast.get_docstring(node) or ""
            for field, text in zip(node.body, node.body[1:], strict=False):
                if isinstance(field, ast.AnnAssign) and isinstance(text, ast.Expr):
                    assert isinstance(field.target, ast.Name)
                    assert isinstance(text.value, ast.Constant)
                    found[f"{section}.{field.target.id}"] = str(text.value.value)
    return found


def pages() -> dict[Path, str]:
    """The settings file and the page, as they should be."""
    texts = documented()
    toml = ["# Every setting at its default. Copy what you change and start with --config FILE."]
    page = [INTRODUCTION]
    section = ""
    for key, _, default in settings.every_setting():
        value = json.dumps(list(default) if isinstance(default, tuple) else default)
        if key.partition(".")[0] != section:
            section = key.partition(".")[0]
            toml.append(f"\n[{section}]  # {texts[section]}")
            page.append(f"\n## {section}\n\n{texts[section]}\n\n| setting | default | meaning |\n| --- | --- | --- |")
        toml.append(f"# {texts[key].replace('``', '')}\n{key.partition('.')[2]} = {value}")
        page.append(f"| `{key}` | `{value}` | {texts[key].replace('``', '`')} |")
    for name, kind in (("source", settings.SourceSettings), ("rule", settings.RuleSettings)):
        page.append(
            f"\n## {name}\n\n{texts[f'{name}settings']}\n\n| setting | default | meaning |\n| --- | --- | --- |"
        )
        for each in fields(kind):
            value = "needed" if each.default is MISSING else f"`{json.dumps(each.default)}`"
            page.append(f"| `{each.name}` | {value} | {texts.get(f'{name}settings.{each.name}', '')} |")
    return {
        ROOT / "config" / "dicomweb-server.toml": "\n".join(toml) + "\n",
        ROOT / "docs" / "configuration.md": "\n".join(page) + "\n",
    }


if __name__ == "__main__":
    for path, text in pages().items():
        path.write_text(text)
