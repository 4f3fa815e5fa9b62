//! The document, from the table.

use utoipa::openapi::content::ContentBuilder;
use utoipa::openapi::path::{OperationBuilder, ParameterBuilder, ParameterIn, PathsBuilder};
use utoipa::openapi::request_body::RequestBodyBuilder;
use utoipa::openapi::response::ResponseBuilder;
use utoipa::openapi::schema::{ComponentsBuilder, ObjectBuilder, Type};
use utoipa::openapi::security::{HttpAuthScheme, HttpBuilder, SecurityRequirement, SecurityScheme};
use utoipa::openapi::{InfoBuilder, OpenApi, OpenApiBuilder, PathItem, Ref, Required};

use super::schemas;
use super::table::{ENTRIES, Entry};

/// What the tokens are called among the ways to prove who one is.
const TOKEN: &str = "adminToken";
const AUDITOR: &str = "auditorToken";

const ABOUT: &str = "What operators change, and what they read of the audit log, while the gateway runs: `admin.address` of its configuration, with the \
    token in `admin.token` of its data folder. Each act is a record before it is done. An auditor of one tenant (`admin.auditors`) has a token of \
    their own, and searches the records of that tenant.";

/// All of the API.
pub(super) fn document() -> OpenApi {
    let mut paths = PathsBuilder::new();
    for entry in ENTRIES {
        // Of one path the builder joins what its methods say.
        paths = paths.path(entry.path, PathItem::new(entry.method.clone(), operation(entry)));
    }
    let mut components = ComponentsBuilder::new();
    for (name, about) in [(TOKEN, "the text of `admin.token`"), (AUDITOR, "the token of one of `admin.auditors`")] {
        let scheme = HttpBuilder::new().scheme(HttpAuthScheme::Bearer).description(Some(about)).build();
        components = components.security_scheme(name, SecurityScheme::Http(scheme));
    }
    for (name, schema) in schemas::all() {
        components = components.schema(name, schema);
    }
    OpenApiBuilder::new()
        .info(InfoBuilder::new().title("Yett admin API").version(env!("CARGO_PKG_VERSION")).description(Some(ABOUT)).build())
        .paths(paths.build())
        .components(Some(components.build()))
        .security(Some([by(TOKEN)]))
        .build()
}

fn by(token: &str) -> SecurityRequirement {
    SecurityRequirement::new::<_, [&str; 0], &str>(token, [])
}

fn operation(entry: &Entry) -> utoipa::openapi::path::Operation {
    let mut made = OperationBuilder::new().operation_id(Some(entry.id)).summary(Some(entry.summary));
    let inside = entry.path.split('/').filter_map(|step| step.strip_prefix('{')?.strip_suffix('}'));
    for name in inside {
        made = made.parameter(parameter(name, "percent-encoded", ParameterIn::Path));
    }
    for (name, about) in entry.query {
        made = made.parameter(parameter(name, about, ParameterIn::Query));
    }
    if let Some(body) = entry.body.filter(|body| !body.is_empty()) {
        let content = ContentBuilder::new().schema(Some(Ref::from_schema_name(body))).build();
        made = made.request_body(Some(
            RequestBodyBuilder::new().content("application/json", content).required(Some(Required::True)).build(),
        ));
        made = made.response("415", response("the body is not sent as JSON", "Problem"));
    }
    let (status, schema) = entry.answer;
    made = made.response(status, response("Done", schema));
    for (status, why) in entry.refusals {
        made = made.response(*status, response(why, "Problem"));
    }
    made = if entry.for_auditors {
        made.securities(Some([by(TOKEN), by(AUDITOR)]))
    } else {
        made.response("403", response("an auditor may search the audit log, and nothing else", "Problem"))
    };
    made = made.response("401", response("the token is missing or wrong", "Problem"));
    made.response("503", response("it cannot be recorded or stored now, so it was not done", "Problem")).build()
}

fn response(about: &str, schema: &str) -> utoipa::openapi::response::Response {
    let content = ContentBuilder::new().schema(Some(Ref::from_schema_name(schema))).build();
    ResponseBuilder::new().description(about).content("application/json", content).build()
}

fn parameter(name: &str, about: &str, place: ParameterIn) -> utoipa::openapi::path::Parameter {
    let required = if place == ParameterIn::Path { Required::True } else { Required::False };
    let schema = ObjectBuilder::new().schema_type(Type::String).build();
    ParameterBuilder::new()
        .name(name)
        .parameter_in(place)
        .required(required)
        .description(Some(about))
        .schema(Some(schema))
        .build()
}
