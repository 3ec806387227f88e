//! What went wrong at the API server, in one line.

use std::error::Error as _;
use std::fmt::Write as _;

/// The message of the API server, or the causes of an answer that did not come: hyper keeps the reason in there.
pub(crate) fn reason(error: &kube::Error) -> String {
    if let kube::Error::Api(status) = error {
        return status.message.clone();
    }
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        let line = error.to_string();
        if !text.contains(&line) {
            // Writing into a String cannot fail.
            let _ = write!(text, ": {line}");
        }
        cause = error.source();
    }
    text
}

#[cfg(test)]
mod tests {
    use kube::core::Status;

    use super::*;

    #[test]
    fn the_words_of_the_api_server_come_alone() {
        let status = Status::failure("leases \"bylaw\" is forbidden", "Forbidden").with_code(403);
        assert_eq!(reason(&kube::Error::Api(status.boxed())), "leases \"bylaw\" is forbidden");
    }

    #[test]
    fn every_cause_is_said_once() {
        let refused = std::io::Error::other("connection refused");
        assert_eq!(reason(&kube::Error::Service(Box::new(refused))), "ServiceError: connection refused");
    }
}
