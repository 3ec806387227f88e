//! What metrics are told apart by: each a bounded set of words.

/// Where a review came in: labels `endpoint` and `vantage`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Route {
    Validate,
    Mutate,
    Policy,
    Crds,
    VirtualValidate,
    VirtualMutate,
}

impl Route {
    pub(super) const ALL: [Self; 6] =
        [Self::Validate, Self::Mutate, Self::Policy, Self::Crds, Self::VirtualValidate, Self::VirtualMutate];

    pub(super) const fn endpoint(self) -> &'static str {
        match self {
            Self::Validate | Self::VirtualValidate => "validate",
            Self::Mutate | Self::VirtualMutate => "mutate",
            Self::Policy => "policy",
            Self::Crds => "crds",
        }
    }

    pub(super) const fn vantage(self) -> &'static str {
        match self {
            Self::VirtualValidate | Self::VirtualMutate => "virtual",
            _ => "host",
        }
    }
}

/// What the merged answer was: label `verdict`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ReviewOutcome {
    Allow,
    Deny,
    /// Decided by a failure mode, because a policy or Bylaw itself failed.
    Error,
    /// Not an `AdmissionReview`: answered 400.
    Malformed,
}

impl ReviewOutcome {
    pub(super) const ALL: [Self; 4] = [Self::Allow, Self::Deny, Self::Error, Self::Malformed];

    pub(super) const fn as_str(self) -> &'static str {
        match self {
            Self::Allow => "allow",
            Self::Deny => "deny",
            Self::Error => "error",
            Self::Malformed => "malformed",
        }
    }
}

/// What became of the policies that were found: label `state`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PolicyState {
    /// The latest source is enforced.
    Serving,
    /// The latest source is broken; the last good revision is enforced.
    Stale,
    /// Broken, and there never was a good revision.
    Broken,
}

impl PolicyState {
    pub(super) const ALL: [Self; 3] = [Self::Serving, Self::Stale, Self::Broken];

    pub(super) const fn as_str(self) -> &'static str {
        match self {
            Self::Serving => "serving",
            Self::Stale => "stale",
            Self::Broken => "broken",
        }
    }
}

/// What the host was foretold to say: label `verdict`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Foretold {
    Allow,
    Deny,
    /// A policy failed, which denies nothing before the host itself is asked.
    Error,
}

impl Foretold {
    pub(super) const ALL: [Self; 3] = [Self::Allow, Self::Deny, Self::Error];

    pub(super) const fn as_str(self) -> &'static str {
        match self {
            Self::Allow => "allow",
            Self::Deny => "deny",
            Self::Error => "error",
        }
    }
}

/// Which certificate expires: label `certificate`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Certificate {
    /// The one shown to the API server.
    Serving,
    /// The authority that signed it, where Bylaw made its own.
    Authority,
}

impl Certificate {
    pub(super) const ALL: [Self; 2] = [Self::Serving, Self::Authority];

    pub(super) const fn as_str(self) -> &'static str {
        match self {
            Self::Serving => "serving",
            Self::Authority => "authority",
        }
    }
}

/// Why a worker process was replaced: label `reason`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WorkerEnd {
    /// A policy ran it out of memory.
    Memory,
    /// A policy used up its processor time.
    Cpu,
    /// A policy did not come to an end.
    Timeout,
    /// Somebody killed it.
    Killed,
    Crashed,
    /// It sent what no worker may send.
    Protocol,
    /// It has worked for long enough.
    Worn,
}

impl WorkerEnd {
    pub(super) const ALL: [Self; 7] =
        [Self::Memory, Self::Cpu, Self::Timeout, Self::Killed, Self::Crashed, Self::Protocol, Self::Worn];

    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Memory => "memory",
            Self::Cpu => "cpu",
            Self::Timeout => "timeout",
            Self::Killed => "killed",
            Self::Crashed => "crashed",
            Self::Protocol => "protocol",
            Self::Worn => "worn",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn enums_index_their_tables() {
        for (index, route) in Route::ALL.into_iter().enumerate() {
            assert_eq!(route as usize, index);
        }
        for (index, outcome) in ReviewOutcome::ALL.into_iter().enumerate() {
            assert_eq!(outcome as usize, index);
        }
        for (index, state) in PolicyState::ALL.into_iter().enumerate() {
            assert_eq!(state as usize, index);
        }
        for (index, certificate) in Certificate::ALL.into_iter().enumerate() {
            assert_eq!(certificate as usize, index);
        }
        for (index, foretold) in Foretold::ALL.into_iter().enumerate() {
            assert_eq!(foretold as usize, index);
        }
        for (index, end) in WorkerEnd::ALL.into_iter().enumerate() {
            assert_eq!(end as usize, index);
        }
    }
}
