"""The statements on Synapse's own tables. All of them only read.

The `ModuleApi` can tell a room's state, but not inside a transaction of ours, and a join is
decided in one transaction."""
