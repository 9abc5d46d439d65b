//! Where results go: standard output, or a file that appears whole or not at all.

use std::fs::{self, File};
use std::io::{self, BufWriter, Stdout, Write};
use std::path::{Path, PathBuf};

#[cfg(target_os = "linux")]
use clap::{Args, ValueEnum};
#[cfg(target_os = "linux")]
use serde_json::Value;

use super::Failure;

/// A place for the result of a command.
pub(super) struct Output {
    sink: Sink,
}

enum Sink {
    Standard(BufWriter<Stdout>),
    File { writer: BufWriter<File>, temporary: Option<PathBuf>, target: PathBuf, shown: PathBuf },
}

impl Output {
    /// Standard output.
    pub(super) fn standard() -> Self {
        Self { sink: Sink::Standard(BufWriter::with_capacity(1 << 16, io::stdout())) }
    }

    /// The file of `-o`, or standard output when there is none or it is `-`.
    ///
    /// The result is written to a temporary file beside the target and renamed when it is whole, so that readers and
    /// failed runs never see half a file. What is not an ordinary file (`/dev/null`, a pipe) is written directly.
    pub(super) fn open(path: Option<&Path>) -> Result<Self, Failure> {
        let Some(path) = path.filter(|path| *path != Path::new("-")) else { return Ok(Self::standard()) };
        let failure = |error| Failure::file("write", path, error);
        // Behind a link stands the file that is meant; the link itself stays.
        let target = fs::canonicalize(path).unwrap_or_else(|_| path.to_owned());
        let (file, temporary) = match fs::metadata(&target) {
            Ok(metadata) if metadata.is_dir() => {
                return Err(failure(io::Error::from(io::ErrorKind::IsADirectory)));
            }
            Ok(metadata) if !metadata.is_file() => (File::options().write(true).open(&target).map_err(failure)?, None),
            _ => {
                let temporary = temporary_name(&target)
                    .ok_or_else(|| failure(io::Error::new(io::ErrorKind::InvalidInput, "it names no file")))?;
                (File::create(&temporary).map_err(failure)?, Some(temporary))
            }
        };
        let writer = BufWriter::with_capacity(1 << 16, file);
        Ok(Self { sink: Sink::File { writer, temporary, target, shown: path.to_owned() } })
    }

    /// Writes bytes and finishes.
    pub(super) fn write_all(self, bytes: &[u8]) -> Result<(), Failure> {
        self.write_with(|out| out.write_all(bytes))
    }

    /// Lets `write` write, and finishes: nothing more can be written.
    pub(super) fn write_with(
        mut self,
        write: impl FnOnce(&mut (dyn Write + Send)) -> io::Result<()>,
    ) -> Result<(), Failure> {
        match &mut self.sink {
            Sink::Standard(out) => write(out).and_then(|()| out.flush()).map_err(Failure::output),
            Sink::File { writer, temporary, target, shown } => {
                let mut written = write(writer).and_then(|()| writer.flush());
                if written.is_ok()
                    && let Some(from) = temporary.as_ref()
                {
                    written = fs::rename(from, target);
                }
                if written.is_ok() {
                    // Nothing is left to clean up.
                    *temporary = None;
                }
                written.map_err(|error| Failure::file("write", shown, error))
            }
        }
    }
}

impl Drop for Output {
    fn drop(&mut self) {
        if let Sink::File { temporary: Some(temporary), .. } = &self.sink {
            let _ = fs::remove_file(temporary);
        }
    }
}

/// A name beside the target that no other process uses.
fn temporary_name(target: &Path) -> Option<PathBuf> {
    let name = target.file_name()?.to_string_lossy();
    Some(target.with_file_name(format!(".{name}.{}.tmp", std::process::id())))
}

/// How a result is written.
#[cfg(target_os = "linux")]
#[derive(Args, Clone, Debug)]
pub(super) struct FormatArgs {
    /// How the result is written to standard output
    #[arg(long, value_name = "FORMAT", default_value = "text")]
    format: SummaryFormat,
}

/// Whom a result is for.
#[cfg(target_os = "linux")]
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(super) enum SummaryFormat {
    /// One line for people
    Text,
    /// One JSON object
    Json,
}

#[cfg(target_os = "linux")]
impl FormatArgs {
    /// Whether it is written for programs.
    pub(super) fn is_json(&self) -> bool {
        self.format == SummaryFormat::Json
    }

    /// Writes a result to standard output: an object, or lines.
    pub(super) fn write(&self, value: &Value, lines: &[String]) -> Result<(), Failure> {
        let text = match self.format {
            SummaryFormat::Json => format!("{value}\n"),
            SummaryFormat::Text => lines.iter().flat_map(|line| [line.as_str(), "\n"]).collect(),
        };
        Output::standard().write_all(text.as_bytes())
    }
}

#[cfg(test)]
#[allow(clippy::disallowed_methods, reason = "tests look at what was written")]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_replaced_only_as_a_whole() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("out.json");
        fs::write(&path, "old").unwrap();
        let failed = Output::open(Some(&path)).unwrap().write_with(|out| {
            out.write_all(b"half")?;
            Err(io::Error::other("stop"))
        });
        assert!(failed.is_err());
        assert_eq!(fs::read_to_string(&path).unwrap(), "old");
        Output::open(Some(&path)).unwrap().write_all(b"new").unwrap();
        assert_eq!(fs::read_to_string(&path).unwrap(), "new");
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
    }

    #[test]
    fn folders_and_missing_folders_are_refused() {
        let folder = tempfile::tempdir().unwrap();
        assert!(Output::open(Some(folder.path())).is_err());
        assert!(Output::open(Some(&folder.path().join("no/such"))).is_err());
    }
}
