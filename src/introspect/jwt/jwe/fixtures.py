"""Keys and encrypted tokens made by another implementation, joserfc (1.6.5), run once:

    python3 src/introspect/jwt/jwe/fixtures.py > src/introspect/jwt/jwe/fixtures.json

The key pairs are for tests and good for nothing else."""

import json

from cryptography.hazmat.primitives import serialization as to
from cryptography.hazmat.primitives.asymmetric import ec, rsa, x25519
from joserfc import jwe, jwk, jwt

CONTENTS = ["A128GCM", "A192GCM", "A256GCM", "A128CBC-HS256", "A192CBC-HS384", "A256CBC-HS512"]
AGREEMENTS = ["ECDH-ES", "ECDH-ES+A128KW", "ECDH-ES+A256KW"]

pairs = {
    "rsa": rsa.generate_private_key(public_exponent=65537, key_size=2048),
    "p256": ec.generate_private_key(ec.SECP256R1()),
    "p384": ec.generate_private_key(ec.SECP384R1()),
    "x25519": x25519.X25519PrivateKey.generate(),
}


def pem(pair, form):
    return pair.private_bytes(to.Encoding.PEM, form, to.NoEncryption()).decode()


keys, files = {}, {}
for name, pair in pairs.items():
    files[name] = {"pkcs8": pem(pair, to.PrivateFormat.PKCS8)}
    if name != "x25519":  # PKCS#1, SEC 1
        files[name]["traditional"] = pem(pair, to.PrivateFormat.TraditionalOpenSSL)
    kind = {"rsa": jwk.RSAKey, "x25519": jwk.OKPKey}.get(name, jwk.ECKey)
    keys[name] = kind.import_key(files[name]["pkcs8"], {"kid": name, "use": "enc"})

signer = jwk.ECKey.generate_key("P-256", {"kid": "signer", "use": "sig"})
# until the year 2100
claims = {"iss": "https://as.test", "aud": "api", "sub": "alice", "scope": "read", "exp": 4102444800}
signed = jwt.encode({"alg": "ES256", "kid": "signer", "typ": "at+jwt"}, claims, signer)

tokens = []
for name, key in keys.items():
    for alg in ["RSA-OAEP-256"] if name == "rsa" else AGREEMENTS:
        for enc in CONTENTS:
            header = {"alg": alg, "enc": enc, "kid": name, "cty": "JWT"}
            if enc == "A192GCM" and name != "rsa":
                header |= {"apu": "QWxpY2U", "apv": "Qm9i"}
            registry = jwe.JWERegistry(algorithms=[alg, enc])
            token = jwe.encrypt_compact(header, signed.encode(), key, registry=registry)
            tokens.append({"key": name, "alg": alg, "enc": enc, "token": token})

print(json.dumps({
    "signed": signed,
    "signer": signer.as_dict(private=False),
    "jwks": {name: key.as_dict(private=True) for name, key in keys.items()},
    "files": files,
    "tokens": tokens,
}, indent=1))
