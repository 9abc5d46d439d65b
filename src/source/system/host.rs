//! The machine that a build is for: usually this one, but specs can be evaluated for another.

use std::env;
use std::path::PathBuf;
use std::str::FromStr;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::Environment;

/// The operating systems that DScript tells apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub enum OperatingSystem {
    /// Windows.
    Windows,
    /// macOS.
    MacOs,
    /// Linux and other Unix systems.
    Unix,
}

impl OperatingSystem {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Windows, Self::MacOs, Self::Unix];

    /// That of this machine.
    pub fn current() -> Self {
        match env::consts::OS {
            "windows" => Self::Windows,
            "macos" => Self::MacOs,
            _ => Self::Unix,
        }
    }

    /// What specs call it: `win`, `macOS` or `unix`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Windows => "win",
            Self::MacOs => "macOS",
            Self::Unix => "unix",
        }
    }

    /// Whether paths that differ only in the case of letters are one path.
    pub fn has_case_blind_paths(self) -> bool {
        self != Self::Unix
    }

    /// Whether the names of environment variables that differ only in the case of letters are one name.
    pub fn has_case_blind_variables(self) -> bool {
        self == Self::Windows
    }

    /// Whether two names are names of one environment variable.
    pub fn is_same_variable(self, left: &str, right: &str) -> bool {
        left == right || self.has_case_blind_variables() && left.to_lowercase() == right.to_lowercase()
    }

    /// Whether absolute paths begin with the letter of a drive.
    pub fn has_drives(self) -> bool {
        self == Self::Windows
    }

    /// What stands between the paths of a variable that lists them.
    pub fn path_list_separator(self) -> &'static str {
        if self == Self::Windows { ";" } else { ":" }
    }

    /// What ends a line of text.
    pub fn new_line(self) -> &'static str {
        if self == Self::Windows { "\r\n" } else { "\n" }
    }

    /// The variables by which programs find the folder for temporary files. The build sets them itself.
    pub fn temporary_folder_variables(self) -> &'static [&'static str] {
        if self == Self::Windows { &["TEMP", "TMP"] } else { &["TEMP", "TMP", "TMPDIR"] }
    }
}

impl FromStr for OperatingSystem {
    type Err = String;

    /// Reads what [`OperatingSystem::name`] gives, in any letter case.
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let known = Self::ALL.into_iter().find(|os| os.name().eq_ignore_ascii_case(text));
        known.ok_or_else(|| format!("`{text}` is not an operating system: it is `win`, `macOS` or `unix`"))
    }
}

/// The version of a Linux kernel: `version.major.minor`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Kernel {
    /// The first number.
    pub version: u16,
    /// The second number.
    pub major: u16,
    /// The third number.
    pub minor: u16,
}

impl Kernel {
    /// That of this machine; none where it is no Linux.
    fn current() -> Option<Self> {
        #[expect(clippy::disallowed_methods, reason = "tells of the machine; nothing of the workspace is read")]
        let release = std::fs::read_to_string("/proc/sys/kernel/osrelease").ok()?;
        Self::parse(&release)
    }

    /// Reads `6.1.0-13-amd64`.
    fn parse(release: &str) -> Option<Self> {
        let mut numbers = release.trim().split(|c: char| !c.is_ascii_digit()).map(|number| number.parse().unwrap_or(0));
        let version = numbers.next().filter(|version| *version > 0)?;
        Some(Self { version, major: numbers.next().unwrap_or(0), minor: numbers.next().unwrap_or(0) })
    }
}

/// What specs may know about the machine.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Host {
    /// The operating system.
    pub os: OperatingSystem,
    /// The processor as Rust names it: `x86_64`, `aarch64`, `x86`.
    pub architecture: String,
    /// Whether the user may do everything.
    pub is_elevated: bool,
    /// The kernel, on Linux only.
    pub kernel: Option<Kernel>,
}

impl Host {
    /// This machine. Elevation is not asked for: no result may depend on it.
    pub fn current() -> Self {
        let os = OperatingSystem::current();
        let kernel = (os == OperatingSystem::Unix).then(Kernel::current).flatten();
        Self { os, architecture: env::consts::ARCH.to_owned(), is_elevated: false, kernel }
    }

    /// A usual machine with this operating system, the same on every machine: `x86_64`, on Unix a Linux.
    pub fn usual(os: OperatingSystem) -> Self {
        let linux = os == OperatingSystem::Unix;
        let kernel = linux.then_some(Kernel { version: 6, major: 1, minor: 0 });
        Self { os, architecture: "x86_64".to_owned(), is_elevated: false, kernel }
    }
}

impl Default for Host {
    /// A fixed machine, the same on every machine: Linux on `x86_64`.
    fn default() -> Self {
        Self::usual(OperatingSystem::Unix)
    }
}

