"""PostgreSQL and Valkey out of wheels, for the first run and for tests. Linux only."""
