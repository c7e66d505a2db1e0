"""The shape of every file that passes between stages, and the only way to it.

Text is never null: an absent text is ``''``, as in SAS. An absent number is null.
Dates are ISO 8601 text, so that no reader has to know an epoch.
"""
