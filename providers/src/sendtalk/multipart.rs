//! `multipart/form-data` (RFC 7578) that is the same bytes for the same message, always.
//!
//! SendTalk compares bodies under one `Idempotency-Key`, so a boundary drawn at random would turn a repetition into
//! "another body". Ours is the digest of the content, which therefore cannot occur in it but by design.

use ring::digest;

/// A body and its content type.
pub(super) struct Multipart {
    pub(super) content_type: String,
    pub(super) body: Vec<u8>,
}

/// One part.
pub(super) struct Part<'a> {
    pub(super) name: &'static str,
    /// Empty: a field, not a file.
    pub(super) file_name: String,
    pub(super) content_type: &'static str,
    pub(super) data: &'a [u8],
}

impl Multipart {
    /// Puts parts together, in their order.
    pub(super) fn new(parts: &[Part<'_>]) -> Self {
        let mut context = digest::Context::new(&digest::SHA256);
        for part in parts {
            context.update(part.data);
        }
        let boundary = format!("switchboard-{}", hex::encode(&context.finish().as_ref()[..16]));
        let mut body = Vec::with_capacity(parts.iter().map(|part| part.data.len() + 256).sum());
        for Part { name, file_name, content_type, data } in parts {
            let file_name = if file_name.is_empty() { String::new() } else { format!("; filename=\"{file_name}\"") };
            let head = format!(
                "--{boundary}\r\nContent-Disposition: form-data; name=\"{name}\"{file_name}\r\n\
                 Content-Type: {content_type}\r\n\r\n"
            );
            body.extend_from_slice(head.as_bytes());
            body.extend_from_slice(data);
            body.extend_from_slice(b"\r\n");
        }
        body.extend_from_slice(format!("--{boundary}--\r\n").as_bytes());
        Self { content_type: format!("multipart/form-data; boundary={boundary}"), body }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn multipart(data: &[u8]) -> Multipart {
        Multipart::new(&[Part { name: "payload", file_name: String::new(), content_type: "application/json", data }])
    }

    #[test]
    fn the_same_parts_are_the_same_bytes() {
        assert_eq!(multipart(b"{}").body, multipart(b"{}").body);
        assert_ne!(multipart(b"{}").content_type, multipart(b"[]").content_type);
    }

    #[test]
    fn a_part_is_framed_by_the_boundary_of_the_content_type() {
        let Multipart { content_type, body } = multipart(b"{}");
        let boundary = content_type.strip_prefix("multipart/form-data; boundary=").unwrap();
        let expected = format!(
            "--{boundary}\r\nContent-Disposition: form-data; name=\"payload\"\r\n\
             Content-Type: application/json\r\n\r\n{{}}\r\n--{boundary}--\r\n"
        );
        assert_eq!(String::from_utf8(body).unwrap(), expected);
    }
}
