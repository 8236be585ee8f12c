"""How workers are woken: by a enqueue about one row, or by what many calls gathered."""
