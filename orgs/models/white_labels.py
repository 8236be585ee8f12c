from collections.abc import Collection
from zoneinfo import ZoneInfo

from django.core.exceptions import ValidationError
from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models
from django.db.models import CheckConstraint, F, Q
from django.utils import timezone

from orgs.catalog import (
    CURRENCY_DIGITS,
    MONEY_DIGITS,
    MONEY_PLACES,
    currency_code,
    time_zones,
)
from orgs.colors import ENOUGH_CONTRAST, HEX, accent_contrasts
from orgs.models.fields import in_range, not_empty, validate_text, with_history

_LIMITS_IN_ORDER = "The soft limit must not exceed the hard limit."


def validate_time_zone(name: str) -> None:
    if name not in time_zones():
        raise ValidationError(
            f"{name!r} is not a time zone. Write UTC or a name such as Europe/Zurich.",
            code="invalid_timezone",
        )


def validate_currency(code: str) -> None:
    if code not in CURRENCY_DIGITS:
        raise ValidationError(
            f"{code!r} is not a currency of Stripe. Write a code such as usd.",
            code="invalid_currency",
        )


def validate_accent_color(color: str) -> None:
    """Refuse a color that white text cannot be read on, by light and dark."""
    if not HEX.fullmatch(color):
        raise ValidationError(
            "Enter a color as # and six hexadecimal digits, such as #3a49d6.",
        )
    low = {k: v for k, v in accent_contrasts(color).items() if v < ENOUGH_CONTRAST}
    if low:
        # Rounded down: 4.49 must not be shown as the 4.5 that is needed.
        figures = " and ".join(f"{int(v * 10) / 10}:1 in {k}" for k, v in low.items())
        raise ValidationError(
            f"Text on {color} has a contrast of {figures} mode. It needs"
            f" {ENOUGH_CONTRAST}:1: choose a darker color.",
        )


@with_history()
class WhiteLabel(models.Model):
    """A group of organizations with a time zone, a currency and a GPU weight.

    `time_zone` cannot be changed: the days of recorded usage depend on it.
    """

    slug = models.SlugField(max_length=63, unique=True)
    name = models.CharField(max_length=200)
    # Null only inside `create_white_label`: owner and white label need each other.
    owner = models.ForeignKey(
        "orgs.Organization",
        on_delete=models.PROTECT,
        null=True,
        blank=True,
        related_name="owned_white_labels",
    )
    time_zone = models.CharField(
        max_length=64, default="UTC", validators=[validate_time_zone]
    )
    gpu_weight = models.PositiveSmallIntegerField(
        default=3,
        validators=[MinValueValidator(1), MaxValueValidator(1000)],
        help_text="CPU seconds that one GPU second counts as in daily metrics.",
    )
    currency = models.CharField(
        max_length=3, default="usd", validators=[validate_currency]
    )
    default_rate_limit = models.PositiveIntegerField(
        default=200,
        help_text="API requests per minute, for organizations without their own limit.",
    )
    bills_usage_monthly = models.BooleanField(
        default=True,
        db_default=True,
        help_text="Bill usage each month beside a plan whose cycle is longer.",
    )
    default_soft_limit = models.DecimalField(
        max_digits=MONEY_DIGITS,
        decimal_places=MONEY_PLACES,
        null=True,
        blank=True,
        help_text="Soft spending limit that a new organization gets.",
    )
    default_hard_limit = models.DecimalField(
        max_digits=MONEY_DIGITS,
        decimal_places=MONEY_PLACES,
        null=True,
        blank=True,
        help_text="Hard spending limit that a new organization gets.",
    )
    logo_sha256 = models.CharField(max_length=64, blank=True, default="", db_default="")
    accent_color = models.CharField(
        max_length=7,
        blank=True,
        default="",
        db_default="",
        validators=[validate_accent_color],
        help_text="Of buttons and headers in emails to customers and on their page.",
    )
    sender_name = models.CharField(
        max_length=100,
        blank=True,
        default="",
        db_default="",
        validators=[validate_text],
        help_text="Shown as the sender of emails to customers.",
    )
    reply_to = models.EmailField(
        blank=True,
        default="",
        db_default="",
        help_text="Where answers to emails to customers go.",
    )
    created_at = models.DateTimeField(default=timezone.now, editable=False)

    class Meta:
        constraints = [
            *in_range("white_label", "created_at"),
            *not_empty("white_label", "slug", "name", "time_zone"),
            CheckConstraint(
                condition=Q(gpu_weight__range=(1, 1000)),
                name="white_label_gpu_weight_range",
            ),
            CheckConstraint(
                condition=Q(currency__regex="^[a-z]{3}$"), name="white_label_currency"
            ),
            CheckConstraint(
                condition=Q(default_rate_limit__gte=1), name="white_label_rate_limit"
            ),
            CheckConstraint(
                condition=Q(default_soft_limit__gt=0) & Q(default_hard_limit__gt=0),
                name="white_label_default_limits",
                violation_error_message="Limits are above 0.",
            ),
            CheckConstraint(
                condition=Q(default_soft_limit__lte=F("default_hard_limit")),
                name="white_label_default_limits_in_order",
                violation_error_message=_LIMITS_IN_ORDER,
            ),
            CheckConstraint(
                condition=Q(logo_sha256__regex="^([0-9a-f]{64})?$"),
                name="white_label_logo_sha256",
            ),
            CheckConstraint(
                condition=Q(accent_color__regex="^(#[0-9a-f]{6})?$"),
                name="white_label_accent_color",
            ),
        ]

    def __str__(self) -> str:
        return self.name

    def clean_fields(self, exclude: Collection[str] | None = None) -> None:
        """Validate each field; a currency may be written in capitals."""
        self.currency = currency_code(self.currency)
        super().clean_fields(exclude=exclude)

    @property
    def zone(self) -> ZoneInfo:
        return ZoneInfo(self.time_zone)
