"""Renders a page from the template, the style and the script of a package."""

import base64
import hashlib
from functools import cache
from importlib.resources import files
from typing import TYPE_CHECKING, Any

from markupsafe import Markup

if TYPE_CHECKING:
    from jinja2 import Environment

BASE = __package__
POLICY = (
    "default-src 'none'; style-src '{}'; script-src '{}'; media-src 'self' file:; base-uri 'none'; form-action 'none'"
)
"""The browser runs the page's own script alone, by its hash, and loads nothing but a recording beside it."""


def render(package: str, name: str, **values: Any) -> bytes:
    """Return the page that `name`.html of a package makes of the values, with `name`.css and `name`.js.

    It extends base.html of this folder, and has its style and script too. Names of files may be no valid Unicode: what
    is not becomes a question mark.
    """
    style, script = (_joined(package, name, kind) for kind in ("css", "js"))
    policy = POLICY.format(_hash(style), _hash(script))
    template = _environment(package).get_template(f"{name}.html")
    page = template.render(policy=policy, style=Markup(style), script=Markup(script), **values)  # noqa: S704 - our files
    return page.encode(errors="replace")


@cache
def _environment(package: str) -> "Environment":
    from jinja2 import ChoiceLoader, Environment, PackageLoader, StrictUndefined  # here: most runs make no page

    loader = ChoiceLoader([PackageLoader(package, ""), PackageLoader(BASE, "")])
    environment = Environment(
        loader=loader, autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    environment.policies["json.dumps_kwargs"] = {"ensure_ascii": False, "separators": (",", ":")}
    return environment


@cache
def _joined(package: str, name: str, kind: str) -> str:
    parts = files(BASE) / f"base.{kind}", files(package) / f"{name}.{kind}"
    return "".join(part.read_text("utf-8") for part in parts)


def _hash(text: str) -> str:
    """Return the source expression of a content security policy that allows this text."""
    return f"sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}"
