//! What may stand on the two sides of an operator.

use super::check::{Checked, Checker};
use super::program::{Expr, Operator};
use super::types::Type;
use super::written::{Kind, Written};

impl Checker<'_> {
    pub(super) fn binary(&mut self, written: &Written, operator: Operator, left: &Written, right: &Written) -> Option<Checked> {
        let (left_checked, right_checked) = (self.check(left), self.check(right));
        let ((left_expr, of_left), (right_expr, of_right)) = (left_checked?, right_checked?);
        let result = match operator {
            Operator::Equal | Operator::NotEqual => of_left.equals(&of_right).then_some(Type::Bool),
            Operator::Greater | Operator::GreaterOrEqual | Operator::Less | Operator::LessOrEqual => {
                of_left.orders(&of_right).then_some(Type::Bool)
            }
            Operator::Add => add(&of_left, &of_right),
            Operator::Subtract => subtract(&of_left, &of_right),
            Operator::Divide | Operator::Multiply => number(&of_left, &of_right),
            Operator::Remainder => number(&of_left, &of_right).filter(|kind| *kind != Type::Double),
            Operator::In => None,
        };
        let Some(result) = result else {
            let sign = operator.as_str();
            return self.fail(
                written.whole,
                format!("`{sign}` stands between {of_left} and {of_right}"),
                clash(operator, &of_left, &of_right),
            );
        };
        if matches!(operator, Operator::Equal | Operator::NotEqual) {
            self.check_words(&left_expr, &right_expr, right.whole)?;
            self.check_words(&right_expr, &left_expr, left.whole)?;
        }
        Some((Expr::Binary(operator, Box::new([left_expr, right_expr])), result))
    }

    pub(super) fn membership(&mut self, written: &Written, left: &Written, right: &Written) -> Option<Checked> {
        if let Kind::Text(name) = &left.kind {
            let found = if self.is_attributes(right) {
                Some(self.attribute(left.at, name)?)
            } else if matches!(&right.kind, Kind::Name(root) if root == "arguments") {
                Some(self.argument(name))
            } else {
                None
            };
            if let Some((expr, _)) = found {
                return Some((Expr::Has(Box::new(expr)), Type::Bool));
            }
        }
        let (left_checked, right_checked) = (self.check(left), self.check(right));
        let ((left_expr, of_left), (right_expr, of_right)) = (left_checked?, right_checked?);
        let good = match &of_right {
            Type::List(of_items) => of_items.equals(&of_left),
            Type::Dyn => true,
            Type::Mapping => of_left.fits(&Type::Text),
            Type::Text => {
                return self.fail(
                    right.whole,
                    "`in` looks into a list, and this is a text",
                    "a text is searched with `x.contains(y)`",
                );
            }
            Type::Bool | Type::Double | Type::Duration | Type::Int | Type::Null | Type::Time => {
                let message = format!("`in` looks into a list, and this is {of_right}");
                return self.fail(right.whole, message, "write `x in ['a', 'b']`");
            }
        };
        if !good {
            return self.fail(
                written.whole,
                format!("`in` looks for {of_left} in {of_right}"),
                "it is never there: the items are of another type",
            );
        }
        if let (Expr::List(items), Kind::List(written_items)) = (&right_expr, &right.kind) {
            for (item, written_item) in items.iter().zip(written_items) {
                self.check_words(&left_expr, item, written_item.whole)?;
            }
        }
        Some((Expr::Binary(Operator::In, Box::new([left_expr, right_expr])), Type::Bool))
    }
}

fn add(left: &Type, right: &Type) -> Option<Type> {
    match (left, right) {
        (Type::Text, Type::Text) => Some(Type::Text),
        (Type::Duration | Type::List(_) | Type::Text, Type::Dyn) | (Type::Dyn, Type::Duration | Type::List(_) | Type::Text) => {
            Some(Type::Dyn)
        }
        (Type::List(own), Type::List(other)) if own.equals(other) => Some(Type::list((**own).clone().join(other))),
        (Type::Time, Type::Duration | Type::Dyn) | (Type::Duration | Type::Dyn, Type::Time) => Some(Type::Time),
        (Type::Duration, Type::Duration) => Some(Type::Duration),
        _ => number(left, right),
    }
}

fn subtract(left: &Type, right: &Type) -> Option<Type> {
    match (left, right) {
        (Type::Time, Type::Time) | (Type::Duration, Type::Duration | Type::Dyn) => Some(Type::Duration),
        (Type::Time | Type::Dyn, Type::Duration) | (Type::Dyn, Type::Time) | (Type::Time, Type::Dyn) => Some(Type::Dyn),
        _ => number(left, right),
    }
}

fn number(left: &Type, right: &Type) -> Option<Type> {
    match (left, right) {
        (Type::Int, Type::Int) => Some(Type::Int),
        (Type::Double, Type::Double) => Some(Type::Double),
        (Type::Dyn, Type::Dyn | Type::Double | Type::Int) | (Type::Double | Type::Int, Type::Dyn) => Some(Type::Dyn),
        _ => None,
    }
}

fn clash(operator: Operator, left: &Type, right: &Type) -> &'static str {
    let either = |kind: &Type| left == kind || right == kind;
    if either(&Type::Null) {
        "only arguments can be null; whether something is there is asked with `has(...)`"
    } else if matches!(operator, Operator::Equal | Operator::NotEqual) {
        "values of different types are never equal; convert one of them"
    } else if matches!((left, right), (Type::Int, Type::Double) | (Type::Double, Type::Int)) {
        "convert the whole number with `double(...)`"
    } else if either(&Type::Text) && (either(&Type::Int) || either(&Type::Double)) {
        "convert one of them with `string(...)`, `int(...)` or `double(...)`"
    } else if either(&Type::Time) {
        "times go with times and durations: `now - timestamp('2026-01-01T00:00:00Z') > duration('24h')`"
    } else {
        "these cannot be combined"
    }
}
