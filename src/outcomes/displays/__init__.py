"""From ARD to tables and figures.

Displays compute nothing: every number is the value of one ARD row, rounded.
"""
