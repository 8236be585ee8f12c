from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models
from django.db.models import CheckConstraint, Q, UniqueConstraint
from django.utils import timezone

from orgs.images import LARGEST_FILE, TYPES
from orgs.models.fields import in_range

_SIDE = (MinValueValidator(1), MaxValueValidator(2_000))


class Logo(models.Model):
    """An image that is or was the logo of a white label, by the hash of its bytes.

    Emails that were sent link to it, so that replaced ones are kept for a while. The
    history is that of `WhiteLabel.logo_sha256`.
    """

    white_label = models.ForeignKey(
        "orgs.WhiteLabel", on_delete=models.CASCADE, related_name="logos"
    )
    sha256 = models.CharField(max_length=64)
    content_type = models.CharField(
        max_length=20, choices=[(name, name) for name in TYPES]
    )
    width = models.PositiveSmallIntegerField(validators=_SIDE)
    height = models.PositiveSmallIntegerField(validators=_SIDE)
    data = models.BinaryField(max_length=LARGEST_FILE)
    created_at = models.DateTimeField(default=timezone.now, editable=False)

    class Meta:
        constraints = [
            *in_range("logo", "created_at"),
            # The hash first: it is what the address of an image has.
            UniqueConstraint(fields=["sha256", "white_label"], name="logo_unique"),
            CheckConstraint(
                condition=Q(sha256__regex="^[0-9a-f]{64}$"), name="logo_sha256"
            ),
            CheckConstraint(
                condition=Q(content_type__in=TYPES), name="logo_content_type"
            ),
        ]

    def __str__(self) -> str:
        return self.sha256
