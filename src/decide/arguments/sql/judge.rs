//! What of a parsed statement is let through: nothing that is not named here.

#![expect(clippy::wildcard_enum_match_arm, reason = "what is not named is refused, whatever a parser to come may add")]

use std::ops::ControlFlow;

use sqlparser::ast::{
    Cte, Delete, Expr, FromTable, Function, FunctionArguments, Ident, InTarget, Insert, ObjectName, ObjectNamePart,
    OnConflictAction, OnInsert, Query, Select, SelectFlavor, SetExpr, Statement, TableFactor, TableObject, TableWithJoins,
    UnaryOperator, Update, UpdateTableFromKind, Value, ValueWithSpan, Visit as _, Visitor, With,
};

use super::known::{is_operator, is_plain_type, is_usual_function};
use crate::policy::arguments::{SqlDialect, SqlRule, SqlStatement};

/// Something that is not let through.
struct Refused;

type Judged = Result<(), Refused>;

/// Walks one statement.
pub(super) struct Judge<'r> {
    rule: &'r SqlRule,
    /// Common table expressions that can be seen from here.
    common: Vec<String>,
}

impl<'r> Judge<'r> {
    pub(super) fn new(rule: &'r SqlRule) -> Self {
        Self { rule, common: Vec::new() }
    }

    /// Whether the rule allows the statement.
    pub(super) fn allows(mut self, mut statement: Statement) -> bool {
        if let Statement::Query(query) = &mut statement
            && let Some(with) = query.with.take()
            && self.common_tables(with).is_err()
        {
            return false;
        }
        statement.visit(&mut self).is_continue()
    }

    /// SECURITY: a common table hides a table of its name only where it can be seen: not in its own text, and not in those before it.
    /// `WITH` stands at the very start alone, so that it is seen everywhere else.
    fn common_tables(&mut self, with: With) -> Judged {
        for common in with.cte_tables {
            let Cte { alias, query, from, materialized: _, closing_paren_token: _ } = common;
            let name = alias.name.value;
            // SECURITY: a quoted name and the same name without quotes are two where the database folds the latter, and one elsewhere.
            ensure(alias.name.quote_style.is_none())?;
            ensure(from.is_none() && alias.at.is_none() && !self.common.contains(&name))?;
            if with.recursive {
                self.common.push(name.clone());
            }
            ensure(query.visit(self).is_continue())?;
            if !with.recursive {
                self.common.push(name);
            }
        }
        Ok(())
    }

    fn word(&self, word: SqlStatement) -> Judged {
        ensure(self.rule.statements.contains(&word))
    }

    fn statement(&self, statement: &Statement) -> Judged {
        match statement {
            // What stands in it says what it is.
            Statement::Query(_) => Ok(()),
            Statement::Insert(insert) => self.word(SqlStatement::Insert).and_then(|()| self.insert(insert)),
            Statement::Update(update) => self.word(SqlStatement::Update).and_then(|()| self.update(update)),
            Statement::Delete(delete) => self.word(SqlStatement::Delete).and_then(|()| self.delete(delete)),
            _ => Err(Refused),
        }
    }

    fn insert(&self, insert: &Insert) -> Judged {
        let TableObject::TableName(name) = &insert.table else { return Err(Refused) };
        self.listed(name)?;
        let plain = insert.optimizer_hints.is_empty()
            && insert.or.is_none()
            && !insert.ignore
            && insert.into
            && !insert.by_name
            && !insert.overwrite
            && insert.partitioned.is_none()
            && insert.after_columns.is_empty()
            && insert.overriding.is_none()
            && !insert.has_table_keyword
            && insert.output.is_none()
            && !insert.replace_into
            && insert.priority.is_none()
            && insert.insert_alias.is_none()
            && insert.settings.is_none()
            && insert.format_clause.is_none()
            && insert.multi_table_insert_type.is_none()
            && insert.multi_table_into_clauses.is_empty()
            && insert.multi_table_when_clauses.is_empty()
            && insert.multi_table_else_clause.is_none();
        ensure(plain)?;
        match &insert.on {
            None => Ok(()),
            Some(OnInsert::OnConflict(conflict)) if matches!(conflict.action, OnConflictAction::DoNothing) => Ok(()),
            // It changes rows that are there.
            Some(_) => self.word(SqlStatement::Update),
        }
    }

    fn update(&self, update: &Update) -> Judged {
        let plain = update.optimizer_hints.is_empty()
            && update.on_cluster.is_none()
            && update.output.is_none()
            && update.or.is_none()
            && update.settings.is_none()
            && matches!(update.from, None | Some(UpdateTableFromKind::AfterSet(_)));
        ensure(plain)?;
        self.written(&update.table)
    }

