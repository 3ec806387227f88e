//! As much of HTTP/2 as one connection to our own server needs. No header table: the server is told to have none, and
//! of its headers only the status is looked at.

use std::collections::HashMap;

use anyhow::{Context as _, bail, ensure};

use super::{Answer, Pending, Question};

const DATA: u8 = 0;
const HEADERS: u8 = 1;
const RST_STREAM: u8 = 3;
const SETTINGS: u8 = 4;
const PING: u8 = 6;
const GOAWAY: u8 = 7;
const WINDOW_UPDATE: u8 = 8;

const ACK: u8 = 1;
const END_STREAM: u8 = 1;
const END_HEADERS: u8 = 4;
const PADDED_OR_PRIORITY: u8 = 0x28;

const FRAME_HEAD: usize = 9;
/// What a server must take in one frame.
const MAX_FRAME: usize = 16_384;
/// What both windows are before anybody says otherwise.
const FIRST_WINDOW: i64 = 65_535;
/// What the server may send before it hears from us, and when it does.
const OUR_WINDOW: u32 = 1 << 30;
const TOP_UP: u32 = 1 << 28;

/// The header block of a request, without an entry in any table.
pub fn encode(question: &Question) -> Vec<u8> {
    // `:method: POST` and `:scheme: https` of the static table.
    let mut block = vec![0x83, 0x87];
    let length = question.body.len().to_string();
    let named: [(&[u8], &str); 4] = [
        (&[0x04], question.path),
        (&[0x01], "localhost"),
        (&[0x0f, 31 - 15], "application/json"),
        (&[0x0f, 28 - 15], &length),
    ];
    for (name, value) in named {
        block.extend_from_slice(name);
        // All of them are shorter than the 127 bytes from which on a length takes more than a byte.
        block.push(u8::try_from(value.len()).unwrap_or(0));
        block.extend_from_slice(value.as_bytes());
    }
    block
}

/// One connection.
pub struct Http2 {
    streams: usize,
    next_stream: u32,
    pending: HashMap<u32, Stream>,
    /// Bytes of bodies that the server still takes.
    window: i64,
    stream_window: i64,
    received: u32,
    /// The start of a frame whose end has not come.
    rest: Vec<u8>,
}

struct Stream {
    pending: Pending,
    is_ok: bool,
    body: Vec<u8>,
}

impl Http2 {
    /// A connection with up to this many streams, and what is to be said first on it.
    pub fn new(streams: usize) -> (Self, Vec<u8>) {
        let mut out = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".to_vec();
        // No header table; the largest window for each stream is more than any answer takes; no server push.
        let settings = [(1_u16, 0_u32), (2, 0), (4, OUR_WINDOW)];
        let payload: Vec<u8> =
            settings.iter().flat_map(|(id, value)| id.to_be_bytes().into_iter().chain(value.to_be_bytes())).collect();
        frame(&mut out, SETTINGS, 0, 0, &payload);
        frame(&mut out, WINDOW_UPDATE, 0, 0, &OUR_WINDOW.to_be_bytes());
        let connection = Self {
            streams,
            next_stream: 1,
            pending: HashMap::with_capacity(streams * 2),
            window: FIRST_WINDOW,
            stream_window: FIRST_WINDOW,
            received: 0,
            rest: Vec::new(),
        };
        (connection, out)
    }

    pub fn has_room(&self, bytes: usize) -> bool {
        self.pending.len() < self.streams && i64::try_from(bytes).is_ok_and(|bytes| bytes <= self.window)
    }

    pub fn in_flight(&self) -> usize {
        self.pending.len()
    }

    pub fn submit(&mut self, pending: Pending, block: &[u8], body: &[u8], out: &mut Vec<u8>) -> anyhow::Result<()> {
        let bytes = i64::try_from(body.len())?;
        ensure!(body.len() <= MAX_FRAME && bytes <= self.stream_window, "a body of {bytes} bytes is more than a frame");
        let stream = self.next_stream;
        self.next_stream += 2;
        self.window -= bytes;
        frame(out, HEADERS, END_HEADERS, stream, block);
        frame(out, DATA, END_STREAM, stream, body);
        self.pending.insert(stream, Stream { pending, is_ok: false, body: Vec::new() });
        Ok(())
    }

