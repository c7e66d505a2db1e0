"""The figures: each module turns the ARD of one question into a description."""
