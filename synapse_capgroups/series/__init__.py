"""Series: several groups of one organiser, which are filled one after another (rule 11)."""
