"""What emails to customers and their page show of a white label."""

from dataclasses import dataclass

from django.conf import settings
from django.urls import reverse

from orgs.models import Logo, WhiteLabel


@dataclass(frozen=True, slots=True)
class Branding:
    """Name, and if they are set the URLs of logo and style sheet, and the color.

    `logo_url` is absolute, for emails; `logo_path` and `style_path` are for pages.
    """

    name: str
    logo_path: str = ""
    accent: str = ""

    @property
    def logo_url(self) -> str:
        return f"{settings.SITE_URL}{self.logo_path}" if self.logo_path else ""

    @property
    def style_path(self) -> str:
        if not self.accent:
            return ""
        return reverse("orgs:accent_style", args=[self.accent.removeprefix("#")])


def branding_of(white_label: WhiteLabel) -> Branding:
    """Return the branding of a white label; reads nothing."""
    digest = white_label.logo_sha256
    return Branding(
        white_label.name,
        reverse("orgs:logo", args=[digest]) if digest else "",
        white_label.accent_color,
    )


def find_logo(sha256: str) -> Logo | None:
    """Return the image with this hash, of whichever white label."""
    return Logo.objects.filter(sha256=sha256).first()
