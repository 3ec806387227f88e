//! Reading a body: one buffer, one size limit, one bound on all bodies together.

use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

use bytes::{Bytes, BytesMut};
use http_body_util::BodyExt;
use hyper::StatusCode;
use hyper::body::Body;

use super::limits::Limits;
use super::routes::Refusal;

/// The most that is set aside because a `Content-Length` says so, before the bytes have come.
const TRUSTED_LENGTH: usize = 256 * 1_024;

/// Bytes of all bodies in flight.
#[derive(Debug)]
pub(super) struct Budget {
    used: AtomicUsize,
    max: usize,
}

impl Budget {
    pub(super) fn new(max: usize) -> Self {
        Self { used: AtomicUsize::new(0), max }
    }

    /// A share of the budget, empty at first.
    pub(super) fn share(&self) -> Share<'_> {
        Share { budget: self, held: 0 }
    }
}

/// What one request holds of the [`Budget`], given back when dropped. Keep it until the body is dropped.
pub(super) struct Share<'a> {
    budget: &'a Budget,
    held: usize,
}

impl Share<'_> {
    fn grow(&mut self, bytes: usize) -> bool {
        let before = self.budget.used.fetch_add(bytes, Relaxed);
        self.held += bytes;
        before.saturating_add(bytes) <= self.budget.max
    }
}

impl Drop for Share<'_> {
    fn drop(&mut self) {
        self.budget.used.fetch_sub(self.held, Relaxed);
    }
}

/// The whole body, without a copy where it came in one piece.
///
/// # Errors
/// 413 beyond `limits.body_bytes` (by `Content-Length` before anything is read), 503 where all bodies together exceed
/// their bound, 400 where the client breaks off.
pub(super) async fn read<B>(body: &mut B, limits: &Limits, share: &mut Share<'_>) -> Result<Bytes, Refusal>
where
    B: Body<Data = Bytes> + Unpin,
{
    let announced = usize::try_from(body.size_hint().lower()).unwrap_or(usize::MAX);
    if announced > limits.body_bytes {
        return Err(too_large(limits));
    }
    let mut first = Bytes::new();
    let mut joined: Option<BytesMut> = None;
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(|_| broken_off())?;
        let Ok(data) = frame.into_data() else { continue };
        if !share.grow(data.len()) {
            return Err(Refusal::new(StatusCode::SERVICE_UNAVAILABLE, "too many large requests at once; try again"));
        }
        let length = data.len() + joined.as_ref().map_or(first.len(), BytesMut::len);
        if length > limits.body_bytes {
            return Err(too_large(limits));
        }
        match &mut joined {
            Some(joined) => joined.extend_from_slice(&data),
            None if first.is_empty() => first = data,
            None => {
                let mut whole = BytesMut::with_capacity(length.max(announced.min(TRUSTED_LENGTH)));
                whole.extend_from_slice(&first);
                whole.extend_from_slice(&data);
                joined = Some(whole);
            }
        }
        if body.is_end_stream() {
            break;
        }
    }
    Ok(joined.map_or(first, BytesMut::freeze))
}

/// Reads and forgets what a refused client is still sending, so that over HTTP/1.1 the refusal is not lost to a
/// connection reset by unread data.
pub(super) async fn discard<B>(body: &mut B, limits: &Limits)
where
    B: Body<Data = Bytes> + Unpin,
{
    let mut left = limits.body_bytes.saturating_mul(2);
    while let Some(Ok(frame)) = body.frame().await {
        let length = frame.data_ref().map_or(0, Bytes::len);
        if length > left {
            return;
        }
        left -= length;
    }
}

fn too_large(limits: &Limits) -> Refusal {
    Refusal::new(StatusCode::PAYLOAD_TOO_LARGE, format!("the body is larger than {} bytes", limits.body_bytes))
}

fn broken_off() -> Refusal {
    Refusal::new(StatusCode::BAD_REQUEST, "the body ended early")
}

#[cfg(test)]
mod tests {
    use std::convert::Infallible;

    use futures::stream;
    use http_body_util::{Full, StreamBody};
    use hyper::body::Frame;

    use super::*;

    const LIMITS: fn() -> Limits = || Limits { body_bytes: 10, ..Limits::default() };

    fn pieces(pieces: &'static [&'static str]) -> impl Body<Data = Bytes, Error = Infallible> + Unpin {
        StreamBody::new(stream::iter(pieces.iter().map(|piece| Ok(Frame::data(Bytes::from_static(piece.as_bytes()))))))
    }

    async fn status(mut body: impl Body<Data = Bytes> + Unpin, budget: &Budget) -> Result<Bytes, StatusCode> {
        read(&mut body, &LIMITS(), &mut budget.share()).await.map_err(|refusal| refusal.status)
    }

    #[tokio::test]
    async fn a_body_in_pieces_is_joined_and_one_in_one_piece_is_not_copied() {
        let budget = Budget::new(100);
        assert_eq!(status(pieces(&["ab", "", "cd", "e"]), &budget).await.unwrap(), "abcde");
        assert_eq!(status(pieces(&[]), &budget).await.unwrap(), "");
        let whole = Bytes::from_static(b"0123456789");
        let read = status(Full::new(whole.clone()), &budget).await.unwrap();
        assert_eq!(read.as_ptr(), whole.as_ptr());
    }

    #[tokio::test]
    async fn the_limit_holds_with_and_without_a_length() {
        let budget = Budget::new(100);
        assert_eq!(status(Full::from("01234567890"), &budget).await, Err(StatusCode::PAYLOAD_TOO_LARGE));
        assert_eq!(status(pieces(&["0123456789", "0"]), &budget).await, Err(StatusCode::PAYLOAD_TOO_LARGE));
        assert_eq!(status(pieces(&["01234567890"]), &budget).await, Err(StatusCode::PAYLOAD_TOO_LARGE));
    }

    #[tokio::test]
    async fn all_bodies_together_are_bounded_and_given_back() {
        let budget = Budget::new(12);
        let limits = LIMITS();
        let mut held = budget.share();
        read(&mut pieces(&["01234567"]), &limits, &mut held).await.unwrap();
        assert_eq!(status(pieces(&["01234"]), &budget).await, Err(StatusCode::SERVICE_UNAVAILABLE));
        assert_eq!(status(pieces(&["0123"]), &budget).await.unwrap(), "0123");
        drop(held);
        assert_eq!(status(pieces(&["01234"]), &budget).await.unwrap(), "01234");
        assert_eq!(budget.used.load(Relaxed), 0);
    }

    #[tokio::test]
    async fn what_a_refused_client_sends_is_read_up_to_a_bound() {
        let mut body = pieces(&["0123456789", "0123456789", "0", "rest"]);
        discard(&mut body, &LIMITS()).await;
        let rest = body.frame().await.unwrap().unwrap();
        assert_eq!(rest.into_data().unwrap(), "rest");
    }
}
