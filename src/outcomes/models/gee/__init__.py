"""Generalised estimating equations: marginal models of repeated outcomes.

Importing any part of it registers how a `GeeFit` answers `tidy`, `emmeans`,
`contrasts` and `joint_test`.
"""

from outcomes.models.gee import inference as _inference  # noqa: F401
