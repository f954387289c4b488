"""Certificates for the tests, made anew each time."""

from __future__ import annotations

import datetime
import ipaddress
import ssl
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec


def make_certificate(
    file: Path,
    name: str = "carillon tests",
    issuer: Path | None = None,
    lasts: datetime.timedelta = datetime.timedelta(days=1),
    begins: datetime.timedelta = datetime.timedelta(days=-2),
    purpose: x509.ObjectIdentifier | None = None,
) -> Path:
    """A certificate for 127.0.0.1 and localhost, and its key, in one file.

    issuer         Who vouches for it: a file of this function. None: it does so itself.
    lasts, begins  From now.
    purpose        What it is for. None: anything.
    """
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, name)])
    issuer_name, issuer_key = subject, key
    if issuer is not None:
        pem = issuer.read_bytes()
        loaded = serialization.load_pem_private_key(pem, None)
        assert isinstance(loaded, ec.EllipticCurvePrivateKey)
        issuer_name, issuer_key = x509.load_pem_x509_certificate(pem).subject, loaded
    now = datetime.datetime.now(datetime.timezone.utc)
    names = [x509.IPAddress(ipaddress.ip_address("127.0.0.1")), x509.DNSName("localhost")]
    builder = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer_name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now + begins)
        .not_valid_after(now + lasts)
        .add_extension(x509.SubjectAlternativeName(names), critical=False)
        .add_extension(x509.BasicConstraints(ca=issuer is None, path_length=None), critical=True)
    )
    if purpose is not None:
        builder = builder.add_extension(x509.ExtendedKeyUsage([purpose]), critical=False)
    certificate = builder.sign(issuer_key, hashes.SHA256())
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    beside = file.with_suffix(".new")  # who reads the file meanwhile finds the old one or the new one
    beside.write_bytes(private + certificate.public_bytes(serialization.Encoding.PEM))
    beside.rename(file)
    return file


def trusting(*files: Path) -> ssl.SSLContext:
    """What a client needs that trusts these."""
    context = ssl.create_default_context()
    for file in files:
        context.load_verify_locations(file)
    return context
