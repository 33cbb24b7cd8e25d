"""How often anybody may ask for what costs something: every limit is a row of `table`."""
