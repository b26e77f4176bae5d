"""The base class of all options."""

from dataclasses import dataclass
from typing import Any, Self

from pydantic import BaseModel, ConfigDict


@dataclass(frozen=True)
class NotInKey:
    """Marks a field that does not count for the keys of results; every other field does."""

    unless: str | None = None
    """The option that makes it count."""


@dataclass(frozen=True)
class NoEffect(NotInKey):
    """Marks a field that is accepted and never read."""


def _in_order(schema: dict[str, Any]) -> None:
    """Keep the fields' order in Prefect's form, which sorts by `position`, else by name."""
    for position, field in enumerate(schema.get("properties", {}).values()):
        field["position"] = position


class Options(BaseModel):
    """A group of options: unknown names are refused, and what it holds does not change."""

    model_config = ConfigDict(frozen=True, extra="forbid", json_schema_extra=_in_order)

    def marked(self, marker: type[NotInKey]) -> list[str]:
        """Return the names of the fields with this marker, except those that another option makes count."""
        return [
            name
            for name, field in type(self).model_fields.items()
            for each in field.metadata
            if isinstance(each, marker) and not (each.unless and getattr(self, each.unless))
        ]

    def key_fields(self) -> dict[str, Any]:
        """Return the options that count for the keys of results."""
        return self.model_dump(exclude=set(self.marked(NotInKey)))

    def given(self) -> dict[str, Any]:
        """Return the options that were set when this was made, also to their defaults."""
        return {name: value for name, value in self if name in self.model_fields_set}

    def over(self, others: dict[str, Any]) -> Self:
        """Return these options, with those of `others` that were not set here. Raises ValidationError."""
        return type(self)(**{**others, **self.given()})

    def changed(self) -> dict[str, Any]:
        """Return the options that count for the keys of results and are not at their defaults."""
        fields = type(self).model_fields
        return {name: value for name, value in self.key_fields().items() if value != fields[name].get_default()}
