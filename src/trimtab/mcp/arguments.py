"""The arguments that several tools take, with their limits, as the tools' schemas have them."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

Database = Annotated[str, Field(min_length=1, max_length=100, description="A name that fleet_list tells. No DSN.")]
Workload = Annotated[
    str | None,
    Field(
        max_length=100, description="The name of a workload that fleet_list tells; null: pg_stat_statements. No path."
    ),
]
QueryId = Annotated[
    str, Field(pattern=r"^q[0-9a-f]{4,16}(-\d{1,4})?$", description="A query_id that top_queries tells.")
]
AnchorId = Annotated[str, Field(pattern=r"^(latest|[A-Za-z0-9-]{4,64})$", description="An anchor_id, or 'latest'.")]
SpecId = Annotated[
    str, Field(pattern=r"^[A-Za-z0-9_]{1,80}$", description="'configured' (of trimtab.toml), or a shipped id.")
]
Limit = Annotated[int, Field(ge=1, le=100, description="At most so many; next_cursor goes on.")]
Cursor = Annotated[
    str | None, Field(max_length=200, description="next_cursor of the page before; null: the first page.")
]
Budget = Annotated[
    str | None, Field(max_length=20, description="Disk for new indexes together, as in 500MB; only narrows.")
]
