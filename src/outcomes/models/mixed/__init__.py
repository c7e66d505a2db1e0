"""Mixed-effects models: linear, and generalised with random effects."""

# Registers what `tidy`, `emmeans`, `variance_components` and others ask of a fit.
from outcomes.models.mixed import inference as _inference  # noqa: F401
from outcomes.models.mixed import lmm_surface as _surface  # noqa: F401
