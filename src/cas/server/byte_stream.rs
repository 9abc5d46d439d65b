//! The service `google.bytestream.ByteStream`, put together by hand so that what it carries is not copied.

use std::convert::Infallible;
use std::sync::Arc;

use tokio::sync::Semaphore;
use tonic::Status;
use tonic::body::Body;
use tonic::codegen::{BoxFuture, Context, Poll, Service, http};
use tonic::server::NamedService;

use super::auth::Rights;
use super::messages::{self, Parts};
use super::read::Reading;
use super::write::Writing;
use crate::cas::api::bytestream::QueryWriteStatusRequest;

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
            let method = request.uri().path().rsplit('/').next().unwrap_or_default().to_owned();
            let answered = match method.as_str() {
                "Read" => this.read(request).await,
                "Write" => this.write(request).await,
                "QueryWriteStatus" => this.query(request).await,
                _ => Err(Status::unimplemented("ByteStream has no such method")),
            };
            Ok(answered.unwrap_or_else(|status| status.into_http()))
        })
    }
}

impl ByteStream {
    async fn read(self, request: http::Request<Body>) -> Result<http::Response<Body>, Status> {
        let permit = self.streams.acquire_owned().await.map_err(|_| ending())?;
        let wanted = messages::request(request.into_body(), self.reading.patience).await?;
        Ok(messages::response(self.reading.read(wanted).await?, Some(permit)))
    }

    async fn write(self, request: http::Request<Body>) -> Result<http::Response<Body>, Status> {
        Rights::of(request.extensions()).check_write()?;
        let _permit = self.streams.acquire_owned().await.map_err(|_| ending())?;
        let written = self.writing.write(Parts::new(request.into_body())).await?;
        Ok(messages::reply(&written))
    }

    async fn query(self, request: http::Request<Body>) -> Result<http::Response<Body>, Status> {
        let QueryWriteStatusRequest { resource_name } =
            messages::request(request.into_body(), self.reading.patience).await?;
        Ok(messages::reply(&self.writing.status(&resource_name).await?))
    }
}

fn ending() -> Status {
    Status::unavailable("this server is ending")
}
