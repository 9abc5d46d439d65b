//! The messages of the streams of ByteStream, read and written without copying what they carry.
//!
//! The usual way gathers each message in one buffer first, and puts each answer together in another: two copies of a
//! megabyte that has just left the processor's cache. Here the payload of a message that arrives is handed on piece by
//! piece as it comes, and an answer is put around its payload where that was read.

use std::collections::VecDeque;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use http_body::Frame;
use prost::Message;
use prost::encoding::{WireType, decode_key, decode_varint, encode_key, encode_varint};
use tokio::sync::{OwnedSemaphorePermit, mpsc};
use tonic::body::Body;
use tonic::codegen::http::{self, HeaderMap};
use tonic::codegen::{Body as _, Bytes, Context, Poll};
use tonic::{Code, Status};

use super::requests::MESSAGE;
use crate::cas::api::bytestream::WriteRequest;

// Before each message: whether it is compressed, and its length.
const HEADER: usize = 5;

// A message that is not larger is taken as a whole.
const SMALL: usize = 64 * 1024;

// An answer goes out in pieces that grow from this size while the client is fast.
const PIECE: usize = 32 * 1024;

// A client that needs longer for a piece is slow.
const SLOW: Duration = Duration::from_millis(100);

// The fields before the payload fit into this.
const HEAD: usize = 4096;

/// A part of a message that is written to the server: a whole one, or a part of its payload. Then the offset is that of
/// the part, and only the last part may be the end.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Part {
    pub(super) resource_name: String,
    pub(super) write_offset: i64,
    pub(super) finish_write: bool,
    pub(super) data: Bytes,
}

/// The messages of a request, as they come.
pub(super) struct Parts {
    body: Body,
    pending: VecDeque<Bytes>,
    // How many bytes these are.
    available: usize,
    ended: bool,
    state: State,
}

enum State {
    // The header of a message comes next.
    Header,
    // A message of this length has begun.
    Begun(usize),
    // It is not what clients usually send, so it is taken as a whole.
    Whole(usize),
    // So much of its payload is still to come; the part after it has this offset.
    Payload { left: usize, next: Part },
}

impl Parts {
    pub(super) fn new(body: Body) -> Self {
        Self { body, pending: VecDeque::new(), available: 0, ended: false, state: State::Header }
    }

    /// The next part, or that there is none. When this is not waited for, nothing is lost.
    ///
    /// # Errors
    /// When the connection breaks ([`Code::Cancelled`]), or what comes makes no sense.
    pub(super) async fn next(&mut self) -> Result<Option<Part>, Status> {
        loop {
            if let Some(part) = self.parse()? {
                return Ok(Some(part));
            }
            if self.ended {
                return match self.state {
                    State::Header if self.available == 0 => Ok(None),
                    _ => Err(Status::cancelled("the stream ended in the middle of a message")),
                };
            }
            self.receive().await?;
        }
    }

    async fn receive(&mut self) -> Result<(), Status> {
        match std::future::poll_fn(|context| Pin::new(&mut self.body).poll_frame(context)).await {
            Some(Ok(frame)) => {
                if let Ok(data) = frame.into_data()
                    && !data.is_empty()
                {
                    self.available += data.len();
                    self.pending.push_back(data);
                }
                Ok(())
            }
            Some(Err(error)) => Err(Status::cancelled(error.message().to_owned())),
            None => {
                self.ended = true;
                Ok(())
            }
        }
    }

    // The next part, if enough has come.
    fn parse(&mut self) -> Result<Option<Part>, Status> {
        loop {
            match &mut self.state {
                State::Header => {
                    if self.available < HEADER {
                        return Ok(None);
                    }
                    let header = self.take(HEADER);
                    self.state = State::Begun(length(&header)?);
                }
                State::Begun(length) if *length <= SMALL => self.state = State::Whole(*length),
                State::Begun(length) => {
                    let length = *length;
                    let head = self.peek(HEAD.min(self.available));
                    match payload(&head, length) {
                        Some((next, at)) => {
                            self.take(at);
                            self.state = State::Payload { left: length - at, next };
                        }
                        None if head.len() == HEAD => self.state = State::Whole(length),
                        None => return Ok(None),
                    }
                }
                State::Whole(length) => {
                    let length = *length;
                    if self.available < length {
                        return Ok(None);
                    }
                    let bytes = self.take(length);
                    self.state = State::Header;
                    let wrong = |error: prost::DecodeError| Status::invalid_argument(error.to_string());
                    let message = WriteRequest::decode(&bytes[..]).map_err(wrong)?;
                    let WriteRequest { resource_name, write_offset, finish_write, data } = message;
                    return Ok(Some(Part { resource_name, write_offset, finish_write, data: data.into() }));
                }
                State::Payload { left, next } => {
                    let Some(front) = self.pending.front_mut() else { return Ok(None) };
                    let data = front.split_to(front.len().min(*left));
                    if front.is_empty() {
                        self.pending.pop_front();
                    }
                    self.available -= data.len();
                    *left -= data.len();
                    let mut part = next.clone();
                    next.resource_name.clear();
                    next.write_offset = next.write_offset.saturating_add(data.len().cast_signed() as i64);
                    part.data = data;
                    if *left == 0 {
                        self.state = State::Header;
                    } else {
                        part.finish_write = false;
                    }
                    return Ok(Some(part));
                }
            }
        }
    }

