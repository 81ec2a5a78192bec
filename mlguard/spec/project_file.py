"""mlguard.yaml: targets, people, defaults, quiet hours. The only file where ${ENV} means anything; it holds no secret.

Variables are looked up when a target is used, not when the file is read: `validate` needs no password of production.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any
from urllib.parse import urlsplit

from pydantic import BeforeValidator, Field, PrivateAttr, WithJsonSchema

from mlguard.errors import Problem, SpecError
from mlguard.spec.base import KeyPath, Model, refuse
from mlguard.spec.fields import Hours, Label, Names, Version
from mlguard.spec.load import Entries, as_entries, read_mapping, validate
from mlguard.spec.models import Defaults, place
from mlguard.spec.readers import as_text, one_or_many
from mlguard.spec.source import Source
from mlguard.spec.yaml_nodes import Node

_VARIABLE = re.compile(r"\$\{([^}]*)\}?")
_VARIABLE_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*\Z")
_WRITE_A_VARIABLE = "write ${NAME} and set the environment variable NAME; a password file (~/.pgpass) also works"
# password=… or sslpassword=… in a keyword DSN or in the query of a URL; the value up to the next separator.
_PASSWORD = re.compile(r"(?i)\b(?:ssl)?password\s*=\s*('(?:[^'\\]|\\.)*'|[^\s&]*)")
_TOKEN = re.compile(r"(?=[A-Za-z_-]*\d)(?=[0-9_-]*[A-Za-z])[A-Za-z0-9_-]{20,}")


def _as_template(value: Any) -> str:
    text = as_text(value)
    for match in _VARIABLE.finditer(text):
        if not match.group().endswith("}") or not _VARIABLE_NAME.match(match[1]):
            raise refuse("a variable is written ${NAME}", "letters, digits and _ between the braces")
    return text


def _is_literal(secret: str) -> bool:
    """Tell whether anything of a secret is written out."""
    return bool(_VARIABLE.sub("", secret.strip("'")))


def _url_password(text: str) -> str:
    """Return the password of a URL, without choking on ${NAME} in its place."""
    try:
        userinfo, at, _ = urlsplit(_VARIABLE.sub("", text)).netloc.rpartition("@")
    except ValueError:
        return ""
    return userinfo.partition(":")[2] if at else ""


def as_dsn(value: Any) -> str:
    """Take a DSN: a URL or keywords, with its password in a variable."""
    text = _as_template(value)
    if not text.strip():
        raise refuse("a DSN is empty")
    secrets = [match[1] for match in _PASSWORD.finditer(text)]
    if "://" in text:
        secrets.append(_url_password(text))
    if any(_is_literal(secret) for secret in secrets):
        raise refuse("a password is written out", _WRITE_A_VARIABLE)
    return text


def as_address(value: Any) -> str:
    """Take the address of a person or channel, with its tokens in variables."""
    text = _as_template(value)
    scheme, found, rest = text.partition("://")
    if not found or not scheme or not rest:
        raise refuse("wanted an address such as mailto://team@example.com or slack://${SLACK_TOKENS}")
    if _is_literal(_url_password(text)) or _TOKEN.search(_VARIABLE.sub(" ", rest)):
        raise refuse("a password or token is written out", "write ${NAME} and set the environment variable NAME")
    return text


Dsn = Annotated[str, BeforeValidator(as_dsn), WithJsonSchema({"type": "string", "minLength": 1})]
_ADDRESS = {"type": "string", "pattern": "^[^:]+://."}
Address = Annotated[str, BeforeValidator(as_address), WithJsonSchema(_ADDRESS)]
Addresses = Annotated[
    tuple[Address, ...],
    BeforeValidator(one_or_many),
    WithJsonSchema({"anyOf": [_ADDRESS, {"type": "array", "items": _ADDRESS}]}),
]


class Roles(Model):
    """Which database roles are given mlguard's own."""

    platform: Names = Field(default=(), description="Roles that own and apply; members of mlguard_platform.")
    task: Names = Field(default=(), description="Roles that read guarded views; members of mlguard_task.")
    writer: Names = Field(default=(), description="Roles that load; members of mlguard_writer.")


class Target(Model):
    """One database."""

    dsn: Dsn | None = Field(
        default=None,
        description="Connection string; secrets as ${ENV}. Absent: MLGUARD_DSN, then libpq's PG* variables.",
    )
    roles: Roles = Field(default=Roles(), description="Database roles that are given mlguard's.")


class ProjectFile(Model):
    """mlguard.yaml."""

    mlguard: Version = Field(description="Format version: 1.")
    targets: Mapping[Label, Target] = Field(default={}, description="Name to database.")
    people: Mapping[Label, Addresses] = Field(
        default={}, description="Owner to addresses: {platform-ml: [slack://${SLACK}]}."
    )
    defaults: Defaults = Field(default=Defaults(), description="Settings for every table that does not say otherwise.")
    quiet_hours: Hours | None = Field(
        default=None,
        description="Only `page` incidents are delivered then: '22:00 to 07:00 Europe/Berlin on weekdays'.",
    )

    _root: Node | None = PrivateAttr(None)

    def placed(self, root: Node) -> ProjectFile:
        """Remember the tree it was read from."""
        self._root = root
        return self

    def dsn(self, target: str, environment: Mapping[str, str] = os.environ) -> str | None:
        """Return the DSN of a target with its variables filled in; None where it has none.

        Raises:
            SpecError: there is no such target, or a variable is not set.
        """
        if target not in self.targets:
            known = ", ".join(self.targets) or "none"
            raise SpecError(f"no target `{target}` in mlguard.yaml", help=f"there are: {known}")
        template = self.targets[target].dsn
        return None if template is None else self._filled(template, ("targets", target, "dsn"), environment)

    def addresses(self, owner: str, environment: Mapping[str, str] = os.environ) -> tuple[str, ...]:
        """Return where `owner` is reached, with variables filled in; empty for an owner nobody listed.

        Raises:
            SpecError: a variable is not set.
        """
        return tuple(
            self._filled(template, ("people", owner, index), environment)
            for index, template in enumerate(self.people.get(owner, ()))
        )

    def _filled(self, template: str, path: KeyPath, environment: Mapping[str, str]) -> str:
        missing = [match[1] for match in _VARIABLE.finditer(template) if match[1] not in environment]
        if missing:
            where = None if self._root is None else place(self._root, path)
            found = [Problem(f"the environment variable {name} is not set", where) for name in dict.fromkeys(missing)]
            raise SpecError(found[0].message, problems=found)
        return _VARIABLE.sub(lambda match: environment[match[1]], template)


def load_project_file(source: Source) -> tuple[ProjectFile | None, Entries, list[Problem]]:
    """Read mlguard.yaml: the model, the entries of `defaults` for the SLO files, and what is wrong."""
    root, faults = read_mapping(source)
    if root is None:
        return None, {}, faults
    file, found = validate(ProjectFile, root)
    faults += found
    if file is None:
        return None, {}, faults
    file.placed(root)
    entry = root.entries.get("defaults")
    return file, as_entries(entry.value) if entry else {}, faults


def find_project_file(slos: Path) -> Path | None:
    """Return the mlguard.yaml beside (or in) the folder of SLO files; None where there is none."""
    folder = slos if slos.is_dir() else slos.parent
    parent = folder.parent if folder.name not in ("", "..") else folder.resolve().parent
    for beside in (folder, parent):
        if (candidate := beside / "mlguard.yaml").is_file():
            return candidate
    return None
