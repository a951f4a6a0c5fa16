"""DPoP proofs (RFC 9449 §4.2) by a P-256 key, signed by openssl: nothing needs to be installed for them."""

import base64
import hashlib
import json
import os
import subprocess
import time


def encoded(data):
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def compact(members):
    return json.dumps(members, separators=(",", ":")).encode()


def integer(der, at):
    """The number (ASN.1 INTEGER) at this place as 32 bytes, and the place behind it."""
    length = der[at + 1]
    return der[at + 2 : at + 2 + length].lstrip(b"\0").rjust(32, b"\0"), at + 2 + length


class Key:
    def __init__(self, file):
        self.file = file
        self.openssl("ecparam", "-name", "prime256v1", "-genkey", "-noout", "-out", str(file))
        point = self.openssl("ec", "-in", str(file), "-pubout", "-outform", "DER")[-64:]
        self.jwk = {"crv": "P-256", "kty": "EC", "x": encoded(point[:32]), "y": encoded(point[32:])}

    def thumbprint(self):
        return encoded(hashlib.sha256(compact(self.jwk)).digest())  # RFC 7638: the members are in order

    def proof(self, method, url, token):
        header = {"typ": "dpop+jwt", "alg": "ES256", "jwk": self.jwk}
        hashed = encoded(hashlib.sha256(token.encode()).digest())
        claims = {"jti": os.urandom(16).hex(), "htm": method, "htu": url, "iat": int(time.time()), "ath": hashed}
        text = f"{encoded(compact(header))}.{encoded(compact(claims))}"
        der = self.openssl("dgst", "-sha256", "-sign", str(self.file), feed=text.encode())
        r, behind = integer(der, 2)
        s, _ = integer(der, behind)
        return f"{text}.{encoded(r + s)}"

    @staticmethod
    def openssl(*arguments, feed=None):
        return subprocess.run(["openssl", *arguments], input=feed, check=True, capture_output=True).stdout