/// An environment seen from another machine: the same variables, found as that machine finds them, and its facts. Where
/// that machine has Windows and the own one has not, the variables that every Windows has are there too.
pub struct HostEnvironment {
    inner: Arc<dyn Environment>,
    host: Host,
}

impl HostEnvironment {
    /// The variables of `inner` on a machine like `host`.
    pub fn new(inner: Arc<dyn Environment>, host: Host) -> Self {
        Self { inner, host }
    }
}

/// The variables that every Windows has: what each begins with, another one of them or a drive, and how it goes on.
const WINDOWS_VARIABLES: [(&str, &str, &str); 15] = [
    ("APPDATA", "USERPROFILE", r"\AppData\Roaming"),
    ("CommonProgramFiles", "ProgramFiles", r"\Common Files"),
    ("CommonProgramFiles(x86)", "ProgramFiles(x86)", r"\Common Files"),
    ("ComSpec", "SystemRoot", r"\System32\cmd.exe"),
    ("HOMEDRIVE", "SystemDrive", ""),
    ("LOCALAPPDATA", "USERPROFILE", r"\AppData\Local"),
    ("OS", "", "Windows_NT"),
    ("ProgramData", "SystemDrive", r"\ProgramData"),
    ("ProgramFiles", "SystemDrive", r"\Program Files"),
    ("ProgramFiles(x86)", "SystemDrive", r"\Program Files (x86)"),
    ("ProgramW6432", "ProgramFiles", ""),
    ("SystemDrive", "", "C:"),
    ("SystemRoot", "SystemDrive", r"\Windows"),
    ("USERPROFILE", "SystemDrive", r"\Users\User"),
    ("windir", "SystemRoot", ""),
];

impl HostEnvironment {
    fn usual_variable(&self, name: &str) -> Option<String> {
        if self.host.os != OperatingSystem::Windows || self.inner.host().os == OperatingSystem::Windows {
            return None;
        }
        let (_, base, rest) = WINDOWS_VARIABLES.iter().find(|(known, ..)| known.eq_ignore_ascii_case(name))?;
        let base = if base.is_empty() { String::new() } else { self.variable(base)? };
        Some(base + rest)
    }
}

impl Environment for HostEnvironment {
    fn variable(&self, name: &str) -> Option<String> {
        if self.host.os.has_case_blind_variables() {
            return self.variable_in_any_case(name);
        }
        self.inner.variable(name)
    }

    fn variable_in_any_case(&self, name: &str) -> Option<String> {
        self.inner.variable_in_any_case(name).or_else(|| self.usual_variable(name))
    }

    fn user_home(&self) -> Option<PathBuf> {
        match self.host.os {
            OperatingSystem::Windows => self.variable("USERPROFILE").map(PathBuf::from),
            _ => self.inner.user_home(),
        }
    }

    fn host(&self) -> Host {
        self.host.clone()
    }
}

#[cfg(test)]
mod tests {
    use super::super::MapEnvironment;
    use super::*;

    #[test]
    fn kernels_are_read_from_what_the_system_says() {
        let kernel = |version, major, minor| Some(Kernel { version, major, minor });
        assert_eq!(Kernel::parse("6.1.0-13-amd64\n"), kernel(6, 1, 0));
        assert_eq!(Kernel::parse("5.15"), kernel(5, 15, 0));
        assert_eq!(Kernel::parse("strange"), None);
    }

    #[test]
    fn names_are_read_back() {
        for os in OperatingSystem::ALL {
            assert_eq!(os.name().parse(), Ok(os));
        }
        assert!("windows".parse::<OperatingSystem>().is_err());
    }

    #[test]
    fn variables_are_found_as_the_host_finds_them() {
        let inner = Arc::new(MapEnvironment::new().with("Path", "x").with_home("/home/me"));
        let on = |os| HostEnvironment::new(inner.clone(), Host::usual(os));
        assert_eq!(on(OperatingSystem::Windows).variable("PATH").as_deref(), Some("x"));
        assert_eq!(on(OperatingSystem::MacOs).variable("PATH"), None);
        assert_eq!(on(OperatingSystem::MacOs).user_home(), Some(PathBuf::from("/home/me")));
        assert_eq!(on(OperatingSystem::Windows).user_home(), Some(PathBuf::from(r"C:\Users\User")));
        let windows = on(OperatingSystem::Windows);
        assert_eq!(windows.variable("COMSPEC").as_deref(), Some(r"C:\Windows\System32\cmd.exe"));
        let inner = Arc::new(MapEnvironment::new().with("systemdrive", "D:"));
        let moved = HostEnvironment::new(inner, Host::usual(OperatingSystem::Windows));
        assert_eq!(moved.variable("windir").as_deref(), Some(r"D:\Windows"));
        assert_eq!(moved.variable("PATH"), None);
    }
}
