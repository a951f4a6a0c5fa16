"""An authorization server with Authlib, as its documentation shows one: python server.py PORT SECRET.

Its answers have members that are null and a numeric `sub`; tokens live in memory.
"""

import sys
import time

from authlib.integrations.flask_oauth2 import AuthorizationServer
from authlib.oauth2.rfc6749 import ClientMixin, TokenMixin, grants
from authlib.oauth2.rfc7009 import RevocationEndpoint
from authlib.oauth2.rfc7662 import IntrospectionEndpoint
from flask import Flask

PORT, SECRET = int(sys.argv[1]), sys.argv[2]


class Client(ClientMixin):
    def __init__(self, client_id, secret, number=None):
        self.client_id, self.secret, self.number = client_id, secret, number

    def get_client_id(self):
        return self.client_id

    def get_default_redirect_uri(self):
        return None

    def get_allowed_scope(self, scope):
        return scope or ""

    def check_redirect_uri(self, redirect_uri):
        return False

    def check_client_secret(self, client_secret):
        return client_secret == self.secret

    def check_endpoint_auth_method(self, method, endpoint):
        return method in ("client_secret_basic", "client_secret_post")

    def check_response_type(self, response_type):
        return False

    def check_grant_type(self, grant_type):
        return grant_type == "client_credentials" and self.number is not None


CLIENTS = {
    client.client_id: client
    for client in (
        Client("app", "app-secret", 7),
        Client("brief", "app-secret", 8),
        Client("gateway", SECRET),
    )
}
TOKENS = {}


class Token(TokenMixin):
    def __init__(self, client, token):
        self.client, self.token = client, token
        self.issued, self.revoked = int(time.time()), False

    def check_client(self, client):
        return client.client_id == self.client.client_id

    def get_scope(self):
        return self.token.get("scope")

    def get_expires_in(self):
        return self.token["expires_in"]

    def get_expires_at(self):
        return self.issued + self.get_expires_in()

    def is_expired(self):
        return time.time() >= self.get_expires_at()

    def is_revoked(self):
        return self.revoked

    def get_user(self):
        return None

    def get_client(self):
        return self.client


class ClientCredentials(grants.ClientCredentialsGrant):
    TOKEN_ENDPOINT_AUTH_METHODS = ["client_secret_basic", "client_secret_post"]


class Stored:
    def query_token(self, token_string, token_type_hint):
        if token_type_hint in (None, "access_token"):
            return TOKENS.get(token_string)
        return None


class Introspection(Stored, IntrospectionEndpoint):
    CLIENT_AUTH_METHODS = ["client_secret_basic", "client_secret_post"]

    def check_permission(self, token, client, request):
        return client.client_id == "gateway"

    def introspect_token(self, token):
        return {
            "active": True,
            "client_id": token.client.client_id,
            "token_type": token.token["token_type"],
            "username": None,
            "aud": None,
            "scope": token.get_scope(),
            "sub": token.client.number,
            "iss": f"http://127.0.0.1:{PORT}",
            "exp": token.get_expires_at(),
            "iat": token.issued,
        }


class Revocation(Stored, RevocationEndpoint):
    CLIENT_AUTH_METHODS = ["client_secret_basic", "client_secret_post"]

    def revoke_token(self, token, request):
        token.revoked = True


app = Flask(__name__)
app.config["OAUTH2_TOKEN_EXPIRES_IN"] = {"client_credentials": 600}


def save_token(token, request):
    if request.client.client_id == "brief":
        token["expires_in"] = 5
    TOKENS[token["access_token"]] = Token(request.client, token)


server = AuthorizationServer(app, query_client=CLIENTS.get, save_token=save_token)
server.register_grant(ClientCredentials)
server.register_endpoint(Introspection)
server.register_endpoint(Revocation)


@app.post("/token")
def token():
    return server.create_token_response()


@app.post("/introspect")
def introspect():
    return server.create_endpoint_response(Introspection.ENDPOINT_NAME)


@app.post("/revoke")
def revoke():
    return server.create_endpoint_response(Revocation.ENDPOINT_NAME)


app.run("127.0.0.1", PORT, threaded=True)
