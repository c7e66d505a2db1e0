"""Time-to-event models: survival curves, their comparison, hazards, competing events.

All of them read their columns through `outcomes.models.survival.records`.
"""
