"""The JSON schema of the study file, for editors that complete and check YAML."""

from __future__ import annotations

import json

from outcomes.study.spec import Study


def schema_text() -> str:
    """Return the schema as JSON text, the same bytes each time."""
    schema = {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        **Study.model_json_schema(),
    }
    return json.dumps(schema, indent=2, ensure_ascii=False) + "\n"
