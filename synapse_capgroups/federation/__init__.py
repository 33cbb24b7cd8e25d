"""Federation: how groups keep their rules when people of other servers are in them (rule 10)."""
