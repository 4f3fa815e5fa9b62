//! Whether a condition holds for a call.
//!
//! Pure, total and bounded: every step is counted, what loops go through is limited, and what came with the call is read where it
//! lies. A mistake is a value, and CEL's rules say what becomes of it: `false && mistake` is false, `true || mistake` is true,
//! everything else that looks at a mistake is one. What is not known yet behaves the same way, so that a condition which does not
//! come to need the arguments is decided without them.

use crate::decide::arguments::are_alike;
use crate::decide::facts::{Arguments, Facts};
use crate::decide::outcome::{Budget, Failure, Outcome, Stop, TYPE};
use crate::decide::values::{Text, Texts, Val};
use crate::policy::condition::{Comprehension, Condition, Constant, Expr, Quantifier, Variable};
use crate::protocol::json::{self, Kind};

/// Most steps of one condition.
const MAX_STEPS: usize = 10_000;
/// Most arguments of a call that a condition looks at.
pub(super) const MAX_ITEMS: usize = 1_000;
/// Most text of the arguments that a condition names, in bytes.
pub(super) const MAX_TEXT: usize = 64 * 1024;
/// How much text is looked at in one step.
const TEXT_STEP: usize = 256;
/// How many names of members are.
const NAMES_STEP: usize = 16;

const MISSING: Stop = Stop::Failed(Failure::Missing);

impl Condition {
    /// Whether it holds for these facts, by itself.
    pub fn holds(&self, facts: &Facts<'_>) -> Outcome {
        self.holds_within(facts, &Budget::default())
    }

    /// The same for one of several conditions that a decision asks.
    pub fn holds_within(&self, facts: &Facts<'_>, budget: &Budget) -> Outcome {
        let mut evaluation =
            Evaluation { condition: self, facts, budget, steps: 0, locals: Vec::new(), arguments: None, text: 0 };
        match evaluation.truth(self.expr()) {
            Ok(true) => Outcome::Holds,
            Ok(false) => Outcome::HoldsNot,
            Err(Stop::Failed(failure)) => Outcome::Failed(failure),
            Err(Stop::Unknown) => Outcome::Unknown,
        }
    }
}

/// An argument that the condition names, once the call was looked through for it.
#[derive(Clone, Copy)]
struct Found<'e> {
    value: Option<json::Value<'e>>,
    /// Its text is counted already.
    counted: bool,
}

/// One evaluation.
pub(super) struct Evaluation<'e> {
    condition: &'e Condition,
    facts: &'e Facts<'e>,
    budget: &'e Budget,
    steps: usize,
    /// The items of the loops that are open.
    locals: Vec<Result<Val<'e>, Stop>>,
    /// The arguments that the condition names, found in one go.
    arguments: Option<Vec<Found<'e>>>,
    /// How much text of arguments was looked at.
    text: usize,
}

impl<'e> Evaluation<'e> {
    pub(super) fn charge(&mut self, steps: usize) -> Result<(), Stop> {
        self.steps = self.steps.saturating_add(steps);
        let affordable = self.budget.take(steps) && self.steps <= MAX_STEPS;
        if affordable { Ok(()) } else { Err(Stop::Failed(Failure::Steps)) }
    }

    pub(super) fn charge_text(&mut self, bytes: usize) -> Result<(), Stop> {
        self.charge(bytes / TEXT_STEP)
    }

