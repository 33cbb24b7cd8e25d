"""What server admins read: what a trial would have refused, and how the groups are doing."""
