"""The benchmark: Orgdesk beside its peers, in one run, on servers of its own."""
