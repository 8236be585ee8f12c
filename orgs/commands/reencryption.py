"""What `rotate_secrets` counts, whatever kind of secret it re-encrypts."""

from dataclasses import dataclass, field


@dataclass
class ReencryptedBatch:
    """The outcome of a batch of secrets; the next batch begins after `last_id`."""

    last_id: int
    reencrypted: int = 0
    current: int = 0
    unreadable: list[str] = field(default_factory=list)
