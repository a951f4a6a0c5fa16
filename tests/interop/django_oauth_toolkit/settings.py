"""A Django project that is nothing but an authorization server, set up as its own documentation says."""

import os

SECRET_KEY = "for loopback and tests only"
DEBUG = False
ALLOWED_HOSTS = ["127.0.0.1", "localhost"]
USE_TZ = True

INSTALLED_APPS = [
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "oauth2_provider",
]

# Those of a new Django project that concern an API. CommonMiddleware answers a missing final slash with 301.
MIDDLEWARE = [
    "django.middleware.security.SecurityMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
]

ROOT_URLCONF = "urls"
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

DATABASES = {
    "default": {
        "ENGINE": "django.db.backends.sqlite3",
        "NAME": os.environ["DOT_DATABASE"],
        # Requests run side by side: wait for the other's write instead of failing at once.
        "OPTIONS": {"timeout": 20},
    }
}

# PASSWORD_HASHERS stays Django's own: checking a client's secret is meant to cost what it costs in production.

OAUTH2_PROVIDER = {
    "SCOPES": {
        "read": "Read items",
        "write": "Change items",
        "introspection": "Ask what a token is good for",
    },
    "DEFAULT_SCOPES": ["read"],
    # seconds; oauthlib calls what can be called
    "ACCESS_TOKEN_EXPIRE_SECONDS": lambda request: 5 if request.client.client_id == "brief" else 3600,
}
