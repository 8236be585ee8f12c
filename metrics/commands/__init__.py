"""Writes of usage: recording, rates, partitions, periods, daily head counts."""
