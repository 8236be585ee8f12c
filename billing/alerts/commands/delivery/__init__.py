"""Delivery of alert emails: leases, attempts, digests, outcomes, and the mail host.

`worker.deliver` is the entry point. `attempts` sends one email to its recipients with
the help of `content`, `digests` and `smtp`; `outcomes` records the results;
`host_limits` and `host_slots` protect the mail host.
"""
