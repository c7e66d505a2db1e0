"""From raw item-level exports of a trial to every table, figure and report."""

__version__ = "0.1.0"
