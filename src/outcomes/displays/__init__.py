"""From ARD to tables and figures. Displays compute nothing: every number is an ARD row."""
