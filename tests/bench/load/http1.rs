//! As much of HTTP/1.1 as one keep-alive connection to our own server needs.

use anyhow::Context as _;

use super::{Answer, Pending, Question};

/// A request as it goes over the wire.
pub fn encode(question: &Question) -> Vec<u8> {
    let Question { path, body, .. } = question;
    let length = body.len();
    let head = format!(
        "POST {path} HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\ncontent-length: {length}\r\n\r\n"
    );
    [head.as_bytes(), body].concat()
}

/// One connection.
#[derive(Default)]
pub struct Http1 {
    pending: Option<Pending>,
    /// The start of an answer whose end has not come.
    rest: Vec<u8>,
}

impl Http1 {
    pub fn has_room(&self) -> bool {
        self.pending.is_none()
    }

    pub fn submit(&mut self, pending: Pending, request: &[u8], out: &mut Vec<u8>) {
        self.pending = Some(pending);
        out.extend_from_slice(request);
    }

    pub fn receive(&mut self, bytes: &[u8], done: &mut dyn FnMut(Pending, &Answer)) -> anyhow::Result<()> {
        let mut whole = std::mem::take(&mut self.rest);
        let bytes = if whole.is_empty() {
            bytes
        } else {
            whole.extend_from_slice(bytes);
            &whole
        };
        let Some((head, after)) = split_head(bytes) else {
            self.rest = bytes.to_vec();
            return Ok(());
        };
        let length = content_length(head).context("an answer without a Content-Length")?;
        let Some(body) = after.get(..length) else {
            self.rest = bytes.to_vec();
            return Ok(());
        };
        anyhow::ensure!(after.len() == length, "more than one answer to one request");
        let pending = self.pending.take().context("an answer that nobody asked for")?;
        done(pending, &Answer { is_ok: head.starts_with(b"HTTP/1.1 200 "), body });
        Ok(())
    }
}

fn split_head(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let end = bytes.windows(4).position(|four| four == b"\r\n\r\n")? + 4;
    bytes.split_at_checked(end)
}

fn content_length(head: &[u8]) -> Option<usize> {
    const NAME: &[u8] = b"content-length:";
    let line = head
        .split(|byte| *byte == b'\n')
        .find(|line| line.get(..NAME.len()).is_some_and(|name| name.eq_ignore_ascii_case(NAME)))?;
    std::str::from_utf8(line.get(NAME.len()..)?).ok()?.trim().parse().ok()
}
