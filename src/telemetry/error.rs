//! What can go wrong while telemetry is set up. Once it runs, it never fails a request.

/// A fault in the logging configuration.
#[derive(Debug, thiserror::Error)]
pub enum TelemetryError {
    /// `BYLAW_LOG` is no filter that tracing understands.
    #[error(
        "BYLAW_LOG={filter:?} is not a log filter: {reason}; write a level such as `debug`, or `bylaw=debug,hyper=info`"
    )]
    Filter { filter: String, reason: String },
    /// Something else in the process already took the logs.
    #[error("logging is already set up in this process")]
    AlreadySet,
}