    pub(super) fn eval(&mut self, expr: &'e Expr) -> Result<Val<'e>, Stop> {
        self.charge(1)?;
        match expr {
            Expr::And(operands) => self.logical(operands, false).map(Val::Bool),
            Expr::Argument(at) => self.argument(*at),
            Expr::Arguments => self.all_arguments(),
            Expr::Attribute(name) => self.attribute(name).map(Val::lent).ok_or(MISSING),
            Expr::Binary(operator, sides) => self.binary(*operator, sides),
            Expr::BusinessHours(hours) => self.business_hours(hours),
            Expr::Call(function, operands) => self.call(*function, operands),
            Expr::Choice(parts) => {
                let [condition, yes, no] = parts.as_ref();
                let chosen = if self.truth(condition)? { yes } else { no };
                self.eval(chosen)
            }
            Expr::Comprehension(comprehension) => self.comprehension(comprehension),
            Expr::Constant(constant) => Ok(constant_value(constant)),
            Expr::Has(of) => self.has(of).map(Val::Bool),
            Expr::InNetwork(address, network) => self.in_network(address, network),
            Expr::Index(sides) => self.index(sides),
            Expr::List(items) => self.list(items),
            Expr::Local(at) => self.locals.get(*at).cloned().unwrap_or(Err(MISSING)),
            Expr::Matches(text, pattern) => {
                let text = self.text(text)?;
                self.charge(text.as_str().len() / (TEXT_STEP / 8))?;
                Ok(Val::Bool(pattern.is_match(text.as_str())))
            }
            Expr::Member(of, name) => {
                let of = self.eval(of)?;
                self.member(&of, name)?.map_or(Err(MISSING), Val::load)
            }
            Expr::Negate(of) => self.negate(of),
            Expr::Not(of) => self.truth(of).map(|value| Val::Bool(!value)),
            Expr::Or(operands) => self.logical(operands, true).map(Val::Bool),
            Expr::Part(part, of, zone) => self.part(*part, of, zone.as_ref()),
            Expr::Variable(variable) => self.variable(*variable),
        }
    }

    /// A value that must be true or false.
    pub(super) fn truth(&mut self, expr: &'e Expr) -> Result<bool, Stop> {
        if let Val::Bool(value) = self.eval(expr)? { Ok(value) } else { Err(TYPE) }
    }

    pub(super) fn text(&mut self, expr: &'e Expr) -> Result<Text<'e>, Stop> {
        if let Val::Text(text) = self.eval(expr)? { Ok(text) } else { Err(TYPE) }
    }

    /// `decisive` settles it, whatever the others are.
    fn logical(&mut self, operands: &'e [Expr], decisive: bool) -> Result<bool, Stop> {
        let mut stopped: Option<Stop> = None;
        for operand in operands {
            match self.truth(operand) {
                Ok(value) if value == decisive => return Ok(decisive),
                Ok(_) => {}
                Err(stop) if stop.is_final() => return Err(stop),
                Err(stop) => stopped = Some(stopped.map_or(stop, |first| first.logical(stop))),
            }
        }
        stopped.map_or(Ok(!decisive), Err)
    }

    fn list(&mut self, items: &'e [Expr]) -> Result<Val<'e>, Stop> {
        let mut values = Vec::with_capacity(items.len());
        let mut stopped: Option<Stop> = None;
        for item in items {
            match self.eval(item) {
                Ok(value) => values.push(value),
                Err(stop) if stop.is_final() => return Err(stop),
                Err(stop) => stopped = Some(stopped.map_or(stop, |first| first.strict(stop))),
            }
        }
        stopped.map_or_else(|| Ok(Val::List(values.into())), Err)
    }

    fn variable(&self, variable: Variable) -> Result<Val<'e>, Stop> {
        let Facts { principal, access, server, .. } = self.facts;
        let maybe = |text: Option<&'e str>| text.map(Val::lent).ok_or(MISSING);
        let own = |texts: &'e [String]| Ok(Val::Texts(Texts::Own(texts)));
        match variable {
            Variable::AccessMethod => Ok(Val::lent(access.method)),
            Variable::AccessOperation => Ok(Val::lent(access.operation)),
            Variable::AccessPrompt => maybe(access.prompt),
            Variable::AccessResource => maybe(access.resource),
            Variable::AccessTarget => maybe(access.target()),
            Variable::AccessTool => maybe(access.tool),
            Variable::Now => Ok(Val::Time(self.facts.now)),
            Variable::PeerAddress => {
                let address = self.facts.peer.ok_or(MISSING)?;
                Ok(Val::made(&address.to_canonical().to_string()))
            }
            Variable::PrincipalAuthn => Ok(Val::lent(principal.authn)),
            Variable::PrincipalClaimedRoles => own(principal.claimed_roles),
            Variable::PrincipalClient => maybe(principal.client),
            Variable::PrincipalGroups => own(principal.groups),
            Variable::PrincipalIssuer => Ok(Val::lent(principal.issuer)),
            Variable::PrincipalRegion => maybe(principal.region),
            Variable::PrincipalRoles => Ok(Val::Texts(Texts::Lent(self.facts.roles))),
            Variable::PrincipalScopes => own(principal.scopes.unwrap_or_default()),
            Variable::PrincipalSubject => Ok(Val::lent(principal.subject)),
            Variable::PrincipalTenant => maybe(principal.tenant),
            Variable::ServerClassification => Ok(Val::lent(server.classification)),
            Variable::ServerName => Ok(Val::lent(server.name)),
            Variable::ServerOwner => maybe(server.owner),
            Variable::ServerPurpose => maybe(server.purpose),
            Variable::ServerRegion => maybe(server.region),
        }
    }

    pub(super) fn peer(&self) -> Result<std::net::IpAddr, Stop> {
        self.facts.peer.ok_or(MISSING)
    }

    fn attribute(&self, name: &str) -> Option<&'e str> {
        let found = self.facts.principal.attributes.iter().find(|(attribute, _)| attribute == name);
        found.map(|(_, value)| value.as_str())
    }

    /// Where in the call the argument stands, if it is there.
    fn find_argument(&mut self, at: usize) -> Result<Found<'e>, Stop> {
        if self.arguments.is_none() {
            self.arguments = Some(self.find_arguments()?);
        }
        let found = self.arguments.as_ref().and_then(|found| found.get(at));
        found.copied().ok_or(MISSING)
    }

