//! Functions, operators and types that only compute.

use sqlparser::ast::{BinaryOperator, DataType};

/// Functions that compute from what they are given, and do nothing else, in every database that has them.
const FUNCTIONS: &str = "abs age avg ceil ceiling char_length character_length coalesce concat concat_ws count count_big curdate current_date \
    current_time current_timestamp date date_add date_diff date_format date_part date_sub date_trunc dateadd datediff \
    datename datepart datetime day dayofmonth dayofweek dayofyear dense_rank eomonth first_value floor getdate getutcdate \
    greatest group_concat hour ifnull iif instr isnull julianday lag last_value lead least left len length localtime \
    localtimestamp lower ltrim max min minute mod month now ntile nullif octet_length percent_rank position power quarter \
    rank replace reverse right round row_number rtrim second sign sqrt stddev strftime string_agg strpos substr substring sum time \
    to_char to_date total trim trunc upper variance week weekday year";

/// Whether it is one of the usual functions; `name` is in lower case.
pub(super) fn is_usual_function(name: &str) -> bool {
    FUNCTIONS.split_ascii_whitespace().any(|usual| usual == name)
}

/// Operators that every database takes for the same.
pub(super) fn is_operator(operator: &BinaryOperator) -> bool {
    matches!(
        operator,
        BinaryOperator::Plus
            | BinaryOperator::Minus
            | BinaryOperator::Multiply
            | BinaryOperator::Divide
            | BinaryOperator::Modulo
            | BinaryOperator::StringConcat
            | BinaryOperator::Gt
            | BinaryOperator::Lt
            | BinaryOperator::GtEq
            | BinaryOperator::LtEq
            | BinaryOperator::Eq
            | BinaryOperator::NotEq
            | BinaryOperator::And
            | BinaryOperator::Or
            | BinaryOperator::Xor
            | BinaryOperator::Is
            | BinaryOperator::IsNot
            | BinaryOperator::Arrow
            | BinaryOperator::LongArrow
    )
}

/// Types of plain data. A cast to another one may call a function, or look a name up.
pub(super) fn is_plain_type(data_type: &DataType) -> bool {
    matches!(
        data_type,
        DataType::Character(_)
            | DataType::Char(_)
            | DataType::CharacterVarying(_)
            | DataType::CharVarying(_)
            | DataType::Varchar(_)
            | DataType::Nvarchar(_)
            | DataType::Text
            | DataType::Uuid
            | DataType::Numeric(_)
            | DataType::Decimal(_)
            | DataType::Dec(_)
            | DataType::Float(_)
            | DataType::Float4
            | DataType::Float8
            | DataType::Real
            | DataType::Double(_)
            | DataType::DoublePrecision
            | DataType::TinyInt(_)
            | DataType::SmallInt(_)
            | DataType::Int(_)
            | DataType::Int2(_)
            | DataType::Int4(_)
            | DataType::Int8(_)
            | DataType::Integer(_)
            | DataType::BigInt(_)
            | DataType::Signed
            | DataType::SignedInteger
            | DataType::Unsigned
            | DataType::UnsignedInteger
            | DataType::Bool
            | DataType::Boolean
            | DataType::Date
            | DataType::Time(..)
            | DataType::Datetime(_)
            | DataType::Timestamp(..)
            | DataType::Interval { .. }
            | DataType::JSON
            | DataType::JSONB
    )
}
