//! Frames: how the two ends of a worker's socket cut their bytes into messages.
//!
//! A frame is the length of its head and of its body, four bytes each, little-endian; then the head, which is JSON, and
//! the body, which is raw text or bytes. Nothing is allocated on the word of a length alone: a buffer grows by what came.

use std::io::{self, Read};

use bytes::{Buf as _, Bytes, BytesMut};
use serde::Serialize;
use serde::de::DeserializeOwned;
use tokio::io::{AsyncRead, AsyncReadExt as _};

/// Bytes before the head.
const LENGTHS: usize = 8;

/// What is asked of the socket at once; also what an idle buffer may keep.
const CHUNK: usize = 64 << 10;

/// The longest frame that one end takes from the other.
#[derive(Debug, Clone, Copy)]
pub struct Bounds {
    pub head: usize,
    pub body: usize,
}

/// What a worker takes. Its supervisor is trusted, so these only have to be large enough: an object and a script may
/// be 8 MiB, and the answer of a `list` 32 MiB.
pub const TO_WORKER: Bounds = Bounds { head: 16 << 20, body: 48 << 20 };

/// What a supervisor takes. A mutated object crosses twice, before and after: 16 MiB of text that is mostly ASCII. A
/// head holds what a policy recorded, at most 1 Mi characters.
pub const FROM_WORKER: Bounds = Bounds { head: 4 << 20, body: 32 << 20 };