    fn find_arguments(&mut self) -> Result<Vec<Found<'e>>, Stop> {
        let names = self.condition.arguments();
        let mut found = vec![Found { value: None, counted: false }; names.len()];
        let all = match self.facts.arguments {
            Arguments::Unknown => return Err(Stop::Unknown),
            Arguments::Known(None) => return Ok(found),
            Arguments::Known(Some(all)) if all.kind() == Kind::Object => all,
            Arguments::Known(Some(_)) => return Err(TYPE),
        };
        let mut looked_at = 0;
        for (count, (key, value)) in all.members().enumerate() {
            if count == MAX_ITEMS {
                return Err(Stop::Failed(Failure::TooLarge));
            }
            let name = key.as_str().unwrap_or_default();
            if let Some(slot) = names.iter().position(|wanted| wanted == name).and_then(|at| found.get_mut(at)) {
                slot.value = Some(value);
            } else if names.iter().any(|wanted| are_alike(wanted, name)) {
                // SECURITY: a server that does not tell `Amount` from `amount` might read the one that nobody has looked at.
                return Err(Stop::Failed(Failure::Doubled));
            }
            looked_at = count;
        }
        self.charge(looked_at / NAMES_STEP)?;
        Ok(found)
    }

    fn argument(&mut self, at: usize) -> Result<Val<'e>, Stop> {
        let found = self.find_argument(at)?;
        let value = found.value.ok_or(MISSING)?;
        if !found.counted {
            self.text = self.text.saturating_add(value.span().len());
            if let Some(slot) = self.arguments.as_mut().and_then(|found| found.get_mut(at)) {
                slot.counted = true;
            }
        }
        if self.text > MAX_TEXT { Err(Stop::Failed(Failure::TooLarge)) } else { Val::load(value) }
    }

    fn all_arguments(&self) -> Result<Val<'e>, Stop> {
        match self.facts.arguments {
            Arguments::Unknown => Err(Stop::Unknown),
            Arguments::Known(None) => Ok(Val::Empty),
            Arguments::Known(Some(all)) if all.span().len() > MAX_TEXT => Err(Stop::Failed(Failure::TooLarge)),
            Arguments::Known(Some(all)) => Val::load(all),
        }
    }

    fn has(&mut self, of: &'e Expr) -> Result<bool, Stop> {
        if let Expr::Argument(at) = of {
            return Ok(self.find_argument(*at)?.value.is_some());
        }
        if let Expr::Member(of, name) = of {
            let of = self.eval(of)?;
            return Ok(self.member(&of, name)?.is_some());
        }
        match self.eval(of) {
            Ok(_) => Ok(true),
            Err(MISSING) => Ok(false),
            Err(stop) => Err(stop),
        }
    }

    /// The member of a mapping that came with the call.
    pub(super) fn member(&mut self, of: &Val<'e>, name: &str) -> Result<Option<json::Value<'e>>, Stop> {
        if matches!(of, Val::Empty) {
            return Ok(None);
        }
        let Some(object) = of.object() else {
            return Err(TYPE);
        };
        let mut looked_at = 0;
        let found = object.members().inspect(|_| looked_at += 1).find(|(key, _)| key.as_str() == Some(name));
        let found = found.map(|(_, value)| value);
        self.charge(looked_at / NAMES_STEP)?;
        Ok(found)
    }

    fn comprehension(&mut self, comprehension: &'e Comprehension) -> Result<Val<'e>, Stop> {
        let range = self.eval(&comprehension.range)?;
        let items = range.items()?;
        let mut kept = Vec::new();
        let mut held = 0_usize;
        let mut stopped: Option<Stop> = None;
        for item in items {
            self.charge(1)?;
            let value = item.clone();
            self.locals.push(item);
            let answer = self.answer(comprehension, value);
            self.locals.pop();
            match (comprehension.quantifier, answer) {
                (_, Err(stop)) if stop.is_final() => return Err(stop),
                (Quantifier::All | Quantifier::Exists, Err(stop)) => {
                    stopped = Some(stopped.map_or(stop, |first| first.logical(stop)));
                }
                (_, Err(stop)) => stopped = Some(stopped.map_or(stop, |first| first.strict(stop))),
                (Quantifier::All, Ok((false, _))) => return Ok(Val::Bool(false)),
                (Quantifier::Exists, Ok((true, _))) => return Ok(Val::Bool(true)),
                (_, Ok((holds, value))) => {
                    held += usize::from(holds);
                    kept.extend(value);
                }
            }
        }
        if let Some(stop) = stopped {
            return Err(stop);
        }
        Ok(match comprehension.quantifier {
            Quantifier::All => Val::Bool(true),
            Quantifier::Exists => Val::Bool(false),
            Quantifier::ExistsOne => Val::Bool(held == 1),
            Quantifier::Filter | Quantifier::Map => Val::List(kept.into()),
        })
    }

    /// Whether the body holds for the item that is looked at, and what is kept of it.
    fn answer(&mut self, comprehension: &'e Comprehension, item: Result<Val<'e>, Stop>) -> Result<(bool, Option<Val<'e>>), Stop> {
        match (comprehension.quantifier, &comprehension.transform) {
            (Quantifier::Map, None) => Ok((true, Some(self.eval(&comprehension.body)?))),
            (_, transform) => {
                if !self.truth(&comprehension.body)? {
                    return Ok((false, None));
                }
                let value = match (comprehension.quantifier, transform) {
                    (Quantifier::Map, Some(transform)) => Some(self.eval(transform)?),
                    (Quantifier::Filter, _) => Some(item?),
                    _ => None,
                };
                Ok((true, value))
            }
        }
    }
}

fn constant_value(constant: &Constant) -> Val<'_> {
    match constant {
        Constant::Bool(value) => Val::Bool(*value),
        Constant::Double(value) => Val::Double(*value),
        Constant::Duration(value) => Val::Duration(*value),
        Constant::Int(value) => Val::Int(*value),
        Constant::Null => Val::Null,
        Constant::Text(text) => Val::lent(text),
        Constant::Time(time) => Val::Time(*time),
    }
}
