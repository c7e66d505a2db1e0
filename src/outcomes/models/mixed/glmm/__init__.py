"""Generalised linear mixed models: Laplace approximation and adaptive quadrature.

Importing any part of it registers how a `GlmmFit` answers `tidy`, `emmeans`,
`contrasts`, `joint_test`, `variance_components`, `standardise` and others.
"""

from outcomes.models.mixed.glmm import coefficients as _coefficients  # noqa: F401
from outcomes.models.mixed.glmm import inference as _inference  # noqa: F401
from outcomes.models.mixed.glmm import marginal as _marginal  # noqa: F401
from outcomes.models.mixed.glmm import surface as _surface  # noqa: F401
