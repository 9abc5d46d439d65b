//! Takes compressed streams apart, piece by piece.

use std::io;

use zstd::stream::raw::{Decoder, InBuffer, Operation as _, OutBuffer};

const PIECE: usize = 1 << 17;

/// The state of a stream that is being taken apart.
pub(super) struct Unpack {
    decoder: Decoder<'static>,
    buffer: Vec<u8>,
}

impl Unpack {
    pub(super) fn new() -> io::Result<Self> {
        Ok(Self { decoder: Decoder::new()?, buffer: vec![0; PIECE] })
    }

    /// Gives what a part of the stream stands for, in pieces of bounded size, until one is refused.
    pub(super) fn take<E>(
        &mut self,
        part: &[u8],
        mut give: impl FnMut(&[u8]) -> Result<(), E>,
    ) -> io::Result<Result<(), E>> {
        let mut from = InBuffer::around(part);
        loop {
            let mut to = OutBuffer::around(&mut self.buffer[..]);
            self.decoder.run(&mut from, &mut to)?;
            let count = to.pos();
            let full = count == PIECE;
            if let Err(error) = give(&self.buffer[..count]) {
                return Ok(Err(error));
            }
            // A full buffer may not have been all, though everything has been read.
            if from.pos() == part.len() && !full {
                return Ok(Ok(()));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn streams_come_apart_in_any_pieces() {
        let bytes: Vec<u8> = (0..3 * PIECE).map(|at| (at / 1000 * 7) as u8).collect();
        let packed = zstd::bulk::compress(&bytes, 3).unwrap();
        // Two frames are one stream.
        let twice = [&packed[..], &packed].concat();
        for size in [1, 7, twice.len()] {
            let mut unpack = Unpack::new().unwrap();
            let mut all = Vec::new();
            for part in twice.chunks(size) {
                let taken: Result<(), ()> = unpack
                    .take(part, |piece| {
                        all.extend_from_slice(piece);
                        Ok(())
                    })
                    .unwrap();
                taken.unwrap();
            }
            assert!(all == [&bytes[..], &bytes].concat());
        }
        assert!(Unpack::new().unwrap().take::<()>(b"not compressed at all", |_| Ok(())).is_err());
    }
}
