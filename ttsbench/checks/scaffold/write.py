"""Write a plug-in package from the templates beside this module. `examples/my_objective` is its output."""

from __future__ import annotations

from pathlib import Path

import jinja2

from ttsbench import registry
from ttsbench.errors import ConfigError

TEMPLATES = Path(__file__).parent / "template"
SUFFIX = ".jinja"


def write_adapter_package(name: str, folder: Path) -> list[Path]:
    """Write the package for an adapter called ``name`` into ``folder``; return the files in alphabetical order.

    The package is called ``ttsbench_<name>`` and also registers the metric ``<name>_level``. Raises ``ConfigError`` if
    the name is not a lower-case identifier or is registered already, and if the folder exists and is not empty.
    """
    if not (name.isidentifier() and name == name.lower()):
        raise ConfigError(f"'{name}' cannot name an adapter; use lower-case letters, digits and underscores.")
    if name in registry.registered("adapters"):
        raise ConfigError(f"The adapter '{name}' is registered already; choose another name.")
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise ConfigError(f"{folder} exists and is not empty; choose another folder with --output.")
    words = name.split("_")
    values = {
        "name": name,
        "package": f"ttsbench_{name}",
        "cls": "".join(word.capitalize() for word in words),
        "title": " ".join(words).capitalize(),
    }
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(TEMPLATES), undefined=jinja2.StrictUndefined, keep_trailing_newline=True
    )  # the output is Python and TOML, not HTML: nothing is escaped
    written = []
    for template in sorted(TEMPLATES.rglob(f"*{SUFFIX}")):
        relative = template.relative_to(TEMPLATES)
        parts = [values["package"] if part == "package" else part for part in relative.with_suffix("").parts]
        path = folder.joinpath(*parts)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(environment.get_template(relative.as_posix()).render(values), encoding="utf-8")
        written.append(path)
    return sorted(written)
