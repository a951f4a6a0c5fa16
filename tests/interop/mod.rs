//! Against the real thing: authorization servers and services that other people wrote, as a user would run them.
//!
//! These tests need Python and, once, PyPI. Without them they are skipped, and say so on standard error, whatever the
//! test runner hides. With `INTEROP=required` in the environment a missing part is a failure.

mod django;
mod django_oauth_toolkit;
mod legacy_service;
mod python;
