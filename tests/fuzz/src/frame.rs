//! What a worker process may send: however its bytes are cut, the same frames come out of them, none longer than may be;
//! and whatever a frame says, the verdict in it is that of the policy that was asked, within its bounds.

use std::sync::Arc;

use bylaw::decision::Effect;
use bylaw::worker::{Bounds, Frame, FrameError, take, verdict_in};
use bytes::BytesMut;

/// Far below a supervisor's own, so that a short input can pass them.
const BOUNDS: Bounds = Bounds { head: 512, body: 1_024 };

pub fn check(data: &[u8]) {
    let (whole, is_whole_sound) = frames(data, data.len().max(1));
    let step = usize::from(data.first().copied().unwrap_or_default() % 17) + 1;
    let (pieces, is_sound) = frames(data, step);
    assert_eq!(is_whole_sound, is_sound, "in steps of {step}");
    assert_eq!(whole.len(), pieces.len(), "in steps of {step}");
    for (one, other) in whole.iter().zip(&pieces) {
        assert_eq!(one.body, other.body);
        assert!(one.body.len() <= BOUNDS.body);
        for may_mutate in [true, false] {
            judge(one, may_mutate);
        }
    }
}

/// What comes out of bytes that come in steps, and whether they were frames to the last.
fn frames(data: &[u8], step: usize) -> (Vec<Frame>, bool) {
    let mut buffer = BytesMut::new();
    let mut frames = Vec::new();
    for piece in data.chunks(step) {
        buffer.extend_from_slice(piece);
        loop {
            match take(&mut buffer, BOUNDS) {
                Ok(Some(frame)) => frames.push(frame),
                Ok(None) => break,
                Err(FrameError::TooLong { head, body }) => {
                    assert!(head > BOUNDS.head || body > BOUNDS.body);
                    return (frames, false);
                }
                Err(error) => panic!("{error}"),
            }
        }
    }
    (frames, true)
}

fn judge(frame: &Frame, may_mutate: bool) {
    let asked: Arc<str> = "asked".into();
    let Some(evaluated) = verdict_in(frame, Arc::clone(&asked), may_mutate) else { return };
    let verdict = evaluated.verdict;
    assert_eq!(verdict.policy, asked, "it speaks for another");
    assert!(evaluated.time.is_zero(), "it says it took longer than there was");
    assert!(may_mutate || verdict.mutation.is_none(), "it changes what it must not");
    if let Effect::Deny(denials) = &verdict.effect {
        assert!(!denials.is_empty());
    }
    if let Some(mutation) = verdict.mutation {
        assert!(mutation.before.starts_with('{') && mutation.after.starts_with('{'));
        assert_eq!(mutation.before.len() + mutation.after.len(), frame.body.len());
    }
}
