"""Trimtab: find, prove, apply and hold the few changes that make a PostgreSQL workload faster.

The public names are those of `trimtab.api`; they are imported when they are first used, so that `import trimtab` is
quick.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from trimtab.version import __version__

if TYPE_CHECKING:
    from trimtab.api import (
        Compliance,
        ComplianceValidation,
        IndexOptimization,
        IndexWishes,
        IntelligentIndexOptimizer,
        OptimizationResult,
        QuantumDatabaseOptimizer,
        SecureOptimization,
        SecureOptimizationEngine,
        TemporalPerformanceAnchor,
        accept_anchor,
        advise_indexes,
        compare_anchors,
        create_anchor,
        get_spec,
        optimize,
        release_anchor,
        security_baseline,
        security_check,
        security_diff,
        track_evolution,
        validate_index_strategy_compliance,
        validate_optimization_strategy,
        validate_query_plan_compliance,
        verify_anchor,
    )

__all__ = [
    "Compliance",
    "ComplianceValidation",
    "IndexOptimization",
    "IndexWishes",
    "IntelligentIndexOptimizer",
    "OptimizationResult",
    "QuantumDatabaseOptimizer",
    "SecureOptimization",
    "SecureOptimizationEngine",
    "TemporalPerformanceAnchor",
    "__version__",
    "accept_anchor",
    "advise_indexes",
    "compare_anchors",
    "create_anchor",
    "get_spec",
    "optimize",
    "release_anchor",
    "security_baseline",
    "security_check",
    "security_diff",
    "track_evolution",
    "validate_index_strategy_compliance",
    "validate_optimization_strategy",
    "validate_query_plan_compliance",
    "verify_anchor",
]


def __getattr__(name: str) -> object:
    if name in __all__:
        from trimtab import api

        return getattr(api, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
