"""`python -m benchmarks peers`: this module beside those that others have written for Synapse.

They do other things than this one. What they share with it is that they are asked about messages,
invitations or joins, so it can be measured what it costs to ask them.
"""
