//! What a service says by itself about the end of a job, where it was told an address for that.

use std::time::Duration;

use actix_web::rt::time::sleep;
use serde_json::{Value, json};

/// Pauses between tries; after the last one the service gives up and waits to be asked.
const PAUSES: [Duration; 4] =
    [Duration::from_millis(50), Duration::from_millis(200), Duration::from_millis(800), Duration::from_secs(2)];

/// Where to call.
pub(super) struct Callback {
    pub(super) client: awc::Client,
    pub(super) address: String,
}

impl Callback {
    /// Says that the job is complete, or its error. An answer of any status below 500 is taken for an answer.
    pub(super) async fn call(self, said: Result<(), Option<String>>) {
        let body = match said {
            Ok(()) => json!({"status": "complete"}),
            Err(None) => json!({"status": "error"}),
            Err(Some(message)) => json!({"status": "error", "message": message}),
        };
        for pause in PAUSES {
            if self.is_answered(&body).await {
                return;
            }
            sleep(pause).await;
        }
        log::warn!("nobody takes the callback");
    }

    async fn is_answered(&self, body: &Value) -> bool {
        let answer = self.client.post(&self.address).send_json(body).await;
        answer.is_ok_and(|answer| answer.status().as_u16() < 500)
    }
}
