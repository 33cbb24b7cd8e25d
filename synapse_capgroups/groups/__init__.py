"""Groups: which rooms are groups, what they and their members are called."""
