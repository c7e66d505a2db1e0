"""The figure writers: charts drawn by matplotlib to SVG, PDF and PNG."""
