"""PostgreSQL and Valkey from wheels, for a first run and for tests. Linux only."""
