//! What the server has asked, and under which id of ours: a session that is begun anew numbers its questions anew, and an answer must not
//! reach another question than the one the user has seen.

use std::collections::BTreeMap;

use parking_lot::Mutex;

use crate::protocol::RequestId;

/// Questions that may be open at once. The gateway lets fewer pass.
const MAX_OPEN: usize = 64;

/// Those of one client.
#[derive(Debug, Default)]
pub(super) struct Questions(Mutex<Open>);

#[derive(Debug, Default)]
struct Open {
    questions: BTreeMap<i64, Question>,
    asked: i64,
}

#[derive(Debug)]
struct Question {
    id: RequestId,
    /// Which session it was asked in.
    session: u64,
}

impl Questions {
    /// Our id for one; `None` when too many are open.
    pub(super) fn ask(&self, session: u64, id: &RequestId) -> Option<i64> {
        let mut open = self.0.lock();
        if open.questions.len() >= MAX_OPEN {
            return None;
        }
        open.asked += 1;
        let ours = open.asked;
        open.questions.insert(ours, Question { id: id.clone(), session });
        Some(ours)
    }

    /// Takes the one that is answered by that id of ours, if it was asked in this session.
    pub(super) fn answer(&self, session: u64, ours: &RequestId) -> Option<RequestId> {
        let question = self.0.lock().questions.remove(&ours.as_json().parse().ok()?)?;
        (question.session == session).then_some(question.id)
    }

    /// Takes the one that the server no longer wants answered; our id for it.
    pub(super) fn withdraw(&self, session: u64, theirs: &RequestId) -> Option<i64> {
        let mut open = self.0.lock();
        let found = open.questions.iter().find(|(_, question)| question.session == session && question.id == *theirs);
        let ours = found.map(|(ours, _)| *ours)?;
        open.questions.remove(&ours);
        Some(ours)
    }

    /// Takes all that nobody waits for any more, because their session is over; our ids for them.
    pub(super) fn forget_before(&self, session: u64) -> Vec<i64> {
        let mut open = self.0.lock();
        let over: Vec<_> =
            open.questions.iter().filter(|(_, question)| question.session < session).map(|(ours, _)| *ours).collect();
        for ours in &over {
            open.questions.remove(ours);
        }
        over
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
    fn an_answer_reaches_the_question_it_was_given_to_and_no_other() {
        let questions = Questions::default();
        let first = questions.ask(1, &id("1")).unwrap();
        let again = questions.ask(2, &id("1")).unwrap();
        assert_ne!(first, again, "the same number in another session is another question");
        assert_eq!(questions.answer(2, &id(&first.to_string())), None, "its session is over");
        assert_eq!(questions.answer(2, &id(&format!(r#""{again}""#))), None, "a string is not the number");
        assert_eq!(questions.answer(2, &id(&again.to_string())), Some(id("1")));
        assert_eq!(questions.answer(2, &id(&again.to_string())), None, "again");
    }

    #[test]
    fn what_is_withdrawn_or_over_is_named_by_our_ids() {
        let questions = Questions::default();
        let one = questions.ask(1, &id("7")).unwrap();
        let two = questions.ask(1, &id(r#""x""#)).unwrap();
        assert_eq!(questions.withdraw(1, &id("8")), None);
        assert_eq!(questions.withdraw(1, &id("7")), Some(one));
        assert_eq!(questions.forget_before(2), [two]);
        assert!(questions.forget_before(2).is_empty());
    }

    #[test]
    fn the_number_of_open_questions_is_bounded() {
        let questions = Questions::default();
        for number in 0..MAX_OPEN {
            assert!(questions.ask(1, &id(&number.to_string())).is_some());
        }
        assert_eq!(questions.ask(1, &id("1000")), None);
    }
}
