//! Results of actions.

use tonic::Code;

use super::RemoteError;
use super::client::Client;
use crate::cas::Digest;
use crate::cas::api::reapi;
use crate::cas::api::reapi::digest_function::Value as DigestFunction;

impl Client {
    pub(super) async fn action_result(&self, action: &Digest) -> Result<Option<reapi::ActionResult>, RemoteError> {
        let request = reapi::GetActionResultRequest {
            instance_name: self.options.instance.clone(),
            action_digest: Some((*action).into()),
            digest_function: DigestFunction::Sha256 as i32,
            ..reapi::GetActionResultRequest::default()
        };
        let answer = self
            .ask(|| {
                let mut service = self.connection.actions();
                let request = request.clone();
                async move { service.get_action_result(request).await }
            })
            .await;
        match answer {
            Ok(result) => Ok(Some(result)),
            Err(status) => match status.code() {
                Code::NotFound => Ok(None),
                Code::Unimplemented => Err(self.no_results()),
                _ => Err(self.refused("look up the result of an action", &status)),
            },
        }
    }

    pub(super) async fn update_action_result(
        &self,
        action: &Digest,
        result: reapi::ActionResult,
    ) -> Result<(), RemoteError> {
        if self.capabilities.takes_results == Some(false) {
            return Err(self.takes_no_results());
        }
        let request = reapi::UpdateActionResultRequest {
            instance_name: self.options.instance.clone(),
            action_digest: Some((*action).into()),
            action_result: Some(result),
            digest_function: DigestFunction::Sha256 as i32,
            ..reapi::UpdateActionResultRequest::default()
        };
        let answer = self
            .ask(|| {
                let mut service = self.connection.actions();
                let request = request.clone();
                async move { service.update_action_result(request).await }
            })
            .await;
        match answer {
            Ok(_) => Ok(()),
            Err(status) if status.code() == Code::Unimplemented => Err(self.takes_no_results()),
            Err(status) => Err(self.refused("take the result of an action", &status)),
        }
    }

    fn no_results(&self) -> RemoteError {
        RemoteError::Unsupported { endpoint: self.options.endpoint.clone(), what: "a cache of results of actions" }
    }

    fn takes_no_results(&self) -> RemoteError {
        RemoteError::Unsupported {
            endpoint: self.options.endpoint.clone(),
            what: "to take results of actions from its clients",
        }
    }
}
