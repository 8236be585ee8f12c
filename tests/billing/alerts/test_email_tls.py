"""`EMAIL_URL`: TLS, a login, and only hosts with a valid certificate."""

import ssl
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import time_machine
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from django.core.exceptions import ImproperlyConfigured
from pytest_django import Settings

from billing.models import AlertEmail
from config.mail import email_settings
from orgs.models import WhiteLabel
from tests.support.emails import exceed, make_customer, send_emails, state_of, wait
from tests.support.smtp_sink import SmtpSink, smtp_sink, smtp_sink_server

__all__ = ["smtp_sink", "smtp_sink_server"]
pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("frozen")]
LOGIN = ("ann@example.com", "s:e/c@ret")
SCHEMES = ["smtp+tls", "smtps", "smtp+ssl"]


def certificate(folder: Path, name: str) -> Path:
    """Write a self-signed certificate for a host, with its key, to one file."""
    key = ec.generate_private_key(ec.SECP256R1())
    who = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, name)])
    made = (
        x509.CertificateBuilder(who, who, key.public_key(), x509.random_serial_number())
        .not_valid_before(datetime.now(UTC) - timedelta(days=9_000))
        .not_valid_after(datetime.now(UTC) + timedelta(days=9_000))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(name)]), False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), True)
        .sign(key, hashes.SHA256())
    )
    pem = serialization.Encoding.PEM
    private = key.private_bytes(
        pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    path = folder / f"{name}.pem"
    path.write_bytes(made.public_bytes(pem) + private)
    return path


@dataclass
class Host:
    """The mail sink behind a certificate that the test trusts."""

    sink: SmtpSink
    settings: Settings
    folder: Path
    patch: pytest.MonkeyPatch

    def show(self, name: str) -> None:
        pem = certificate(self.folder, name)
        self.sink.tls = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        self.sink.tls.load_cert_chain(pem)
        self.sink.login = LOGIN
        self.patch.setenv("SSL_CERT_FILE", str(pem))

    def is_at(self, scheme: str, password: str = "s%3Ae%2Fc%40ret") -> None:
        url = f"{scheme}://ann%40example.com:{password}@localhost:{self.sink.port}"
        self.sink.is_tls = scheme in ("smtps", "smtp+ssl")
        self.settings.EMAIL_USE_TLS = self.settings.EMAIL_USE_SSL = False
        for name, value in email_settings(url).items():
            setattr(self.settings, name, value)


@pytest.fixture
def host(
    smtp_sink: SmtpSink,
    settings: Settings,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> Host:
    made = Host(smtp_sink, settings, tmp_path, monkeypatch)
    made.show("localhost")
    return made


@pytest.fixture
def alert_email(acme: WhiteLabel) -> AlertEmail:
    return exceed(make_customer(acme))


@pytest.mark.parametrize("scheme", SCHEMES)
def test_emails_are_sent_over_tls_with_a_login(
    scheme: str, alert_email: AlertEmail, host: Host
) -> None:
    host.is_at(scheme)
    send_emails()

    [email] = host.sink.alert_emails
    assert (email.id, email.is_encrypted) == (alert_email.message_id, True)
    assert host.sink.login_names == ["ann@example.com"]
    assert state_of(alert_email) == ("done", 1, "sent")


@pytest.mark.parametrize("scheme", SCHEMES)
def test_a_certificate_of_another_host_is_refused(
    scheme: str, alert_email: AlertEmail, host: Host, frozen: time_machine.Traveller
) -> None:
    host.show("mail.elsewhere.example")
    host.is_at(scheme)
    send_emails()

    assert (host.sink.alert_emails, host.sink.login_names) == ([], [])
    assert state_of(alert_email) == ("pending", 1, "sending")
    assert "certificate verify failed: Hostname mismatch" in alert_email.error

    host.show("localhost")
    wait(frozen, 3)
    assert host.sink.ids() == [alert_email.message_id]


def test_an_untrusted_certificate_is_refused(
    alert_email: AlertEmail, host: Host
) -> None:
    host.patch.delenv("SSL_CERT_FILE")
    host.is_at("smtps")
    send_emails()

    assert (host.sink.alert_emails, host.sink.login_names) == ([], [])
    state_of(alert_email)
    assert "self-signed certificate" in alert_email.error


def test_a_wrong_password_is_reported_but_not_shown(
    alert_email: AlertEmail, host: Host, frozen: time_machine.Traveller
) -> None:
    host.is_at("smtp+tls", "outdated")
    send_emails()

    assert host.sink.alert_emails == []
    assert state_of(alert_email) == ("pending", 1, "sending")
    assert alert_email.error == "ann@example.com: who are you?"
    assert alert_email.error_code == "535"

    host.is_at("smtp+tls")
    wait(frozen, 3)
    assert host.sink.ids() == [alert_email.message_id]


def test_an_unknown_scheme_is_refused_without_its_password() -> None:
    with pytest.raises(ImproperlyConfigured) as refused:
        email_settings("smpt://ann:secret@localhost")
    assert "secret" not in str(refused.value)
