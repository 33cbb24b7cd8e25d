"""Rooms from before become groups that keep the rules, and go back to what they were."""