    // The next bytes, of which there are as many.
    fn take(&mut self, count: usize) -> Bytes {
        self.available -= count;
        if let Some(front) = self.pending.front_mut()
            && front.len() > count
        {
            return front.split_to(count);
        }
        let mut bytes = Vec::with_capacity(count);
        while bytes.len() < count {
            let Some(mut front) = self.pending.pop_front() else { break };
            let part = front.split_to(front.len().min(count - bytes.len()));
            bytes.extend_from_slice(&part);
            if !front.is_empty() {
                self.pending.push_front(front);
            }
        }
        bytes.into()
    }

    fn peek(&self, count: usize) -> Vec<u8> {
        self.pending.iter().flat_map(|piece| piece.iter().copied()).take(count).collect()
    }
}

fn length(header: &[u8]) -> Result<usize, Status> {
    let [compressed, length @ ..] = header else { return Err(Status::internal("a header is short")) };
    if *compressed != 0 {
        return Err(Status::unimplemented("this server takes no compressed messages"));
    }
    let length = length.iter().fold(0, |sum, byte| sum << 8 | usize::from(*byte));
    if length > MESSAGE {
        return Err(Status::out_of_range(format!("a message may have {MESSAGE} bytes")));
    }
    Ok(length)
}

// What stands before the payload of a message, and where that begins. `None` where the payload is not the last field, or
// does not begin in this piece.
fn payload(head: &[u8], length: usize) -> Option<(Part, usize)> {
    let mut part = Part::default();
    let mut rest = head;
    loop {
        let (tag, kind) = decode_key(&mut rest).ok()?;
        match (tag, kind) {
            (1, WireType::LengthDelimited) => {
                let size = usize::try_from(decode_varint(&mut rest).ok()?).ok()?;
                let (name, after) = rest.split_at_checked(size)?;
                std::str::from_utf8(name).ok()?.clone_into(&mut part.resource_name);
                rest = after;
            }
            (2, WireType::Varint) => part.write_offset = decode_varint(&mut rest).ok()?.cast_signed(),
            (3, WireType::Varint) => part.finish_write = decode_varint(&mut rest).ok()? != 0,
            (10, WireType::LengthDelimited) => {
                let size = usize::try_from(decode_varint(&mut rest).ok()?).ok()?;
                let at = head.len() - rest.len();
                return (at.checked_add(size)? == length && size > 0).then_some((part, at));
            }
            _ => return None,
        }
    }
}

/// A request of one message.
///
/// # Errors
/// When the connection breaks, the request is slow, or makes no sense.
pub(super) async fn request<M: Message + Default>(body: Body, patience: Duration) -> Result<M, Status> {
    let mut parts = Parts::new(body);
    let all = async {
        while !parts.ended && parts.available <= SMALL {
            parts.receive().await?;
        }
        Ok::<_, Status>(())
    };
    let late = |_| Status::deadline_exceeded("nothing has arrived for too long");
    tokio::time::timeout(patience, all).await.map_err(late)??;
    if parts.available < HEADER {
        return Err(Status::internal("there is no request"));
    }
    let length = length(&parts.take(HEADER))?;
    if parts.available != length {
        return Err(Status::internal("the request is not one message"));
    }
    M::decode(&parts.take(length)[..]).map_err(|error| Status::invalid_argument(error.to_string()))
}

/// The response of one message.
pub(super) fn reply(message: &impl Message) -> http::Response<Body> {
    let body = message.encode_to_vec();
    let mut answer = vec![0];
    answer.extend(u32::try_from(body.len()).unwrap_or(u32::MAX).to_be_bytes());
    answer.extend(body);
    response(Answers::of(Some(answer.into())), None)
}