    fn delete(&self, delete: &Delete) -> Judged {
        let FromTable::WithFromKeyword(from) = &delete.from else { return Err(Refused) };
        let plain = delete.optimizer_hints.is_empty()
            && delete.tables.is_empty()
            && delete.on_cluster.is_none()
            && delete.output.is_none()
            && delete.settings.is_none();
        ensure(plain && !from.is_empty())?;
        from.iter().try_for_each(|table| self.written(table))
    }

    /// What is written must be a listed table itself: no common table hides it.
    fn written(&self, table: &TableWithJoins) -> Judged {
        match &table.relation {
            TableFactor::Table { name, .. } => self.listed(name),
            _ => Err(Refused),
        }
    }

    #[expect(clippy::unused_self, reason = "called like its siblings")]
    fn query(&self, query: &Query) -> Judged {
        let plain = query.with.is_none()
            && query.locks.is_empty()
            && query.for_clause.is_none()
            && query.settings.is_none()
            && query.format_clause.is_none()
            && query.pipe_operators.is_empty();
        ensure(plain)?;
        set_expression(&query.body)
    }

    fn select(&self, select: &Select) -> Judged {
        self.word(SqlStatement::Select)?;
        ensure(
            !select.projection.is_empty()
                && select.optimizer_hints.is_empty()
                && select.select_modifiers.is_none()
                && select.exclude.is_none()
                && select.into.is_none()
                && select.lateral_views.is_empty()
                && select.prewhere.is_none()
                && select.connect_by.is_empty()
                && select.cluster_by.is_empty()
                && select.distribute_by.is_empty()
                && select.sort_by.is_empty()
                && select.qualify.is_none()
                && select.value_table_mode.is_none()
                && matches!(select.flavor, SelectFlavor::Standard),
        )
    }

    fn factor(&self, factor: &TableFactor) -> Judged {
        match factor {
            TableFactor::Table {
                name,
                alias,
                args,
                with_hints,
                version,
                with_ordinality,
                partitions,
                json_path,
                sample,
                index_directives,
                inheritance,
            } => {
                let plain = with_hints.is_empty()
                    && version.is_none()
                    && !with_ordinality
                    && partitions.is_empty()
                    && json_path.is_none()
                    && sample.is_none()
                    && index_directives.is_empty()
                    && inheritance.is_none()
                    && alias.as_ref().is_none_or(|alias| alias.at.is_none());
                ensure(plain)?;
                match args {
                    Some(args) if args.settings.is_none() => self.own_function(name),
                    Some(_) => Err(Refused),
                    None => self.readable(name),
                }
            }
            TableFactor::Derived { sample: None, .. } | TableFactor::NestedJoin { .. } => Ok(()),
            _ => Err(Refused),
        }
    }

    /// A table that may be read: a listed one, or a common one.
    fn readable(&self, name: &ObjectName) -> Judged {
        let is_common = match parts(name)[..] {
            // Exactly as written: what else would be equal depends on the database.
            [Some(part)] => part.quote_style.is_none() && self.common.contains(&part.value),
            _ => false,
        };
        if is_common { Ok(()) } else { self.listed(name) }
    }

    fn listed(&self, name: &ObjectName) -> Judged {
        let parts = parts(name);
        let same = |table: &[String]| {
            table.len() == parts.len()
                && table.iter().zip(&parts).all(|(listed, part)| part.is_some_and(|part| self.is(part, listed)))
        };
        ensure(self.rule.tables.iter().any(|table| same(&table.0)))
    }

    /// Whether a name in the text is the name in the rule, as the database reads it; exactly, where that depends on its settings.
    fn is(&self, part: &Ident, listed: &str) -> bool {
        match (self.rule.dialect, part.quote_style) {
            (SqlDialect::Postgres, None) => part.value.to_ascii_lowercase() == listed,
            (SqlDialect::Sqlite, _) => part.value.eq_ignore_ascii_case(listed),
            _ => part.value == listed,
        }
    }

    fn own_function(&self, name: &ObjectName) -> Judged {
        ensure(function_name(name).is_some_and(|name| self.rule.functions.contains(&name)))
    }

    fn function(&self, function: &Function) -> Judged {
        let Function { name, uses_odbc_syntax, parameters, args, within_group: _, filter: _, null_treatment: _, over: _ } =
            function;
        let name = function_name(name).ok_or(Refused)?;
        let known = is_usual_function(&name) || self.rule.functions.contains(&name);
        ensure(
            known
                && !uses_odbc_syntax
                && matches!(parameters, FunctionArguments::None)
                && !matches!(args, FunctionArguments::Subquery(_)),
        )
    }