/// Why bytes are no frames.
#[derive(Debug, thiserror::Error)]
pub enum FrameError {
    #[error("a frame of {head} and {body} bytes is longer than any may be")]
    TooLong { head: usize, body: usize },
    #[error("a frame broke off")]
    Cut,
    #[error("a frame cannot be read: {0}")]
    Unreadable(#[from] serde_json::Error),
    #[error("the socket failed: {0}")]
    Socket(#[from] io::Error),
}

/// One message, its head not read yet.
#[derive(Debug)]
pub struct Frame {
    head: Bytes,
    pub body: Bytes,
}

impl Frame {
    /// What the head says.
    ///
    /// # Errors
    /// Where it says something else.
    pub fn head<T: DeserializeOwned>(&self) -> Result<T, FrameError> {
        Ok(serde_json::from_slice(&self.head)?)
    }
}

/// The bytes of one frame, its body in parts.
///
/// # Errors
/// Where it is longer than the other end would take.
pub fn encode(bounds: Bounds, head: &impl Serialize, body: &[&[u8]]) -> Result<Vec<u8>, FrameError> {
    let head = serde_json::to_vec(head)?;
    let length = body.iter().map(|part| part.len()).sum::<usize>();
    let too_long = || FrameError::TooLong { head: head.len(), body: length };
    if head.len() > bounds.head || length > bounds.body {
        return Err(too_long());
    }
    let mut frame = Vec::with_capacity(LENGTHS + head.len() + length);
    for length in [head.len(), length] {
        frame.extend(u32::try_from(length).map_err(|_| too_long())?.to_le_bytes());
    }
    frame.extend(&head);
    for part in body {
        frame.extend(*part);
    }
    Ok(frame)
}

/// Takes the first frame off a buffer; `None` while it is not whole.
///
/// # Errors
/// Where its lengths are out of bounds, which is known before it is whole.
pub fn take(buffer: &mut BytesMut, bounds: Bounds) -> Result<Option<Frame>, FrameError> {
    let Some((head, rest)) = buffer.split_first_chunk::<4>() else { return Ok(None) };
    let Some((body, rest)) = rest.split_first_chunk::<4>() else { return Ok(None) };
    let length = |bytes: &[u8; 4]| usize::try_from(u32::from_le_bytes(*bytes)).unwrap_or(usize::MAX);
    let (head, body) = (length(head), length(body));
    if head > bounds.head || body > bounds.body {
        return Err(FrameError::TooLong { head, body });
    }
    if rest.len() < head + body {
        return Ok(None);
    }
    buffer.advance(LENGTHS);
    let head = buffer.split_to(head).freeze();
    let body = buffer.split_to(body).freeze();
    if buffer.is_empty() && buffer.capacity() > CHUNK {
        // Nothing large is kept for the sake of one large frame.
        *buffer = BytesMut::new();
    }
    Ok(Some(Frame { head, body }))
}

/// The receiving end of a socket.
pub struct Incoming<R> {
    source: R,
    bounds: Bounds,
    buffer: BytesMut,
}

impl<R> Incoming<R> {
    pub fn new(source: R, bounds: Bounds) -> Self {
        Self { source, bounds, buffer: BytesMut::new() }
    }

    /// What the end of the stream means: nothing, unless it came in the middle of a frame.
    fn ended(&self) -> Result<Option<Frame>, FrameError> {
        if self.buffer.is_empty() { Ok(None) } else { Err(FrameError::Cut) }
    }
}

impl<R: AsyncRead + Unpin> Incoming<R> {
    /// The next frame; `None` at the end of the stream. What has been read so far is kept when this is dropped.
    ///
    /// # Errors
    /// Where the stream fails, or holds no frames.
    pub async fn next(&mut self) -> Result<Option<Frame>, FrameError> {
        loop {
            if let Some(frame) = take(&mut self.buffer, self.bounds)? {
                return Ok(Some(frame));
            }
            self.buffer.reserve(CHUNK);
            if self.source.read_buf(&mut self.buffer).await? == 0 {
                return self.ended();
            }
        }
    }
}

impl<R: Read> Incoming<R> {
    /// The same for a thread that may block.
    ///
    /// # Errors
    /// Where the stream fails, or holds no frames.
    pub fn wait(&mut self) -> Result<Option<Frame>, FrameError> {
        let mut chunk = vec![0; CHUNK];
        loop {
            if let Some(frame) = take(&mut self.buffer, self.bounds)? {
                return Ok(Some(frame));
            }
            match self.source.read(&mut chunk) {
                Ok(0) => return self.ended(),
                Ok(length) => self.buffer.extend_from_slice(chunk.get(..length).unwrap_or_default()),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error.into()),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SMALL: Bounds = Bounds { head: 16, body: 32 };

    fn frame(head: &str, body: &str) -> Vec<u8> {
        encode(SMALL, &head, &[body.as_bytes()]).unwrap()
    }

    #[test]
    fn frames_come_out_as_they_went_in_however_the_bytes_are_cut() {
        let sent = [frame("a", ""), frame("b", "body"), frame("", &"x".repeat(32))].concat();
        for step in 1..sent.len() {
            let mut buffer = BytesMut::new();
            let mut received = Vec::new();
            for chunk in sent.chunks(step) {
                buffer.extend_from_slice(chunk);
                while let Some(frame) = take(&mut buffer, SMALL).unwrap() {
                    received.push((frame.head::<String>().unwrap(), frame.body.len()));
                }
            }
            assert_eq!(received, [("a".to_owned(), 0), ("b".to_owned(), 4), (String::new(), 32)], "{step}");
            assert!(buffer.is_empty());
        }
    }

    #[test]
    fn a_frame_that_is_too_long_is_refused_before_any_of_it_came() {
        assert!(matches!(encode(SMALL, &"", &[&[0; 33]]), Err(FrameError::TooLong { body: 33, .. })));
        for lengths in [[17_u32, 0], [0, 33], [u32::MAX, u32::MAX]] {
            let mut buffer = BytesMut::new();
            for length in lengths {
                buffer.extend_from_slice(&length.to_le_bytes());
            }
            assert!(matches!(take(&mut buffer, SMALL), Err(FrameError::TooLong { .. })), "{lengths:?}");
        }
    }

    #[test]
    fn a_large_frame_leaves_no_large_buffer_behind() {
        let bounds = Bounds { head: 16, body: 1 << 20 };
        let mut buffer = BytesMut::from(&*encode(bounds, &"", &[&vec![0; 1 << 20]]).unwrap());
        assert!(take(&mut buffer, bounds).unwrap().is_some());
        assert!(buffer.capacity() <= CHUNK);
    }

    #[test]
    fn the_end_between_frames_is_an_end_and_within_one_a_fault() {
        let whole = frame("a", "body");
        let mut incoming = Incoming::new(&*whole, SMALL);
        assert!(incoming.wait().unwrap().is_some());
        assert!(incoming.wait().unwrap().is_none());
        let mut incoming = Incoming::new(&whole[..whole.len() - 1], SMALL);
        assert!(matches!(incoming.wait(), Err(FrameError::Cut)));
    }

    #[test]
    fn a_head_that_is_something_else_is_refused() {
        let mut buffer = BytesMut::from(&*frame("a", ""));
        let frame = take(&mut buffer, SMALL).unwrap().unwrap();
        assert!(matches!(frame.head::<u32>(), Err(FrameError::Unreadable(_))));
    }
}
