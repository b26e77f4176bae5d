"""What all options and settings have in common."""

from typing import Any

from pydantic import BaseModel, ConfigDict


def _in_order(schema: dict[str, Any]) -> None:
    """Let Prefect's form show the fields as they are defined; it sorts by `position`, else by name."""
    for position, field in enumerate(schema.get("properties", {}).values()):
        field["position"] = position


class Options(BaseModel):
    """A group of options: unknown names are refused, and what it holds does not change."""

    model_config = ConfigDict(frozen=True, extra="forbid", json_schema_extra=_in_order)