/// The beginning of an answer with so much payload, and room for that.
pub(super) fn answer(payload: usize) -> Vec<u8> {
    let mut field = Vec::with_capacity(16);
    if payload > 0 {
        encode_key(10, WireType::LengthDelimited, &mut field);
        encode_varint(payload as u64, &mut field);
    }
    // One more, for a read that finds nothing.
    let mut bytes = Vec::with_capacity(HEADER + field.len() + payload + 1);
    bytes.push(0);
    bytes.extend(u32::try_from(field.len() + payload).unwrap_or(u32::MAX).to_be_bytes());
    bytes.extend(field);
    bytes
}

/// Where answers come from: whole messages, made with [`answer`].
pub(super) struct Answers {
    receiver: mpsc::Receiver<Result<Bytes, Status>>,
    // How often the client has taken something.
    taken: Arc<AtomicU64>,
}

/// Where answers are put.
pub(super) struct Sender {
    sender: mpsc::Sender<Result<Bytes, Status>>,
    taken: Arc<AtomicU64>,
}

/// A stream of answers.
pub(super) fn answers() -> (Sender, Answers) {
    let (sender, receiver) = mpsc::channel(1);
    let taken = Arc::new(AtomicU64::new(0));
    (Sender { sender, taken: Arc::clone(&taken) }, Answers { receiver, taken })
}

impl Answers {
    /// A stream of one answer, or of none.
    pub(super) fn of(message: Option<Bytes>) -> Self {
        let (sender, answers) = self::answers();
        // There is a place for one.
        let _ = message.map(|message| sender.sender.try_send(Ok(message)));
        answers
    }
}

impl Sender {
    /// Sends a message.
    ///
    /// # Errors
    /// When the client has gone, or has taken nothing for so long.
    pub(super) async fn send(&self, message: Bytes, patience: Duration) -> Result<(), Status> {
        loop {
            let taken = self.taken.load(Ordering::Relaxed);
            match tokio::time::timeout(patience, self.sender.reserve()).await {
                Ok(Ok(place)) => {
                    place.send(Ok(message));
                    return Ok(());
                }
                Ok(Err(_)) => return Err(Status::cancelled("the client has gone")),
                Err(_) if self.taken.load(Ordering::Relaxed) != taken => {}
                Err(_) => return Err(Status::deadline_exceeded("nothing has been taken for too long")),
            }
        }
    }

    /// Lets the stream end with an error, once the client takes something or its connection ends. Without it the end of
    /// what was sent would look like the end of all.
    pub(super) async fn fail(self, status: Status) {
        // When nobody is left there is nobody to tell.
        let _ = self.sender.send(Err(status)).await;
    }
}

/// The response with these answers. It ends with the first error. The permit goes when all has been taken.
pub(super) fn response(answers: Answers, permit: Option<OwnedSemaphorePermit>) -> http::Response<Body> {
    let body = AnswerBody { answers, rest: Bytes::new(), piece: PIECE, taken: None, ended: false, _permit: permit };
    let mut response = http::Response::new(Body::new(body));
    let kind = http::HeaderValue::from_static("application/grpc");
    response.headers_mut().insert(http::header::CONTENT_TYPE, kind);
    response
}

struct AnswerBody {
    answers: Answers,
    // What is still to be given out of a message.
    rest: Bytes,
    // How much of it at a time.
    piece: usize,
    // When the last piece was.
    taken: Option<Instant>,
    ended: bool,
    _permit: Option<OwnedSemaphorePermit>,
}

impl AnswerBody {
    // Small pieces for slow clients, so that it is seen that they go on; whole messages for fast ones.
    fn next_piece(&mut self) -> Bytes {
        let fast = self.taken.is_some_and(|taken| taken.elapsed() < SLOW);
        self.piece = if fast { (self.piece * 2).min(MESSAGE) } else { PIECE };
        self.taken = Some(Instant::now());
        self.answers.taken.fetch_add(1, Ordering::Relaxed);
        self.rest.split_to(self.piece.min(self.rest.len()))
    }
}

impl http_body::Body for AnswerBody {
    type Data = Bytes;
    type Error = Status;

