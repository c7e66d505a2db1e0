"""What figures of a course over the visits have in common."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from outcomes.displays.charts import Estimate, Tick
from outcomes.displays.context import Context
from outcomes.displays.lookup import Result


def tick(context: Context, visit: str) -> Tick:
    """Place a visit by days since the origin: study day 1 is the origin itself."""
    day = context.spec.visit(visit).time
    return Tick(float(day - 1 if day > 0 else day), context.visit_label(visit))


def axis_label(context: Context) -> str:
    """Say what the visits are placed by."""
    begun = "enrolment" if context.single_arm else "randomisation"
    origin = "first dose" if context.spec.origin == "first-dose" else begun
    return f"Visit, by days since {origin}"


def with_limits(
    visits: Sequence[str], get: Callable[[str, str], Result | None]
) -> tuple[Estimate, ...]:
    """Collect the estimates of visits that have one; ``get`` takes visit, statistic."""
    found = []
    for place, visit in enumerate(visits):
        results = [get(visit, name) for name in ("estimate", "conf_low", "conf_high")]
        value, low, high = (one.value if one else None for one in results)
        if value is not None:
            found.append(Estimate(place, value, low, high))
    return tuple(found)
