"""A site that is reached by TLS: its answers pass through as any, and its name is held against its certificate."""

import datetime as dt
import ipaddress
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from tests.conftest import CHECKOUT
from tests.integration.test_proxy import GUNICORN, MEGABYTE, PROXY, SITE
from tests.processes import server
from tests.site.passing import UPSTREAM
from tests.wire import ask, request

DAY: Final = dt.timedelta(days=1)


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A certificate of 127.0.0.1 that signs itself, and its key, in one file."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "the site")])
    now = dt.datetime.now(dt.UTC)
    addresses = x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))])
    signed = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number(), now - DAY, now + DAY)
        .add_extension(addresses, critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    path = tmp_path_factory.mktemp("tls") / "site.pem"
    as_pem = (serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    path.write_bytes(key.private_bytes(*as_pem) + signed.public_bytes(serialization.Encoding.PEM))
    return path


@pytest.fixture(scope="module")
def database(migrated_sqlite: Path) -> str:
    return f"sqlite:///{migrated_sqlite}"


@pytest.fixture(scope="module")
def site(database: str, certificate: Path) -> Iterator[str]:
    with server(database, *GUNICORN, "--certfile", str(certificate), "--keyfile", str(certificate), **SITE) as address:
        yield address


@contextmanager
def bridge(site: str, **environment: str) -> Iterator[str]:
    """The bridge before it, in a process that has yet to read whom it trusts."""
    told = {**os.environ, UPSTREAM: site, **environment}
    command = [sys.executable, "-m", *PROXY]
    with subprocess.Popen(command, env=told, cwd=CHECKOUT, stderr=subprocess.PIPE, text=True) as process:
        assert process.stderr is not None
        try:
            started = (re.search(r"running on (http://127\.0\.0\.1:\d+)", line) for line in process.stderr)
            yield next(found[1] for found in started if found)
        finally:
            process.terminate()


@pytest.fixture(scope="module")
def through(site: str, certificate: Path) -> Iterator[str]:
    with bridge(site, SSL_CERT_FILE=str(certificate)) as address:
        yield address


def test_a_page_passes_through(through: str):
    answer = ask(through, request("/"))

    assert (answer.status, answer.is_whole) == (200, True)


def test_an_upload_passes_through(through: str):
    body = bytes(MEGABYTE)

    answer = ask(through, request("/take/", f"Content-Length: {len(body)}", method="POST", body=body))

    assert (answer.status, answer.is_whole) == (200, True)


def test_a_certificate_that_nobody_vouches_for_is_a_502(site: str):
    with bridge(site) as address:
        assert ask(address, request("/")).status == 502
