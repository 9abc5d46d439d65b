//! What a build and its workers tell each other: a length in four bytes, then that many bytes.

use std::io::{self, Read, Write};

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use super::{Job, Report};

/// From the build to a worker.
#[derive(Debug, Serialize, Deserialize)]
pub enum Request {
    /// Run this job. Its number is not used again.
    Run(u64, Box<Job>),
    /// End the job of this number, if it is running.
    Cancel(u64),
}

/// From a worker to the build.
#[derive(Debug, Serialize, Deserialize)]
pub enum Answer {
    /// The worker waits for jobs.
    Ready,
    /// What became of a job.
    Done(Box<Report>),
    /// The worker could not do its work, and this is why.
    Failed(String),
}

/// Sends a message.
///
/// # Errors
/// When the other side is gone.
pub fn send(stream: &mut impl Write, message: &impl Serialize) -> io::Result<()> {
    let mut bytes = postcard::to_extend(message, vec![0; 4]).map_err(io::Error::other)?;
    let length = u32::try_from(bytes.len() - 4).map_err(io::Error::other)?;
    bytes[..4].copy_from_slice(&length.to_le_bytes());
    stream.write_all(&bytes)
}

/// Waits for a message. Nothing when the other side has closed the connection.
///
/// # Errors
/// When the connection breaks, or what arrives is no such message.
pub fn receive<T: DeserializeOwned>(stream: &mut impl Read) -> io::Result<Option<T>> {
    let mut length = [0; 4];
    let mut got = 0;
    while got < length.len() {
        match stream.read(&mut length[got..]) {
            Ok(0) if got == 0 => return Ok(None),
            Ok(0) => return Err(io::ErrorKind::UnexpectedEof.into()),
            Ok(count) => got += count,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) if error.kind() == io::ErrorKind::ConnectionReset => return Ok(None),
            Err(error) => return Err(error),
        }
    }
    let mut bytes = vec![0; u32::from_le_bytes(length) as usize];
    stream.read_exact(&mut bytes)?;
    postcard::from_bytes(&bytes).map(Some).map_err(|error| io::Error::new(io::ErrorKind::InvalidData, error))
}

#[cfg(test)]
mod tests {
    use std::ffi::OsStr;
    use std::os::unix::ffi::OsStrExt;
    use std::path::PathBuf;
    use std::time::Duration;

    use super::super::Stdin;
    use super::*;

    #[test]
    fn messages_arrive_whole_also_with_paths_that_are_no_text() {
        let odd = PathBuf::from(OsStr::from_bytes(b"/\xff"));
        let job = Job {
            program: odd.clone(),
            arguments: vec!["x".repeat(1 << 20).into()],
            environment: vec![],
            working_directory: "/".into(),
            stdin: Stdin::File(odd.clone()),
            stdout: "/o".into(),
            stderr: "/e".into(),
            timeout: None,
            grace: Duration::from_secs(1),
            observe: true,
            rules: vec![],
            journal: Some(odd.clone()),
            lenient: false,
            backup: "/b".into(),
        };
        let mut bytes = Vec::new();
        send(&mut bytes, &Request::Run(1, Box::new(job))).unwrap();
        send(&mut bytes, &Request::Cancel(1)).unwrap();
        let mut reader = &bytes[..];
        let Some(Request::Run(1, job)) = receive(&mut reader).unwrap() else { panic!("a job was expected") };
        assert_eq!((job.program, job.journal, job.stdin), (odd.clone(), Some(odd.clone()), Stdin::File(odd)));
        assert!(matches!(receive(&mut reader).unwrap(), Some(Request::Cancel(1))));
        assert!(receive::<Request>(&mut reader).unwrap().is_none());
        assert!(receive::<Request>(&mut &bytes[..2]).is_err());
        assert!(receive::<Request>(&mut &[1, 0, 0, 0, 77][..]).is_err());
    }
}
