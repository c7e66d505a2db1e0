"""Logistic and probit regression with fixed effects, with Firth's penalty or without.

Importing any part of it registers how a `LogisticFit` answers `tidy`, `emmeans`,
`contrasts`, `joint_test` and `profile_intervals`.
"""

from outcomes.models.logistic import inference as _inference  # noqa: F401
from outcomes.models.logistic import profile as _profile  # noqa: F401
