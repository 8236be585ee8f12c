"""How workers are woken: by a nudge about one row, or by what many calls gathered."""
