//! What stands before every service: who is asking, and how much is done at a time.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Semaphore;
use tonic::Status;
use tonic::body::Body;
use tonic::codegen::{BoxFuture, Context, Poll, Service, http};
use tonic::server::NamedService;

use super::auth::Keys;
use super::peer::{Held, Peer};

/// A service behind the guard.
#[derive(Clone)]
pub(super) struct Guarded<S> {
    pub(super) inner: S,
    pub(super) keys: Arc<Keys>,
    /// How many requests are served at a time, each in how much time. Until a request is let in, nothing of it is
    /// read, and it counts until the client has its answer. `None` where the service has its own limits.
    pub(super) limit: Option<(Arc<Semaphore>, Duration)>,
}

impl<S: NamedService> NamedService for Guarded<S> {
    const NAME: &'static str = S::NAME;
}

impl<S> Service<http::Request<Body>> for Guarded<S>
where
    S: Service<http::Request<Body>, Response = http::Response<Body>, Error = Infallible> + Clone + Send + 'static,
    S::Future: Send + 'static,
{
    type Response = http::Response<Body>;
    type Error = Infallible;
    type Future = BoxFuture<Self::Response, Infallible>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        self.inner.poll_ready(context)
    }

    fn call(&mut self, mut request: http::Request<Body>) -> Self::Future {
        match self.keys.rights(request.headers()) {
            Ok(rights) => request.extensions_mut().insert(rights),
            Err(status) => return Box::pin(async move { Ok(status.into_http()) }),
        };
        let peer = request.extensions().get::<Peer>().cloned();
        if let Some(peer) = &peer {
            peer.introduced();
        }
        // The one that was asked whether it is ready is the one to be called.
        let next = self.inner.clone();
        let mut inner = std::mem::replace(&mut self.inner, next);
        let limit = self.limit.clone();
        Box::pin(async move {
            let Some((requests, patience)) = limit else {
                return Ok(inner.call(request).await?.map(|body| Held::around(body, peer.as_ref(), None)));
            };
            let Ok(permit) = requests.acquire_owned().await else {
                return Ok(Status::unavailable("this server is ending").into_http());
            };
            match tokio::time::timeout(patience, inner.call(request)).await {
                Ok(response) => Ok(response?.map(|body| Held::around(body, peer.as_ref(), Some(permit)))),
                Err(_) => Ok(Status::deadline_exceeded("the request took too long to arrive").into_http()),
            }
        })
    }
}
