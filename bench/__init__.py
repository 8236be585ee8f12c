"""The benchmark: Orgdesk compared with its peers in one run, on separate servers."""
