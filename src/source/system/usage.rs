//! What this process has used so far.

/// The most memory that was resident at once, in kilobytes; none where the system does not tell.
pub fn peak_memory() -> Option<u64> {
    #[expect(clippy::disallowed_methods, reason = "tells of the process, not of what evaluation may see")]
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    line.split_whitespace().next()?.parse().ok()
}
