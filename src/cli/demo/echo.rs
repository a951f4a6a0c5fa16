//! A service that knows nothing of OAuth: it shows the request that reached it.

use async_trait::async_trait;
use http::{HeaderValue, Response, header};
use pingora_core::apps::http_app::ServeHttp;
use pingora_core::protocols::http::ServerSession;

pub struct Echo;

#[async_trait]
impl ServeHttp for Echo {
    async fn response(&self, session: &mut ServerSession) -> Response<Vec<u8>> {
        let request = session.req_header();
        let mut text =
            format!("{} {}\n", request.method, String::from_utf8_lossy(request.raw_path()));
        for (name, value) in request.case_header_iter() {
            text += &format!(
                "{}: {}\n",
                String::from_utf8_lossy(name.as_slice()),
                String::from_utf8_lossy(value.as_bytes())
            );
        }
        let length = text.len();
        let mut response = Response::new(text.into_bytes());
        response
            .headers_mut()
            .insert(header::CONTENT_TYPE, HeaderValue::from_static("text/plain; charset=utf-8"));
        response.headers_mut().insert(header::CONTENT_LENGTH, HeaderValue::from(length));
        response
    }
}
