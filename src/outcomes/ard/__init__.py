"""Analysis results data: building, reading, comparing and rounding it."""
