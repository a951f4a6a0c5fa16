//! The status page: one page without parts from elsewhere that shows `/api/status`.

pub const PAGE: &str = include_str!("page.html");
