//! Bounds on what comes from outside. Each is far above any package that people use, and far below what hurts.

/// Bounds on packages, each and together.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Caps {
    /// Bytes of a tarball as it is sent. The largest packages of the popular few thousand have some 20 MiB.
    pub packed: u64,
    /// Bytes that one tarball unpacks to.
    pub unpacked: u64,
    /// Unpacked bytes for each packed one. Text reaches 10, generated tables 50, a bomb 1,000.
    pub ratio: u64,
    /// Files of one package: icon collections and locale tables reach ten thousand.
    pub files: u64,
    /// Folders within folders.
    pub depth: usize,
    /// Packages that one policy may come to need.
    pub packages: usize,
    /// Bytes that all of them unpack to: they are in memory at once.
    pub together: u64,
    /// Bytes of a list of versions. The longest of the public registry have some 10 MiB.
    pub packument: u64,
    /// Bytes of the script that comes of it.
    pub script: usize,
    /// Whether files that no import can lead to are kept too: for packages that are written to a disk.
    pub keeps_all: bool,
}

impl Default for Caps {
    fn default() -> Self {
        Self {
            packed: 48 << 20,
            unpacked: 160 << 20,
            ratio: 120,
            files: 20_000,
            depth: 32,
            packages: 1_000,
            together: 320 << 20,
            packument: 48 << 20,
            script: 8 << 20,
            keeps_all: false,
        }
    }
}

/// Bytes below which the ratio says nothing: an empty file compresses well.
pub(super) const RATIO_COUNTS_FROM: u64 = 1 << 20;

/// Characters of a path inside a package.
pub(super) const MAX_PATH: usize = 1_024;

/// Requests to registries that may be under way at once.
pub(super) const PARALLEL: usize = 8;
