//! What a server has asked of a client in a session, and under which id of ours: the two sides number their requests apart, and what
//! comes back by an id that we have not given is no answer.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

use crate::chain::Responder;
use crate::protocol::{Asked, RequestId};

/// Questions of one session that may be open at once.
const MAX_OPEN: usize = 32;

/// How long one may stay open. A user takes their time; a server has its own.
const LIFE: Duration = Duration::from_hours(1);

/// Those of one session.
#[derive(Debug, Default)]
pub(super) struct Questions {
    open: BTreeMap<u64, Question>,
    asked: u64,
}

/// One that is open.
#[derive(Clone, Debug)]
pub struct Question {
    /// The id under which the server waits for the answer.
    pub id: RequestId,
    /// What it has asked.
    pub asked: Asked,
    /// By which token it wants to hear how far the client is.
    pub token: Option<RequestId>,
    /// Tells the server that no answer comes, where that can be told.
    pub responder: Option<Arc<dyn Responder>>,
    since: Instant,
}

impl Questions {
    /// Our id for one; `None` when too many are open.
    pub(super) fn ask(
        &mut self,
        id: &RequestId,
        asked: Asked,
        token: Option<RequestId>,
        responder: Option<Arc<dyn Responder>>,
    ) -> Option<u64> {
        let now = Instant::now();
        self.open.retain(|_, question| now.duration_since(question.since) <= LIFE);
        if self.open.len() >= MAX_OPEN {
            return None;
        }
        self.asked += 1;
        self.open.insert(self.asked, Question { id: id.clone(), asked, token, responder, since: now });
        Some(self.asked)
    }

    /// Takes the one of that id of ours.
    pub(super) fn answer(&mut self, ours: &RequestId) -> Option<Question> {
        let question = self.open.remove(&ours.as_json().parse().ok()?)?;
        (question.since.elapsed() <= LIFE).then_some(question)
    }

    /// The server's token of one that is open, by that number of ours.
    pub(super) fn token_of(&self, ours: &RequestId) -> Option<RequestId> {
        self.open.get(&ours.as_json().parse().ok()?)?.token.clone()
    }

    /// Puts one back whose answer did not get through.
    pub(super) fn restore(&mut self, ours: &RequestId, question: Question) {
        if let (Ok(ours), true) = (ours.as_json().parse(), self.open.len() < MAX_OPEN) {
            self.open.insert(ours, question);
        }
    }

    /// Takes the one that the server no longer wants answered; our id for it.
    pub(super) fn withdraw(&mut self, theirs: &RequestId) -> Option<u64> {
        let ours = self.open.iter().find(|(_, question)| question.id == *theirs).map(|(ours, _)| *ours)?;
        self.open.remove(&ours);
        Some(ours)
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::*;
    use crate::protocol::json::{Document, Limits};

    fn id(json: &str) -> RequestId {
        let document = Document::parse(Bytes::copy_from_slice(json.as_bytes()), Limits::default()).unwrap();
        RequestId::read(document.root()).unwrap()
    }

    #[test]
    fn a_question_is_answered_once_and_by_our_id_only() {
        let mut questions = Questions::default();
        let ours = questions.ask(&id(r#""theirs""#), Asked::Elicitation, Some(id(r#""t""#)), None).unwrap();
        assert!(questions.answer(&id(r#""theirs""#)).is_none(), "the server's id");
        assert!(questions.answer(&id(&format!(r#""{ours}""#))).is_none(), "a string is not the number");
        assert_eq!(questions.token_of(&id(&ours.to_string())), Some(id(r#""t""#)));
        let answered = questions.answer(&id(&ours.to_string())).unwrap();
        assert_eq!(questions.token_of(&id(&ours.to_string())), None, "nobody waits for it any more");
        assert_eq!((answered.id.as_json(), answered.asked), (r#""theirs""#, Asked::Elicitation));
        assert!(questions.answer(&id(&ours.to_string())).is_none(), "again");
        questions.restore(&id(&ours.to_string()), answered);
        assert!(questions.answer(&id(&ours.to_string())).is_some(), "the answer did not get through");
    }

    #[test]
    fn a_server_withdraws_its_own_question() {
        let mut questions = Questions::default();
        let ours = questions.ask(&id("7"), Asked::Sampling, None, None).unwrap();
        assert_eq!(questions.withdraw(&id("8")), None);
        assert_eq!(questions.withdraw(&id("7")), Some(ours));
        assert!(questions.answer(&id(&ours.to_string())).is_none());
    }

    #[tokio::test(start_paused = true)]
    async fn open_questions_are_bounded_and_do_not_stay() {
        let mut questions = Questions::default();
        for number in 0..MAX_OPEN {
            assert!(questions.ask(&id(&number.to_string()), Asked::Roots, None, None).is_some());
        }
        assert_eq!(questions.ask(&id("100"), Asked::Roots, None, None), None);
        tokio::time::advance(LIFE + Duration::from_secs(1)).await;
        assert!(questions.answer(&id("1")).is_none(), "one from over an hour ago");
        assert!(questions.ask(&id("100"), Asked::Roots, None, None).is_some());
    }
}
