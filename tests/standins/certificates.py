# SPDX-License-Identifier: Apache-2.0
"""A certificate authority for one run, and certificates good and bad, made by the openssl command."""

import os
import ssl
import subprocess

NAMES = "subjectAltName=DNS:localhost,IP:127.0.0.1,IP:::1"


def make(directory):
    """Makes ca.pem and, for each kind of certificate, an SSL context: {"good": …, "expired": …, "wrong_name": …, "self_signed": …}."""
    def openssl(*arguments):
        subprocess.run(["openssl", *arguments], check=True, capture_output=True, cwd=directory)

    new_key = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"]
    openssl("req", "-x509", *new_key, "-keyout", "ca.key", "-out", "ca.pem", "-days", "2", "-subj", "/CN=pointsman test CA")
    os.makedirs(os.path.join(directory, "issued"))
    with open(os.path.join(directory, "index.txt"), "w", encoding="ascii"), \
         open(os.path.join(directory, "ca.conf"), "w", encoding="ascii") as f:
        f.write("[ca]\ndefault_ca=d\n[d]\ndatabase=index.txt\nnew_certs_dir=issued\nrand_serial=yes\ndefault_md=sha256\npolicy=p\n"
                "unique_subject=no\ncopy_extensions=copy\ndefault_days=2\n[p]\ncommonName=supplied\n")

    def issue(kind, names, *validity):
        openssl("req", *new_key, "-keyout", kind + ".key", "-out", kind + ".csr", "-subj", "/CN=" + kind, "-addext", names)
        openssl("ca", "-batch", "-notext", "-config", "ca.conf", "-cert", "ca.pem", "-keyfile", "ca.key", "-in", kind + ".csr",
                "-out", kind + ".pem", *validity)

    issue("good", NAMES)
    issue("expired", NAMES, "-startdate", "20200101000000Z", "-enddate", "20210101000000Z")
    issue("wrong_name", "subjectAltName=DNS:elsewhere.example")
    openssl("req", "-x509", *new_key, "-keyout", "self_signed.key", "-out", "self_signed.pem", "-days", "2", "-subj",
            "/CN=localhost", "-addext", NAMES)

    contexts = {}
    for kind in ("good", "expired", "wrong_name", "self_signed"):
        contexts[kind] = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        contexts[kind].load_cert_chain(os.path.join(directory, kind + ".pem"), os.path.join(directory, kind + ".key"))
    return contexts
