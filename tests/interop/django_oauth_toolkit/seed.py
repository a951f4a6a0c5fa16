#!/usr/bin/env python3
"""Fills a migrated, empty database and prints what is in it: as JSON, or as shell exports with --shell."""

import json
import os
import shlex
import sys
from datetime import timedelta

import django

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "settings")
django.setup()

from django.contrib.auth import get_user_model  # noqa: E402 (models exist only after setup)
from django.utils import timezone  # noqa: E402
from oauth2_provider.models import AccessToken, Application  # noqa: E402

# A secret that HTTP Basic gets right only when it is form-encoded first (RFC 6749 §2.3.1).
GATEWAY_SECRET = "gate:way+100% secret"
APP_SECRET = "app-secret"
HOUR = timedelta(hours=1)

now = timezone.now()
jdoe = get_user_model().objects.create_user("jdoe")


def application(client_id, secret):
    # The model keeps a hash of the secret only, so the clear text is given here.
    return Application.objects.create(
        name=client_id,
        client_id=client_id,
        client_secret=secret,
        client_type=Application.CLIENT_CONFIDENTIAL,
        authorization_grant_type=Application.GRANT_CLIENT_CREDENTIALS,
    )


def token(text, app, scope, user=None, expires=HOUR):
    return AccessToken.objects.create(
        token=text, application=app, scope=scope, user=user, expires=now + expires
    ).token


gateway = application("gateway", GATEWAY_SECRET)
app = application("app", APP_SECRET)
application("brief", APP_SECRET)

seeded = {
    # the gateway's two ways to authenticate
    "introspection_token": token("gateway-introspection", gateway, "introspection"),
    "gateway_client_id": gateway.client_id,
    "gateway_client_secret": GATEWAY_SECRET,
    # the application that jdoe uses; it may revoke its tokens
    "app_client_id": app.client_id,
    "app_client_secret": APP_SECRET,
    # what clients present
    "active_token": token("jdoe-active", app, "read write", jdoe),
    "narrow_token": token("jdoe-narrow", app, "write", jdoe),
    "expired_token": token("jdoe-expired", app, "read write", jdoe, -HOUR),
    "revocable_token": token("jdoe-revocable", app, "read write", jdoe),
    "late_token": token("jdoe-late", app, "read write", jdoe),
}

if sys.argv[1:] == ["--shell"]:
    for name, value in seeded.items():
        print(f"export {name.upper()}={shlex.quote(value)}")
else:
    print(json.dumps(seeded, indent=2))
