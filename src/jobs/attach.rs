//! What an attempt makes of the starts that earlier lives of the process intended for it (decision 12). Pure.

use crate::chaos::{self, Bug};
use crate::playbook::job::Service;
use crate::ports::KnownStart;

/// How to go on with a start that was intended: what may have happened is asked about before anything is sent again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Attach {
    /// Ask how the job is getting on; if the start was not answered and the service does not know it, send the same again.
    Follow,
    /// Ask once; unless the service knows it, start it again under another id.
    AskOnce,
    /// Start it again under another id without asking.
    StartAgain,
}

/// The last start that was intended at a service.
pub fn known_start(known: &[KnownStart], service: Service) -> Option<&KnownStart> {
    known.iter().rev().find(|known| known.service == service && !chaos::seeded(Bug::BlindRepost))
}

/// How to go on with it, by the class of its service.
pub fn attach(known: &KnownStart) -> Attach {
    match known.service {
        _ if known.acknowledged => Attach::Follow,
        // an unknown id wedges the only worker of the function service: it is never asked
        Service::Function => Attach::StartAgain,
        Service::Automl => Attach::AskOnce,
        Service::Cleaning | Service::Join | Service::Ingestion | Service::DataSink | Service::Spark => Attach::Follow,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ports::SuccessDetails;

    fn start(service: Service, wire_id: &str, acknowledged: bool) -> KnownStart {
        KnownStart {
            attempt: 1,
            service,
            wire_id: wire_id.to_owned(),
            acknowledged,
            details: SuccessDetails::default(),
        }
    }

    #[test]
    fn the_last_start_at_the_service_counts() {
        let known = [
            start(Service::Automl, "7", true),
            start(Service::Function, "7", false),
            start(Service::Function, "7-b", false),
        ];
        assert_eq!(known_start(&known, Service::Function), Some(&known[2]));
        assert_eq!(known_start(&known, Service::Automl), Some(&known[0]));
        assert_eq!(known_start(&known, Service::Spark), None);
    }

    #[test]
    fn only_services_that_can_be_asked_are_asked() {
        for (service, unanswered) in [
            (Service::Cleaning, Attach::Follow),
            (Service::Join, Attach::Follow),
            (Service::Ingestion, Attach::Follow),
            (Service::Function, Attach::StartAgain),
            (Service::Automl, Attach::AskOnce),
        ] {
            assert_eq!(attach(&start(service, "7", false)), unanswered);
            assert_eq!(attach(&start(service, "7", true)), Attach::Follow, "an answered start is never sent again");
        }
    }
}
