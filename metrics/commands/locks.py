"""Advisory locks of usage, the order in which they are taken, and how long each waits.

All are transaction locks: PostgreSQL releases them at commit, at rollback, and when the
connection is lost. A transaction that needs several locks takes them in this order, so
that no two transactions can wait for each other:

1. `LOCK_CORRECTIONS`, then the events table `in access share mode`;
2. `LOCK_PRICE_BOOK_SHARED` or `LOCK_PRICE_BOOK`;
3. rows of `metrics_openperiod`, by organization ID;
4. `LOCK_ROLL_UP`, and the rows of daily usage, daily metrics, and totals after it.

`LOCK_PARTITIONS` is taken alone, before the events table. A transaction that cannot get
a lock within `lock_timeout` (10 s unless stated otherwise) fails with SQLSTATE 55P03
and changes nothing.

The two-argument locks take a 32-bit integer: pass `lock_key(white_label_id)`.
"""

# One correction of a white label at a time: two would both add the same difference to
# daily usage. Taken by rebuilding, re-rating, voiding, and crediting usage and by
# recording stored bytes, for one batch each; by writing off unpriced usage; and by
# closing a period, if that prices usage late or moves some to the next period. All have
# a `lock_timeout` of 120 s. When it cannot be had, the batch fails; a second run of the
# command continues with what is not corrected yet.
LOCK_CORRECTIONS = "select pg_advisory_xact_lock(hashtext('usage corrections'), %s)"

# Taken by each change of a white label's rates. It waits for the recordings in flight,
# so that the price version of an event is the version whose rates made its cost. When
# it cannot be had, the change of rates fails.
LOCK_PRICE_BOOK = (
    "select pg_advisory_xact_lock(hashtext('price book'), %(white_label)s)"
)

# Taken by each recording, and by corrections before they write. Recordings share it and
# do not wait for each other; no row is written, as a row lock would. When it cannot be
# had because rates are being changed for longer than `lock_timeout`, the recording
# fails and the client sends the batch again.
LOCK_PRICE_BOOK_SHARED = (
    "select pg_advisory_xact_lock_shared(hashtext('price book'), %(white_label)s)"
)

# One roll-up at a time for all white labels: two would delete each other's pending rows
# or add them twice. Also taken by corrections, and while rankings are computed (for new
# organizations, too) and fleet totals are repaired: both need rolled-up and pending
# usage to stay apart. Recordings do not take it. When it cannot be had, the transaction
# fails: the next roll-up, seconds later, does the work; others have to be repeated.
LOCK_ROLL_UP = "select pg_advisory_xact_lock(hashtext('usage roll-up'))"

# One process at a time creates or drops partitions: two would both see that a month is
# missing, or still there. Dropping waits at most 500 ms for it. When it cannot be had,
# the periodic task tries again the next time; partitions exist three months ahead.
LOCK_PARTITIONS = "select pg_advisory_xact_lock(hashtext('usage partitions'))"


def lock_key(white_label_id: int) -> int:
    """Return the ID of a white label as the 32-bit key of a two-argument lock.

    Two white labels whose IDs differ by a multiple of 2^31 would share a lock: they
    would wait for each other, which is slow but not wrong.
    """
    return white_label_id % 2**31
