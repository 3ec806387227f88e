//! What the system is, and what the tools that V8 needs are called there.

use std::fs;

use crate::v8::machine::Machine;

/// Kinds of systems by how packages come to them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Family {
    Debian { is_ubuntu: bool },
    Fedora,
    Suse,
    Arch,
    Other(String),
}

/// A suite of packages newer than any release.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Suite {
    pub name: &'static str,
    pub components: &'static str,
    pub origin: &'static str,
    /// Where it is unless the system's own sources name another place.
    pub address: &'static str,
    pub keyring: &'static str,
}

impl Family {
    pub fn of_machine(machine: &Machine<'_>) -> Self {
        Self::of(&fs::read_to_string(machine.places.system.join("etc/os-release")).unwrap_or_default())
    }

    fn of(os_release: &str) -> Self {
        let value = |name: &str| {
            let line = os_release.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix('='));
            line.unwrap_or_default().trim_matches('"').to_owned()
        };
        let id = value("ID");
        let kin = format!("{id} {}", value("ID_LIKE"));
        let is = |name: &str| kin.split_whitespace().any(|word| word == name);
        if is("ubuntu") || is("debian") {
            return Self::Debian { is_ubuntu: is("ubuntu") };
        }
        if is("fedora") || is("rhel") {
            return Self::Fedora;
        }
        if is("suse") || is("opensuse") {
            return Self::Suse;
        }
        if is("arch") {
            return Self::Arch;
        }
        Self::Other(if id.is_empty() { "this system".to_owned() } else { id })
    }

    /// Where a GN of this year is to be had with apt.
    pub fn newest_suite(&self) -> Option<Suite> {
        match self {
            Self::Debian { is_ubuntu: false } => Some(Suite {
                name: "sid",
                components: "main",
                origin: "Debian",
                address: "http://deb.debian.org/debian",
                keyring: "debian-archive-keyring",
            }),
            Self::Debian { is_ubuntu: true } => Some(Suite {
                name: "devel",
                components: "main universe",
                origin: "Ubuntu",
                address: "http://archive.ubuntu.com/ubuntu",
                keyring: "ubuntu-archive-keyring",
            }),
            _ => None,
        }
    }

    /// What to install where we do not.
    pub fn advice(&self) -> String {
        let command = match self {
            Self::Debian { .. } => "apt-get install clang-22 lld-22 llvm-22 libclang-rt-22-dev ninja-build python3",
            Self::Fedora => "dnf install clang lld llvm compiler-rt ninja-build gn python3",
            Self::Suse => "zypper install clang lld llvm ninja gn python3",
            Self::Arch => "pacman -S clang lld llvm compiler-rt ninja gn python",
            Self::Other(name) => {
                return format!(
                    "Install with the means of {name}: Clang, lld, compiler-rt and LLVM's tools (21 or newer), Ninja, GN (of 2026 or \
                     newer) and Python 3; or name them by CLANG_BASE_PATH, NINJA, GN and PYTHON"
                );
            }
        };
        format!(
            "Install the packages: {command} (Clang 21 and GN of 2026 or newer), or name the programs by CLANG_BASE_PATH, \
             NINJA, GN and PYTHON"
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn systems_are_told_by_their_kin() {
        assert_eq!(Family::of("ID=debian\nVERSION_ID=\"12\"\n"), Family::Debian { is_ubuntu: false });
        assert_eq!(Family::of("ID=linuxmint\nID_LIKE=\"ubuntu debian\"\n"), Family::Debian { is_ubuntu: true });
        assert_eq!(Family::of("ID=\"rocky\"\nID_LIKE=\"rhel centos fedora\"\n"), Family::Fedora);
        assert_eq!(Family::of("ID=\"opensuse-leap\"\nID_LIKE=\"suse opensuse\"\n"), Family::Suse);
        assert_eq!(Family::of("ID=arch\n"), Family::Arch);
        assert_eq!(Family::of("ID=nixos\n"), Family::Other("nixos".to_owned()));
        assert_eq!(Family::of(""), Family::Other("this system".to_owned()));
    }

    #[test]
    fn each_system_is_told_its_own_packages() {
        let advice = |os_release| Family::of(os_release).advice();
        assert!(advice("ID=fedora").contains("dnf install clang lld llvm compiler-rt ninja-build gn python3"));
        assert!(advice("ID=arch").contains("pacman -S clang lld llvm compiler-rt ninja gn python"));
        assert!(advice("ID=opensuse-tumbleweed\nID_LIKE=\"opensuse suse\"").contains("zypper install"));
        assert!(advice("ID=debian").contains("apt-get install clang-22"));
        assert!(advice("ID=void").starts_with("Install with the means of void: Clang"));
    }

    #[test]
    fn a_newer_gn_comes_from_the_suite_of_the_same_system() {
        let suite = |os_release| Family::of(os_release).newest_suite().map(|suite| suite.name);
        assert_eq!(suite("ID=debian"), Some("sid"));
        assert_eq!(suite("ID=ubuntu\nID_LIKE=debian"), Some("devel"));
        assert_eq!(suite("ID=fedora"), None);
    }
}
