"""Everything that is taken from inside Synapse, beyond its `ModuleApi`, by subject.

Each use stands beside the reason why the `ModuleApi` is not enough, and is named in `probe.py`,
which stops the server if this Synapse has it no more. Read in Synapse 1.143 to 1.163."""
