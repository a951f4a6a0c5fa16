//! Targets of [`crate::fuzz`].

use super::plain::Plain;
use super::response::{Read, ResponseBody, read_head};
use bytes::BytesMut;
use http::{Method, header};

/// A request is taken whole or left as it was, and a plain one has one reading.
pub fn plain_request(data: &[u8]) {
    let mut rest = BytesMut::from(data);
    let Some(plain) = Plain::take_unless(&mut rest, |_| false) else {
        assert_eq!(&rest[..], data);
        return;
    };
    assert!(data.ends_with(&rest));
    let taken = &data[..data.len() - rest.len()];
    assert!(taken.ends_with(b"\r\n\r\n"));
    assert_eq!(plain.headers.get_all(header::HOST).iter().count(), 1);
    let framed = [header::CONTENT_LENGTH, header::TRANSFER_ENCODING]
        .map(|name| plain.headers.get_all(name).iter().count());
    assert!(framed[0] + framed[1] <= 1);
    assert!(!plain.headers.contains_key(header::UPGRADE));
}

/// A forwarded head is a part of the input, and none of its lines is split.
pub fn response_head(data: &[u8]) {
    for (method, private) in [(Method::GET, false), (Method::GET, true), (Method::HEAD, true)] {
        let mut written = BytesMut::from("left over");
        let Read::Whole(response) = read_head(data, &method, private, &mut written) else {
            continue;
        };
        assert!(response.head <= data.len());
        assert!(written.starts_with(b"HTTP/1.1 ") && written.ends_with(b"\r\n"));
        let text = String::from_utf8_lossy(&written);
        for line in text.split_terminator("\r\n") {
            assert!(!line.is_empty() && !line.contains(['\r', '\n', '\0']), "{line:?}");
        }
        assert!(method != Method::HEAD || response.body == ResponseBody::Length(0));
    }
}
