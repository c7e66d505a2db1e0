"""From ADaM to analysis results: one module per question a plan asks."""
