//! The service `google.bytestream.ByteStream`, put together by hand so that its messages can be ours.

use std::convert::Infallible;
use std::sync::Arc;

use tokio::sync::Semaphore;
use tonic::body::Body;
use tonic::codegen::{BoxFuture, Context, Poll, Service, http};
use tonic::server::{ClientStreamingService, Grpc, NamedService, ServerStreamingService, UnaryService};
use tonic::{Request, Response, Status, Streaming};

use super::auth::Rights;
use super::messages::{Messages, ReadResponse, WriteRequest};
use super::read::{ReadStream, Reading};
use super::requests::MESSAGE;
use super::write::Writing;
use crate::cas::api::bytestream::{QueryWriteStatusRequest, QueryWriteStatusResponse, ReadRequest, WriteResponse};

/// The service.
#[derive(Clone)]
pub(super) struct ByteStream {
    pub(super) reading: Reading,
    pub(super) writing: Writing,
    /// How many streams are served at a time; others wait.
    pub(super) streams: Arc<Semaphore>,
}

impl NamedService for ByteStream {
    const NAME: &'static str = "google.bytestream.ByteStream";
}

impl Service<http::Request<Body>> for ByteStream {
    type Response = http::Response<Body>;
    type Error = Infallible;
    type Future = BoxFuture<Self::Response, Infallible>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: http::Request<Body>) -> Self::Future {
        let this = self.clone();
        Box::pin(async move {
            Ok(match request.uri().path().rsplit('/').next() {
                Some("Read") => {
                    Grpc::new(Messages::<ReadResponse, ReadRequest>::default())
                        .server_streaming(Read(this), request)
                        .await
                }
                Some("Write") => {
                    Grpc::new(Messages::<WriteResponse, WriteRequest>::default())
                        .max_decoding_message_size(MESSAGE)
                        .client_streaming(Write(this), request)
                        .await
                }
                Some("QueryWriteStatus") => {
                    Grpc::new(Messages::<QueryWriteStatusResponse, QueryWriteStatusRequest>::default())
                        .unary(Query(this), request)
                        .await
                }
                _ => Status::unimplemented("ByteStream has no such method").into_http(),
            })
        })
    }
}

struct Read(ByteStream);
struct Write(ByteStream);
struct Query(ByteStream);

impl ServerStreamingService<ReadRequest> for Read {
    type Response = ReadResponse;
    type ResponseStream = ReadStream;
    type Future = BoxFuture<Response<ReadStream>, Status>;

    fn call(&mut self, request: Request<ReadRequest>) -> Self::Future {
        let ByteStream { reading, streams, .. } = self.0.clone();
        Box::pin(async move {
            let permit = streams.acquire_owned().await.map_err(|_| ending())?;
            reading.read(request.into_inner(), permit).await.map(Response::new)
        })
    }
}

impl ClientStreamingService<WriteRequest> for Write {
    type Response = WriteResponse;
    type Future = BoxFuture<Response<WriteResponse>, Status>;

    fn call(&mut self, request: Request<Streaming<WriteRequest>>) -> Self::Future {
        let ByteStream { writing, streams, .. } = self.0.clone();
        Box::pin(async move {
            Rights::of(&request).check_write()?;
            let _permit = streams.acquire_owned().await.map_err(|_| ending())?;
            writing.write(request.into_inner()).await.map(Response::new)
        })
    }
}

impl UnaryService<QueryWriteStatusRequest> for Query {
    type Response = QueryWriteStatusResponse;
    type Future = BoxFuture<Response<QueryWriteStatusResponse>, Status>;

    fn call(&mut self, request: Request<QueryWriteStatusRequest>) -> Self::Future {
        let writing = self.0.writing.clone();
        Box::pin(async move { writing.status(&request.into_inner().resource_name).await.map(Response::new) })
    }
}

fn ending() -> Status {
    Status::unavailable("this server is ending")
}
