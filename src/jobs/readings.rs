//! Every reading of what services say, for whoever wants to see that none of them can be upset.

use crate::playbook::MlTask;
use crate::ports::{Answer, CallbackVerdict};

use super::answers::{self, ProgressAnswer, StartAnswer};
use super::{automl, callbacks, ingestion};

/// Longest text that is kept of a service's words, with those that are put before them.
const LONGEST: usize = 400;

/// Reads an answer as the answer to everything that is ever asked.
///
/// *Panics* when a text that would be kept of it is too long or has control characters.
pub fn read_everything(status: u16, body: &str) {
    let answer = Answer { status, body: body.to_owned() };
    answers::is_no_verdict(&answer);
    if let StartAnswer::Refused(text) | StartAnswer::Failed(text) = answers::start(&answer) {
        may_be_kept(&text);
    }
    match answers::progress(&answer) {
        ProgressAnswer::Done(value) => {
            for task in [MlTask::Classification, MlTask::Regression, MlTask::Clustering] {
                if let Err(failure) = automl::read(task, &value) {
                    may_be_kept(&failure.message);
                }
            }
        }
        ProgressAnswer::Failed(text) | ProgressAnswer::NoVerdict(text) | ProgressAnswer::Unusable(text) => {
            may_be_kept(&text);
        }
        ProgressAnswer::Running | ProgressAnswer::UnknownId => {}
    }
    if let Err(failure) = ingestion::read_features(&answer) {
        may_be_kept(&failure.message);
    }
    if let CallbackVerdict::Error { message } = callbacks::error(Some(body)) {
        may_be_kept(&message);
    }
}

#[track_caller]
fn may_be_kept(text: &str) {
    assert!(text.chars().count() <= LONGEST, "too long: {text}");
    assert!(!text.contains(char::is_control), "with control characters: {text:?}");
}
