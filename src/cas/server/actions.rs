//! The service `ActionCache`.

use std::collections::HashSet;
use std::sync::Arc;

use prost::Message as _;
use tonic::{Request, Response, Status};

use super::auth::Rights;
use super::requests::{self, MESSAGE, PAYLOAD, blocking};
use super::results;
use super::storage::{Refused, Storage};
use super::uploads::Uploads;
use crate::cas::Digest;
use crate::cas::api::reapi::action_cache_server::ActionCache;
use crate::cas::api::reapi::{self, ActionResult, GetActionResultRequest, UpdateActionResultRequest};

/// The service.
#[derive(Debug)]
pub(super) struct Actions {
    pub(super) storage: Arc<Storage>,
    pub(super) uploads: Arc<Uploads>,
}

#[tonic::async_trait]
impl ActionCache for Actions {
    async fn get_action_result(
        &self,
        request: Request<GetActionResultRequest>,
    ) -> Result<Response<ActionResult>, Status> {
        let request = request.into_inner();
        requests::function(request.digest_function)?;
        let action = requests::digest(request.action_digest.as_ref())?;
        let key = results::key(&request.instance_name, &action);
        let storage = Arc::clone(&self.storage);
        let found = blocking(move || {
            let found = storage.result(&key).map_err(|error| requests::store_error(&storage, &error))?;
            Ok::<_, Status>(found.map(|mut result| {
                inline(&storage, &request, &mut result);
                result
            }))
        });
        let found = found.await??;
        found.map(Response::new).ok_or_else(|| Status::not_found(format!("no result of {action} is known")))
    }

    async fn update_action_result(
        &self,
        request: Request<UpdateActionResultRequest>,
    ) -> Result<Response<ActionResult>, Status> {
        Rights::of(request.extensions()).check_write()?;
        let request = request.into_inner();
        requests::function(request.digest_function)?;
        let action = requests::digest(request.action_digest.as_ref())?;
        let result = request.action_result.ok_or_else(|| Status::invalid_argument("there is no result"))?;
        let key = results::key(&request.instance_name, &action);
        let (storage, uploads) = (Arc::clone(&self.storage), Arc::clone(&self.uploads));
        let stored = blocking(move || {
            let kept = keep_contents(&uploads, result.clone())?;
            let put = match storage.put_result(&key, &kept) {
                Err(results::Unfit::Refused(Refused::NoRoom)) => {
                    uploads.drop_idle();
                    storage.put_result(&key, &kept)
                }
                answer => answer,
            };
            put.map_err(|error| requests::unfit(&storage, &error))?;
            Ok::<_, Status>(result)
        });
        stored.await?.map(Response::new)
    }
}

// Contents that came with the result become blobs of their own.
fn keep_contents(uploads: &Uploads, mut result: ActionResult) -> Result<ActionResult, Status> {
    let add = |digest: Option<&reapi::Digest>, bytes: &[u8]| -> Result<(), Status> {
        uploads.add(&requests::digest(digest)?, bytes)
    };
    for file in &mut result.output_files {
        if !file.contents.is_empty() {
            add(file.digest.as_ref(), &std::mem::take(&mut file.contents))?;
        }
    }
    for (raw, digest) in
        [(&mut result.stdout_raw, &mut result.stdout_digest), (&mut result.stderr_raw, &mut result.stderr_digest)]
    {
        if !raw.is_empty() {
            let bytes = std::mem::take(raw);
            let digest = digest.get_or_insert_with(|| Digest::of(&bytes).into());
            add(Some(digest), &bytes)?;
        }
    }
    Ok(result)
}

// Puts contents that are asked for into the answer, as far as it does not get too large.
fn inline(storage: &Storage, request: &GetActionResultRequest, result: &mut ActionResult) {
    let mut left = (MESSAGE - 64 * 1024).saturating_sub(result.encoded_len()) as u64;
    let mut content = |digest: Option<&reapi::Digest>| -> Option<Vec<u8>> {
        let digest = Digest::try_from(digest?).ok().filter(|digest| digest.size > 0 && digest.size <= PAYLOAD)?;
        let rest = left.checked_sub(digest.size + 16)?;
        // It is a hint: what cannot be read now is read by its digest.
        let bytes = storage.read_unmarked(&digest).ok()?;
        left = rest;
        Some(bytes)
    };
    if request.inline_stdout {
        result.stdout_raw = content(result.stdout_digest.as_ref()).unwrap_or_default();
    }
    if request.inline_stderr {
        result.stderr_raw = content(result.stderr_digest.as_ref()).unwrap_or_default();
    }
    let wanted: HashSet<&String> = request.inline_output_files.iter().collect();
    for file in &mut result.output_files {
        if wanted.contains(&file.path) {
            file.contents = content(file.digest.as_ref()).unwrap_or_default();
        }
    }
}
