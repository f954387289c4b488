"""Keys and tokens of every algorithm, made with another implementation than the gateway's."""

from __future__ import annotations

import hashlib
import hmac
import json
import secrets
from collections.abc import Mapping
from typing import Any

from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed448, ed25519, padding, rsa
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature

from support.gateway import encode_part

ALGORITHMS = [
    "HS256", "HS384", "HS512", "RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA",
]  # fmt: skip
CURVES: dict[str, tuple[str, Any, int]] = {
    "ES256": ("P-256", ec.SECP256R1, 32),
    "ES384": ("P-384", ec.SECP384R1, 48),
    "ES512": ("P-521", ec.SECP521R1, 66),
}
HASHES = {"256": hashes.SHA256, "384": hashes.SHA384, "512": hashes.SHA512}


class Key:
    """A key of an algorithm, which signs."""

    def __init__(self, algorithm: str, kid: str = "", ed: Any = ed25519.Ed25519PrivateKey) -> None:
        self.algorithm = algorithm
        self.kid = kid
        if algorithm.startswith("HS"):
            self.private: Any = secrets.token_bytes(64)
        elif algorithm in CURVES:
            self.private = ec.generate_private_key(CURVES[algorithm][1]())
        elif algorithm == "EdDSA":
            self.private = ed.generate()
        else:
            self.private = rsa.generate_private_key(65537, 2048)

    def raw_sign(self, data: bytes, algorithm: str | None = None) -> bytes:
        """The signature, in the form of RFC 7518."""
        algorithm = algorithm or self.algorithm
        if algorithm == "EdDSA":
            return bytes(self.private.sign(data))
        digest = HASHES[algorithm[2:]]()
        if algorithm.startswith("HS"):
            return hmac.digest(self.private, data, getattr(hashlib, f"sha{algorithm[2:]}"))
        if algorithm in CURVES:
            size = CURVES[algorithm][2]
            r, s = decode_dss_signature(self.private.sign(data, ec.ECDSA(digest)))
            return r.to_bytes(size, "big") + s.to_bytes(size, "big")
        if algorithm.startswith("PS"):
            how: Any = padding.PSS(padding.MGF1(digest), digest.digest_size)
        else:
            how = padding.PKCS1v15()
        return bytes(self.private.sign(data, how, digest))

    def sign(self, claims: Mapping[str, Any], **header: Any) -> str:
        """A token of exactly these claims; header members may be added, replaced, or left out with None."""
        head = {"alg": self.algorithm, "typ": "JWT", **({"kid": self.kid} if self.kid else {}), **header}
        head = {name: value for name, value in head.items() if value is not None}
        text = encode_part(json.dumps(head).encode()) + "." + encode_part(json.dumps(claims).encode())
        return text + "." + encode_part(self.raw_sign(text.encode()))

    def pem(self) -> str:
        """The public key."""
        return str(
            self.private.public_key()
            .public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
            .decode()
        )

    def jwk(self, **more: Any) -> dict[str, Any]:
        """The public key, or the secret, as a JWK."""
        made: dict[str, Any] = {"alg": self.algorithm, **({"kid": self.kid} if self.kid else {}), **more}
        if self.algorithm.startswith("HS"):
            return {"kty": "oct", "k": encode_part(self.private), **made}
        numbers = getattr(self.private.public_key(), "public_numbers", None)
        if self.algorithm in CURVES:
            curve, _, size = CURVES[self.algorithm]
            x, y = (encode_part(value.to_bytes(size, "big")) for value in (numbers().x, numbers().y))
            return {"kty": "EC", "crv": curve, "x": x, "y": y, **made}
        if self.algorithm == "EdDSA":
            crv = "Ed448" if isinstance(self.private, ed448.Ed448PrivateKey) else "Ed25519"
            raw = self.private.public_key().public_bytes(serialization.Encoding.Raw, serialization.PublicFormat.Raw)
            return {"kty": "OKP", "crv": crv, "x": encode_part(raw), **made}
        n, e = numbers().n, numbers().e
        return {"kty": "RSA", "n": encode_part(n.to_bytes(256, "big")), "e": encode_part(e.to_bytes(3, "big")), **made}
