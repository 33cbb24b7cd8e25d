"""The module's own tables, all of them named `capgroups_…`, in Synapse's database.

Each table has a class with its statements. Two modules have statements on several tables:
`situations`, because a decision is made of one look at them, and `forgetting`, because nothing may
be left of an account or a room in any of them. `schema` has the tables themselves, and `database`
the transactions and their locks.
"""
