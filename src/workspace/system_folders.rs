//! The folders of an operating system that are mounts on every machine with it.

use crate::paths::{PathId, Paths};
use crate::source::system::{Environment, OperatingSystem};

/// A folder of the operating system.
pub(super) struct SystemFolder {
    /// The name of its mount.
    pub name: &'static str,
    pub path: PathId,
    /// Whether changes of its files matter.
    pub tracked: bool,
}

/// The folders of the operating system that `environment` tells of.
pub(super) fn system_folders(environment: &dyn Environment, paths: &Paths) -> Vec<SystemFolder> {
    match environment.host().os {
        OperatingSystem::Windows => windows(environment, paths),
        os => unix(environment, paths, os == OperatingSystem::MacOs),
    }
}

fn unix(environment: &dyn Environment, paths: &Paths, mac: bool) -> Vec<SystemFolder> {
    let home = environment.user_home().and_then(|home| paths.parse_absolute(&home.to_string_lossy()).ok());
    let (data, local_data) = match mac {
        true => ("Library/Application Support", "Library/Application Support"),
        false => (".config", ".local/share"),
    };
    let of_user = [("UserProfile", ""), ("AppData", data), ("LocalAppData", local_data)];
    let of_system = [
        ("ProgramData", "/usr/share"),
        ("Bin", "/bin"),
        ("UsrBin", "/usr/bin"),
        ("UsrInclude", "/usr/include"),
        ("UsrLib", "/usr/lib"),
    ];
    let of_mac = [("Applications", "/Applications"), ("Library", "/Library")];
    let provisioning = ("UserProvisioning", "Library/MobileDevice/Provisioning Profiles");
    let below_home = of_user.into_iter().chain(Some(provisioning).filter(|_| mac));
    let below_home = below_home.filter_map(|(name, below)| Some((name, paths.walk(home?, below).ok()?)));
    let fixed = of_system.into_iter().chain(of_mac.into_iter().filter(|_| mac));
    let fixed = fixed.filter_map(|(name, path)| Some((name, paths.parse_absolute(path).ok()?)));
    below_home.chain(fixed).map(|(name, path)| SystemFolder { name, path, tracked: true }).collect()
}

/// Where the variables say, else where an installation puts them.
fn windows(environment: &dyn Environment, paths: &Paths) -> Vec<SystemFolder> {
    let folder = |variable: &str, usual: Option<PathId>| {
        let told = environment.variable(variable).and_then(|text| paths.parse_absolute(&text).ok());
        told.or(usual)
    };
    let drive = |path: &str| paths.parse_absolute(path).ok();
    let below = |path: Option<PathId>, rest: &str| paths.walk(path?, rest).ok();
    let home = environment.user_home().and_then(|home| paths.parse_absolute(&home.to_string_lossy()).ok());
    let program_data = folder("ProgramData", drive("C:/ProgramData"));
    let roaming = folder("APPDATA", below(home, "AppData/Roaming"));
    let local = folder("LOCALAPPDATA", below(home, "AppData/Local"));
    let windows = folder("SystemRoot", drive("C:/Windows"));
    let programs = folder("ProgramFiles", drive("C:/Program Files"));
    let programs_x86 = folder("ProgramFiles(x86)", drive("C:/Program Files (x86)"));
    let folders = [
        ("ProgramData", program_data, false),
        ("UserProfile", home, false),
        ("AppData", roaming, false),
        ("LocalAppData", local, false),
        ("ProgramFiles", programs, true),
        ("System", below(windows, "System32"), false),
        ("Windows", windows, false),
        ("ProgramFilesX86", programs_x86, true),
        ("CommonProgramFiles", folder("CommonProgramFiles", below(programs, "Common Files")), true),
        ("CommonProgramFilesX86", folder("CommonProgramFiles(x86)", below(programs_x86, "Common Files")), true),
        ("InternetCache", below(local, "Microsoft/Windows/INetCache"), false),
        ("InternetHistory", below(local, "Microsoft/Windows/History"), false),
        ("INetCookies", below(local, "Microsoft/Windows/INetCookies"), false),
        ("LocalLow", below(home, "AppData/LocalLow"), false),
    ];
    folders.into_iter().filter_map(|(name, path, tracked)| Some(SystemFolder { name, path: path?, tracked })).collect()
}
