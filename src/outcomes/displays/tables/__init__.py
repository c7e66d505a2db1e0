"""The tables: each module turns the ARD of one question into a description."""