    fn poll_frame(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Status>>> {
        if self.ended {
            return Poll::Ready(None);
        }
        if self.rest.is_empty() {
            let status = match self.answers.receiver.poll_recv(context) {
                Poll::Pending => return Poll::Pending,
                Poll::Ready(Some(Ok(bytes))) => {
                    self.rest = bytes;
                    return Poll::Ready(Some(Ok(Frame::data(self.next_piece()))));
                }
                Poll::Ready(Some(Err(status))) => status,
                Poll::Ready(None) => Status::new(Code::Ok, ""),
            };
            self.ended = true;
            let mut trailers = HeaderMap::new();
            return Poll::Ready(Some(status.add_header(&mut trailers).map(|()| Frame::trailers(trailers))));
        }
        Poll::Ready(Some(Ok(Frame::data(self.next_piece()))))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn framed(message: &WriteRequest) -> Vec<u8> {
        let body = message.encode_to_vec();
        let mut bytes = vec![0];
        bytes.extend(u32::try_from(body.len()).unwrap().to_be_bytes());
        bytes.extend(body);
        bytes
    }

    // All parts of a stream that arrives in pieces of this size.
    fn parts(stream: &[u8], piece: usize) -> Result<Vec<Part>, Status> {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        let mut parts = Parts::new(Body::empty());
        let mut all = Vec::new();
        for piece in stream.chunks(piece) {
            parts.available += piece.len();
            parts.pending.push_back(Bytes::copy_from_slice(piece));
            while let Some(part) = parts.parse()? {
                all.push(part);
            }
        }
        match runtime.block_on(parts.next())? {
            None => Ok(all),
            Some(part) => panic!("{part:?}"),
        }
    }

    #[test]
    fn parts_make_up_the_messages() {
        let data = |size: usize| (0..size).map(|at| (at % 251) as u8).collect::<Vec<u8>>();
        let message = |name: &str, offset: i64, finish: bool, size: usize| WriteRequest {
            resource_name: name.to_owned(),
            write_offset: offset,
            finish_write: finish,
            data: data(size),
        };
        let messages = [
            message("uploads/u/blobs/x", 0, false, 200_000),
            message("", 200_000, false, 10),
            message("", 200_010, false, 0),
            message("uploads/u/blobs/x", 200_010, false, 70_000),
            message("", 270_010, true, 100_000),
        ];
        let stream: Vec<u8> = messages.iter().flat_map(framed).collect();
        for piece in [1, 2, 7, 1000, 16_384, 1 << 20] {
            let parts = parts(&stream, piece).unwrap();
            let mut at = 0;
            let mut whole = Vec::new();
            for (number, part) in parts.iter().enumerate() {
                assert_eq!(part.write_offset, at);
                assert_eq!(part.finish_write, number + 1 == parts.len(), "{piece}");
                assert_eq!(part.resource_name.is_empty(), at != 0 && at != 200_010 || part.data.is_empty());
                at += part.data.len() as i64;
                whole.extend_from_slice(&part.data);
            }
            let expected: Vec<u8> = messages.iter().flat_map(|message| message.data.clone()).collect();
            assert!(whole == expected, "{piece}");
        }
    }

    #[test]
    fn fields_may_come_in_any_order() {
        let message = WriteRequest { write_offset: 5, finish_write: true, ..Default::default() };
        // The payload first, then the others, and a field that nobody knows.
        let mut body = Vec::new();
        let payload = vec![7; 100_000];
        prost::encoding::bytes::encode(10, &payload, &mut body);
        body.extend(message.encode_to_vec());
        prost::encoding::uint64::encode(99, &1, &mut body);
        let mut stream = vec![0];
        stream.extend(u32::try_from(body.len()).unwrap().to_be_bytes());
        stream.extend(body);
        for piece in [13, 1 << 20] {
            let parts = parts(&stream, piece).unwrap();
            assert_eq!((parts.len(), parts[0].write_offset, parts[0].finish_write), (1, 5, true));
            assert!(parts[0].data == payload);
        }
    }

    #[test]
    fn what_makes_no_sense_is_an_error() {
        let good = framed(&WriteRequest { data: vec![1; 100_000], ..Default::default() });
        assert_eq!(parts(&good[..90_000], 1000).unwrap_err().code(), Code::Cancelled);
        assert_eq!(parts(&good[..3], 1000).unwrap_err().code(), Code::Cancelled);
        assert_eq!(parts(&[1, 0, 0, 0, 0], 10).unwrap_err().code(), Code::Unimplemented);
        assert_eq!(parts(&[0, 1, 0, 0, 0], 10).unwrap_err().code(), Code::OutOfRange);
        assert_eq!(parts(&[0, 0, 0, 0, 1, 0xff], 10).unwrap_err().code(), Code::InvalidArgument);
        let mut garbage = vec![0, 0, 2, 0, 0];
        garbage.extend(vec![0xff; 0x20000]);
        assert_eq!(parts(&garbage, 100).unwrap_err().code(), Code::InvalidArgument);
        assert_eq!(parts(&[], 1).unwrap(), []);
    }

    #[test]
    fn answers_are_messages() {
        use crate::cas::api::bytestream::ReadResponse;
        for size in [0, 1, 127, 128, 1 << 20] {
            let mut bytes = answer(size);
            bytes.extend(vec![3; size]);
            let (header, body) = bytes.split_at(5);
            assert_eq!(length(header).unwrap(), body.len());
            assert_eq!(ReadResponse::decode(body).unwrap().data, vec![3; size]);
        }
    }
}