    pub fn receive(
        &mut self,
        bytes: &[u8],
        out: &mut Vec<u8>,
        done: &mut dyn FnMut(Pending, &Answer),
    ) -> anyhow::Result<()> {
        let mut whole = std::mem::take(&mut self.rest);
        let mut bytes = if whole.is_empty() {
            bytes
        } else {
            whole.extend_from_slice(bytes);
            &whole
        };
        while let Some((head, payload, after)) = next_frame(bytes) {
            self.take(head, payload, out, done)?;
            bytes = after;
        }
        self.rest = bytes.to_vec();
        Ok(())
    }

    fn take(
        &mut self,
        head: Head,
        payload: &[u8],
        out: &mut Vec<u8>,
        done: &mut dyn FnMut(Pending, &Answer),
    ) -> anyhow::Result<()> {
        let Head { kind, flags, stream } = head;
        match kind {
            HEADERS => {
                ensure!(flags & (END_HEADERS | PADDED_OR_PRIORITY) == END_HEADERS, "headers of a kind we do not read");
                let open = self.pending.get_mut(&stream).context("headers on a stream that is not open")?;
                open.is_ok = is_200(payload);
                if flags & END_STREAM != 0 {
                    self.finish(stream, &[], done)?;
                }
            }
            DATA => {
                ensure!(flags & PADDED_OR_PRIORITY == 0, "padded data");
                self.received += u32::try_from(payload.len())?;
                if self.received > TOP_UP {
                    frame(out, WINDOW_UPDATE, 0, 0, &self.received.to_be_bytes());
                    self.received = 0;
                }
                if flags & END_STREAM == 0 {
                    let open = self.pending.get_mut(&stream).context("data on a stream that is not open")?;
                    open.body.extend_from_slice(payload);
                } else {
                    self.finish(stream, payload, done)?;
                }
            }
            SETTINGS if flags & ACK == 0 => {
                self.settings(payload)?;
                frame(out, SETTINGS, ACK, 0, &[]);
            }
            PING if flags & ACK == 0 => frame(out, PING, ACK, 0, payload),
            WINDOW_UPDATE if stream == 0 => self.window += i64::from(number(payload)?),
            RST_STREAM => bail!("stream {stream} was reset, error {}", number(payload)?),
            GOAWAY => bail!("the server said goodbye"),
            _ => {}
        }
        Ok(())
    }

    fn finish(&mut self, stream: u32, last: &[u8], done: &mut dyn FnMut(Pending, &Answer)) -> anyhow::Result<()> {
        let Stream { pending, is_ok, mut body } =
            self.pending.remove(&stream).context("the end of a stream that is not open")?;
        let body = if body.is_empty() {
            last
        } else {
            body.extend_from_slice(last);
            &body
        };
        done(pending, &Answer { is_ok, body });
        Ok(())
    }

    fn settings(&mut self, payload: &[u8]) -> anyhow::Result<()> {
        for setting in payload.chunks_exact(6) {
            let (id, value) = setting.split_at(2);
            let value = number(value)?;
            match id {
                [0, 3] => self.streams = self.streams.min(value as usize),
                [0, 4] => self.stream_window = i64::from(value),
                _ => {}
            }
        }
        Ok(())
    }
}

#[derive(Clone, Copy)]
struct Head {
    kind: u8,
    flags: u8,
    stream: u32,
}

/// The first frame, and what follows it; none while it is not whole.
fn next_frame(bytes: &[u8]) -> Option<(Head, &[u8], &[u8])> {
    let (head, after) = bytes.split_at_checked(FRAME_HEAD)?;
    let &[a, b, c, kind, flags, s0, s1, s2, s3] = head else { return None };
    let length = u32::from_be_bytes([0, a, b, c]) as usize;
    let (payload, after) = after.split_at_checked(length)?;
    Some((Head { kind, flags, stream: u32::from_be_bytes([s0 & 0x7f, s1, s2, s3]) }, payload, after))
}

fn frame(out: &mut Vec<u8>, kind: u8, flags: u8, stream: u32, payload: &[u8]) {
    let [_, a, b, c] = u32::try_from(payload.len()).unwrap_or(0).to_be_bytes();
    out.extend_from_slice(&[a, b, c, kind, flags]);
    out.extend_from_slice(&stream.to_be_bytes());
    out.extend_from_slice(payload);
}

fn number(payload: &[u8]) -> anyhow::Result<u32> {
    Ok(u32::from_be_bytes(payload.first_chunk().copied().context("a frame that is too short")?))
}

/// `:status: 200` of the static table, perhaps after the notice that there is no other table.
fn is_200(block: &[u8]) -> bool {
    block.iter().find(|byte| *byte & 0xe0 != 0x20) == Some(&0x88)
}
