//! The door as it is in a worker process: nothing is reached from there. Every call is handed on to the process that
//! supervises the worker, which has the real door and looks the permissions up itself.

use std::time::Instant;

use super::{Answer, HostError};

/// Where the answer to a call goes.
pub type Tell = Box<dyn FnOnce(Answer) + Send>;

/// Hands the calls of the policy that is running on to someone who may answer them.
pub trait Forward: Send + Sync {
    /// Waits for the answer until the deadline.
    ///
    /// # Errors
    /// What the policy is to be thrown.
    fn call(&self, op: &str, args: &str, deadline: Instant) -> Answer;

    /// Lets the answer be told when it comes.
    ///
    /// # Errors
    /// Where the call could not be handed on; nothing will be told then.
    fn start(&self, op: &str, args: &str, tell: Tell) -> Result<(), HostError>;

    /// A line that the policy printed.
    fn print(&self, line: &str);
}
