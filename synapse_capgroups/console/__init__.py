"""Sessions of the console, the web page from which people run their groups."""
