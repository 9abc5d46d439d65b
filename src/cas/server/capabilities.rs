//! The service `Capabilities`: what this server keeps to.

use tonic::{Request, Response, Status};

use super::auth::Rights;
use super::requests::PAYLOAD;
use crate::cas::api::reapi::capabilities_server::Capabilities;
use crate::cas::api::reapi::{
    ActionCacheUpdateCapabilities, CacheCapabilities, GetCapabilitiesRequest, ServerCapabilities, compressor,
    digest_function, symlink_absolute_path_strategy,
};
use crate::cas::api::semver::SemVer;

/// The service.
#[derive(Debug)]
pub(super) struct Offer {
    pub(super) max_size: u64,
}

#[tonic::async_trait]
impl Capabilities for Offer {
    async fn get_capabilities(
        &self,
        request: Request<GetCapabilitiesRequest>,
    ) -> Result<Response<ServerCapabilities>, Status> {
        let version = |minor| Some(SemVer { major: 2, minor, ..Default::default() });
        let cache = CacheCapabilities {
            digest_functions: vec![digest_function::Value::Sha256 as i32],
            action_cache_update_capabilities: Some(ActionCacheUpdateCapabilities {
                update_enabled: Rights::of(&request).write,
            }),
            max_batch_total_size_bytes: PAYLOAD.cast_signed(),
            symlink_absolute_path_strategy: symlink_absolute_path_strategy::Value::Allowed as i32,
            supported_compressors: vec![compressor::Value::Zstd as i32],
            supported_batch_update_compressors: vec![compressor::Value::Zstd as i32],
            max_cas_blob_size_bytes: self.max_size.cast_signed(),
            ..Default::default()
        };
        Ok(Response::new(ServerCapabilities {
            cache_capabilities: Some(cache),
            low_api_version: version(0),
            high_api_version: version(3),
            ..Default::default()
        }))
    }
}
