"""The mixed model for repeated measures.

Importing any part of it registers how an `MmrmFit` answers `tidy`, `emmeans`,
`contrasts` and `joint_test`.
"""

from outcomes.models.mmrm import inference as _inference  # noqa: F401
