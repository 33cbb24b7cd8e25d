"""Limits on how often anybody may ask for something that costs: each is a row of `table`."""
