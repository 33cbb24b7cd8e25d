"""What server admins do for people who turn to them; each deed is for server admins alone."""
