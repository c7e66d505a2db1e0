"""Questionnaires as YAML definitions, and the one engine that scores them."""
