"""What a server admin runs by hand, beside a homeserver or without one."""
