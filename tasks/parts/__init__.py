"""The channels or tracks of a recording one by one, for the check and the second pass."""
