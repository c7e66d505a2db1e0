"""One self-contained HTML file per study: every display, every number traceable."""