    fn expression(&self, expression: &Expr) -> Judged {
        match expression {
            Expr::Function(function) => self.function(function),
            Expr::BinaryOp { op, .. } | Expr::AnyOp { compare_op: op, .. } | Expr::AllOp { compare_op: op, .. } => {
                ensure(is_operator(op))
            }
            Expr::UnaryOp { op, .. } => ensure(matches!(op, UnaryOperator::Minus | UnaryOperator::Not | UnaryOperator::Plus)),
            Expr::Cast { data_type, .. } => ensure(is_plain_type(data_type)),
            Expr::Convert { data_type, charset, .. } => {
                ensure(charset.is_none() && data_type.as_ref().is_some_and(is_plain_type))
            }
            Expr::TypedString(typed) => ensure(!typed.uses_odbc_syntax && is_plain_type(&typed.data_type)),
            // SQLite reads a whole table behind `IN`.
            Expr::In { target, .. } => ensure(matches!(target, InTarget::List(_) | InTarget::Subquery(_))),
            Expr::Identifier(_)
            | Expr::CompoundIdentifier(_)
            | Expr::IsFalse(_)
            | Expr::IsNotFalse(_)
            | Expr::IsTrue(_)
            | Expr::IsNotTrue(_)
            | Expr::IsNull(_)
            | Expr::IsNotNull(_)
            | Expr::IsUnknown(_)
            | Expr::IsNotUnknown(_)
            | Expr::IsDistinctFrom(..)
            | Expr::IsNotDistinctFrom(..)
            | Expr::Between { .. }
            | Expr::Like { .. }
            | Expr::ILike { .. }
            | Expr::SimilarTo { .. }
            | Expr::RLike { .. }
            | Expr::AtTimeZone { .. }
            | Expr::Extract { .. }
            | Expr::Ceil { .. }
            | Expr::Floor { .. }
            | Expr::Position { .. }
            | Expr::Substring { .. }
            | Expr::Trim { .. }
            | Expr::Overlay { .. }
            | Expr::Nested(_)
            | Expr::Value(_)
            | Expr::Case { .. }
            | Expr::Exists { .. }
            | Expr::Subquery(_)
            | Expr::GroupingSets(_)
            | Expr::Cube(_)
            | Expr::Rollup(_)
            | Expr::Tuple(_)
            | Expr::Interval(_)
            | Expr::Wildcard(_)
            | Expr::QualifiedWildcard(..) => Ok(()),
            _ => Err(Refused),
        }
    }
}

impl Visitor for Judge<'_> {
    type Break = ();

    fn pre_visit_statement(&mut self, statement: &Statement) -> ControlFlow<()> {
        flow(self.statement(statement))
    }

    fn pre_visit_query(&mut self, query: &Query) -> ControlFlow<()> {
        flow(self.query(query))
    }

    fn pre_visit_select(&mut self, select: &Select) -> ControlFlow<()> {
        flow(self.select(select))
    }

    fn pre_visit_table_factor(&mut self, factor: &TableFactor) -> ControlFlow<()> {
        flow(self.factor(factor))
    }

    /// Every table, wherever it stands; a function in `FROM` is called one, too.
    fn pre_visit_relation(&mut self, name: &ObjectName) -> ControlFlow<()> {
        flow(self.readable(name).or_else(|_refused| self.own_function(name)))
    }

    fn pre_visit_expr(&mut self, expression: &Expr) -> ControlFlow<()> {
        flow(self.expression(expression))
    }

    fn pre_visit_value(&mut self, value: &ValueWithSpan) -> ControlFlow<()> {
        let plain = matches!(
            value.value,
            Value::Number(..) | Value::SingleQuotedString(_) | Value::DoubleQuotedString(_) | Value::Boolean(_) | Value::Null
        );
        flow(ensure(plain))
    }
}

/// What a query is made of. What it holds is visited by itself.
fn set_expression(body: &SetExpr) -> Judged {
    match body {
        SetExpr::SetOperation { left, right, .. } => set_expression(left).and_then(|()| set_expression(right)),
        SetExpr::Select(_)
        | SetExpr::Query(_)
        | SetExpr::Values(_)
        | SetExpr::Insert(_)
        | SetExpr::Update(_)
        | SetExpr::Delete(_) => Ok(()),
        // `TABLE secret` names its table where no visitor comes by.
        SetExpr::Merge(_) | SetExpr::Table(_) => Err(Refused),
    }
}

fn parts(name: &ObjectName) -> Vec<Option<&Ident>> {
    name.0.iter().map(ObjectNamePart::as_ident).collect()
}

/// In lower case; `None` for one that is quoted or stands in a schema, where another function of the name may be.
fn function_name(name: &ObjectName) -> Option<String> {
    match parts(name)[..] {
        [Some(part)] if part.quote_style.is_none() => Some(part.value.to_ascii_lowercase()),
        _ => None,
    }
}

fn ensure(good: bool) -> Judged {
    if good { Ok(()) } else { Err(Refused) }
}

#[expect(clippy::needless_pass_by_value, reason = "a judgement is handed on")]
fn flow(judged: Judged) -> ControlFlow<()> {
    match judged {
        Ok(()) => ControlFlow::Continue(()),
        Err(Refused) => ControlFlow::Break(()),
    }
}
