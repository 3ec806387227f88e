//! The belt between those who read and those who judge: one thread reads ahead, all cores judge, the results come out in
//! the order of what was read, and no more is under way than there is room for.

use std::sync::Arc;

use anyhow::Context as _;
use futures::{StreamExt as _, stream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc};

use super::judge::{Batch, Judge};
use super::progress::Progress;
use crate::scan::report::Report;
use crate::scan::{Chunk, Target, Unreadable};

/// What is read ahead.
const AHEAD: usize = 32;

/// Text that is under way, in KiB; a larger document has all of the room to itself.
const ROOM: u32 = 96 << 10;

/// One thing to do.
pub(super) enum Work {
    Chunk(Chunk),
    Unreadable(Unreadable),
    /// Objects of a cluster, all of one kind.
    Objects {
        texts: Vec<String>,
        of: Arc<Target>,
    },
    /// A kind that is passed over, and why.
    Skip {
        kind: String,
        cause: String,
    },
    /// There is no going on.
    Broken(anyhow::Error),
}

/// Takes in what is to be done.
pub(super) struct Intake {
    sender: mpsc::Sender<(Work, OwnedSemaphorePermit)>,
    room: Arc<Semaphore>,
}

impl Intake {
    /// Waits for room. False where nobody wants any more.
    pub(super) async fn put(&self, work: Work) -> bool {
        let bytes = match &work {
            Work::Chunk(chunk) => chunk.text.len(),
            Work::Objects { texts, .. } => texts.iter().map(String::len).sum(),
            _ => 0,
        };
        let size = u32::try_from(bytes >> 10).unwrap_or(ROOM).clamp(1, ROOM);
        match Arc::clone(&self.room).acquire_many_owned(size).await {
            Ok(permit) => self.sender.send((work, permit)).await.is_ok(),
            Err(_) => false,
        }
    }
}

/// Judges what `feed` puts in, until it ends.
pub(super) async fn process<F: Future<Output = ()> + Send + 'static>(
    judge: Judge,
    mut report: Report,
    progress: &Progress,
    fail_fast: bool,
    feed: impl FnOnce(Intake) -> F,
) -> anyhow::Result<Report> {
    let (sender, receiver) = mpsc::channel(AHEAD);
    let feeding = tokio::spawn(feed(Intake { sender, room: Arc::new(Semaphore::new(ROOM as usize)) }));
    let judge = Arc::new(judge);
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let works = stream::unfold(receiver, |mut receiver| async { receiver.recv().await.map(|work| (work, receiver)) });
    let done = works.map(|(work, permit)| tokio::spawn(done(Arc::clone(&judge), work, permit))).buffered(cores * 4);
    let mut done = std::pin::pin!(done);
    while let Some(result) = done.next().await {
        match result.context("a part of the scan ended unexpectedly")? {
            Done::Judged(batch) => {
                batch.checked.into_iter().for_each(|checked| report.take(checked));
                batch.unreadable.into_iter().for_each(|unreadable| report.pass_over(unreadable));
            }
            Done::Skipped { kind, cause } => report.skip(kind, cause),
            Done::Broken(error) => return Err(error),
        }
        progress.judged(report.counts.objects);
        if fail_fast && report.counts.denied + report.counts.unreadable > 0 {
            break;
        }
    }
    feeding.abort();
    Ok(report)
}

enum Done {
    Judged(Batch),
    Skipped { kind: String, cause: String },
    Broken(anyhow::Error),
}

/// Does one piece of work; the room it took is free again then.
async fn done(judge: Arc<Judge>, work: Work, _room: OwnedSemaphorePermit) -> Done {
    match work {
        Work::Chunk(chunk) => Done::Judged(judge.chunk(&chunk).await),
        Work::Unreadable(unreadable) => Done::Judged(Batch { unreadable: vec![unreadable], ..Batch::default() }),
        Work::Objects { texts, of } => {
            let mut batch = Batch::default();
            for text in texts {
                match judge.live(&text, &of.served, of.only.as_ref()).await {
                    Ok(checked) => batch.checked.push(checked),
                    Err(error) => {
                        let (file, cause) = (of.served.plural.clone(), format!("{error:#}"));
                        batch.unreadable.push(Unreadable { file, line: 0, column: 0, cause });
                    }
                }
            }
            Done::Judged(batch)
        }
        Work::Skip { kind, cause } => Done::Skipped { kind, cause },
        Work::Broken(error) => Done::Broken(error),
    }
}
