"""The base class of all options."""

from typing import Any

from pydantic import BaseModel, ConfigDict


def _in_order(schema: dict[str, Any]) -> None:
    """Keep the fields' order in Prefect's form, which sorts by `position`, else by name."""
    for position, field in enumerate(schema.get("properties", {}).values()):
        field["position"] = position


class Options(BaseModel):
    """A group of options: unknown names are refused, and what it holds does not change."""

    model_config = ConfigDict(frozen=True, extra="forbid", json_schema_extra=_in_order)
