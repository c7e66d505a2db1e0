"""Mixed-effects models: linear, and generalised with random effects."""

# Registers what `tidy`, `emmeans`, `contrasts` and `joint_test` ask of a fit.
from outcomes.models.mixed import inference as _inference  # noqa: F401
