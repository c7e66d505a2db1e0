"""Logistic and probit regression with fixed effects, with Firth's penalty or without.

Importing any part of it registers how a `LogisticFit` answers `tidy`, `emmeans`,
`contrasts` and `joint_test`.
"""

from outcomes.models.logistic import inference as _inference  # noqa: F401
