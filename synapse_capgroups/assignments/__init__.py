"""Assignments: people are put into the groups of a series by a table (rule 14)."""
