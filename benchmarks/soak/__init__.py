"""A mixed load of everything, with workers that are killed; then everything is counted."""
