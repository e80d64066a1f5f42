"""The tools that hand over a report: the four groups of figures, and the page as text. Made in a process of its own.

The ledger and the history are read; no server is asked, nothing is written, and no file is named by an agent.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Any

from mcp.server.mcpserver import Context
from pydantic import Field

from trimtab.mcp.answering import Offer
from trimtab.mcp.arguments import Database
from trimtab.mcp.bounds import Flood
from trimtab.mcp.desk import Desk
from trimtab.mcp.job import run_job
from trimtab.mcp.report_answers import Figure, ReportBuilt, ReportFigures

AnyContext = Context[Any, Any]
Timeframe = Annotated[str, Field(pattern=r"^[1-9]\d{0,6}[smhdw]$", description="As in 30d, 12h or 2w, up to now.")]
MaybeDatabase = Annotated[
    Database | None, Field(description="A name that fleet_list tells; null: all of this machine.")
]


@dataclass(frozen=True, slots=True)
class ReportTools:
    """The tools, over one desk."""

    desk: Desk
    flood: Flood

    def offers(self) -> list[Offer]:
        """Return them in their order."""
        return [
            Offer(self.generate_optimization_report, "The figures of a report (long)"),
            Offer(self.report_build, "A report as text (long)"),
        ]

    async def generate_optimization_report(
        self, ctx: AnyContext, timeframe: Timeframe = "30d", database: MaybeDatabase = None
    ) -> ReportFigures:
        """Tell what was gained in a window, in the original's four groups: each figure measured, or said not to be."""
        document = await self._made(ctx, timeframe, database)
        return ReportFigures(
            begin=document["begin"],
            end=document["end"],
            counts=document["counts"],
            groups={
                group: {
                    name: Figure(**{key: figure[key] for key in Figure.model_fields}) for name, figure in of.items()
                }
                for group, of in document["analytics"].items()
            },
        )

    async def report_build(
        self, ctx: AnyContext, timeframe: Timeframe = "30d", database: MaybeDatabase = None
    ) -> ReportBuilt:
        """Build the report that people hand over, as Markdown: found, done, gained, refused, reverted, recommended."""
        document = await self._made(ctx, timeframe, database)
        return ReportBuilt(
            begin=document["begin"], end=document["end"], markdown=document["markdown"], is_cut=document["is_cut"]
        )

    async def _made(self, context: AnyContext, timeframe: str, database: str | None) -> dict[str, Any]:
        if database is not None:
            self.desk.database(database)
        with self.flood.job():
            return await run_job(self.desk, "report", {"database": database, "timeframe": timeframe}, context)
