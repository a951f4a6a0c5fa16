"""The project's settings, reachable by the name that the authorization server has among the containers."""

from settings import *  # noqa: F403

ALLOWED_HOSTS = ["django"]
