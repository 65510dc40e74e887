//! Attributes of other conventions (OpenInference, OpenTelemetry's GenAI, Traceloop and others) in MLflow's names, added
//! when a span is stored: its type, what went in and out, its model and provider, tools, and tokens.
//!
//! The names are those of the conventions' own documents, in the order in which MLflow asks them. Left out are
//! conversations that some frameworks spread over events or over many attributes, and prices, which come from tables of
//! others.

use crate::otlp::Any;

/// A convention: names of attributes.
struct Convention {
    kind: Option<(&'static str, &'static [(&'static str, &'static str)])>,
    input_tokens: &'static str,
    output_tokens: &'static str,
    total_tokens: &'static str,
    cache_read: &'static str,
    cache_write: &'static [&'static str],
    inputs: &'static [&'static str],
    outputs: &'static [&'static str],
    model: &'static [&'static str],
    provider: &'static str,
    tools: &'static [&'static str],
}

const NONE: Convention = Convention {
    kind: None,
    input_tokens: "",
    output_tokens: "",
    total_tokens: "",
    cache_read: "",
    cache_write: &[],
    inputs: &[],
    outputs: &[],
    model: &[],
    provider: "",
    tools: &[],
};

const CONVENTIONS: &[Convention] = &[
    // OpenInference
    Convention {
        kind: Some((
            "openinference.span.kind",
            &[
                ("TOOL", "TOOL"),
                ("CHAIN", "CHAIN"),
                ("LLM", "LLM"),
                ("RETRIEVER", "RETRIEVER"),
                ("EMBEDDING", "EMBEDDING"),
                ("AGENT", "AGENT"),
                ("RERANKER", "RERANKER"),
                ("UNKNOWN", "UNKNOWN"),
                ("GUARDRAIL", "GUARDRAIL"),
                ("EVALUATOR", "EVALUATOR"),
            ],
        )),
        input_tokens: "llm.token_count.prompt",
        output_tokens: "llm.token_count.completion",
        total_tokens: "llm.token_count.total",
        cache_read: "llm.token_count.prompt_details.cache_read",
        cache_write: &["llm.token_count.prompt_details.cache_write"],
        inputs: &["input.value"],
        outputs: &["output.value"],
        model: &[
            "llm.response.model_name",
            "llm.model_name",
            "llm.request.model_name",
            "embedding.model_name",
        ],
        provider: "llm.provider",
        ..NONE
    },
    // OpenTelemetry's GenAI
    Convention {
        kind: Some((
            "gen_ai.operation.name",
            &[
                ("chat", "CHAT_MODEL"),
                ("create_agent", "AGENT"),
                ("embeddings", "EMBEDDING"),
                ("execute_tool", "TOOL"),
                ("generate_content", "LLM"),
                ("invoke_agent", "AGENT"),
                ("text_completion", "LLM"),
                ("response", "LLM"),
            ],
        )),
        input_tokens: "gen_ai.usage.input_tokens",
        output_tokens: "gen_ai.usage.output_tokens",
        cache_read: "gen_ai.usage.cache_read.input_tokens",
        cache_write: &[
            "gen_ai.usage.cache_write.input_tokens",
            "gen_ai.usage.cache_creation.input_tokens",
        ],
        inputs: &["gen_ai.input.messages", "gen_ai.tool.call.arguments"],
        outputs: &["gen_ai.output.messages", "gen_ai.tool.call.result"],
        model: &["gen_ai.response.model", "gen_ai.request.model"],
        provider: "gen_ai.provider.name",
        tools: &["gen_ai.tool.definitions"],
        ..NONE
    },
    // Traceloop
    Convention {
        kind: Some((
            "traceloop.span.kind",
            &[
                ("workflow", "WORKFLOW"),
                ("task", "TASK"),
                ("agent", "AGENT"),
                ("tool", "TOOL"),
                ("unknown", "UNKNOWN"),
            ],
        )),
        input_tokens: "gen_ai.usage.prompt_tokens",
        output_tokens: "gen_ai.usage.completion_tokens",
        total_tokens: "llm.usage.total_tokens",
        inputs: &["traceloop.entity.input"],
        outputs: &["traceloop.entity.output"],
        provider: "gen_ai.system",
        ..NONE
    },
    // Google's agent development kit
    Convention {
        inputs: &[
            "gcp.vertex.agent.llm_request",
            "gcp.vertex.agent.tool_call_args",
        ],
        outputs: &[
            "gcp.vertex.agent.llm_response",
            "gcp.vertex.agent.tool_response",
        ],
        ..NONE
    },
    // Vercel's AI SDK
    Convention {
        kind: Some((
            "ai.operationId",
            &[
                ("ai.generateText", "LLM"),
                ("ai.generateText.doGenerate", "LLM"),
                ("ai.toolCall", "TOOL"),
                ("ai.streamText", "LLM"),
                ("ai.streamText.doStream", "LLM"),
                ("ai.generateObject", "LLM"),
                ("ai.generateObject.doGenerate", "LLM"),
                ("ai.streamObject", "LLM"),
                ("ai.streamObject.doStream", "LLM"),
                ("ai.embed", "EMBEDDING"),
                ("ai.embed.doEmbed", "EMBEDDING"),
                ("ai.embedMany", "EMBEDDING"),
            ],
        )),
        inputs: &["ai.prompt", "ai.toolCall.args", "ai.value", "ai.values"],
        outputs: &[
            "ai.response.text",
            "ai.toolCall.result",
            "ai.response.object",
            "ai.embedding",
            "ai.embeddings",
        ],
        ..NONE
    },
    // LiveKit
    Convention {
        inputs: &[
            "lk.user_input",
            "lk.user_transcript",
            "lk.chat_ctx",
            "lk.input_text",
        ],
        outputs: &["lk.response.text", "lk.response.function_calls"],
        ..NONE
    },
    // Laminar
    Convention {
        kind: Some((
            "lmnr.span.type",
            &[
                ("LLM", "LLM"),
                ("TOOL", "TOOL"),
                ("DEFAULT", "CHAIN"),
                ("PIPELINE", "CHAIN"),
                ("EXECUTOR", "AGENT"),
                ("EVALUATOR", "EVALUATOR"),
                ("HUMAN_EVALUATOR", "EVALUATOR"),
                ("EVALUATION", "EVALUATOR"),
                ("CACHED", "LLM"),
            ],
        )),
        inputs: &["lmnr.span.input"],
        outputs: &["lmnr.span.output"],
        ..NONE
    },
    // Langfuse
    Convention {
        kind: Some((
            "langfuse.observation.type",
            &[
                ("generation", "LLM"),
                ("embedding", "EMBEDDING"),
                ("tool", "TOOL"),
                ("retriever", "RETRIEVER"),
                ("agent", "AGENT"),
                ("chain", "CHAIN"),
                ("evaluator", "EVALUATOR"),
                ("guardrail", "GUARDRAIL"),
                ("span", "UNKNOWN"),
            ],
        )),
        inputs: &["langfuse.observation.input"],
        outputs: &["langfuse.observation.output"],
        ..NONE
    },
];

pub(super) const TYPE: &str = "mlflow.spanType";
pub(super) const INPUTS: &str = "mlflow.spanInputs";
pub(super) const OUTPUTS: &str = "mlflow.spanOutputs";
pub(super) const MODEL: &str = "mlflow.llm.model";
pub(super) const PROVIDER: &str = "mlflow.llm.provider";
const USAGE: &str = "mlflow.chat.tokenUsage";
const TOOLS: &str = "mlflow.chat.tools";

/// Attributes, each a JSON text.
pub(super) type Attributes = Vec<(String, String)>;

/// The text of an attribute.
pub(super) fn find<'a>(attributes: &'a Attributes, name: &str) -> Option<&'a str> {
    let found = attributes.iter().find(|(key, _)| key == name)?;
    Some(&found.1)
}

/// Adds MLflow's names to a span's attributes.
pub(super) fn translate(attributes: &mut Attributes) {
    let known = find(attributes, TYPE).and_then(Any::parse);
    if matches!(
        known.as_ref().and_then(Any::as_text),
        None | Some("UNKNOWN")
    ) && known.is_none_or(|known| matches!(known, Any::Text(_) | Any::Null))
        && let Some(kind) = span_type(attributes)
    {
        set(attributes, TYPE, Any::text(kind).dump());
    }
    for (name, pick) in [
        (
            INPUTS,
            (|one: &Convention| one.inputs) as fn(&Convention) -> &'static [&'static str],
        ),
        (OUTPUTS, |one| one.outputs),
        (TOOLS, |one| one.tools),
    ] {
        if find(attributes, name).is_none()
            && let Some(text) = first(attributes, pick)
        {
            set(attributes, name, text);
        }
    }
    if find(attributes, USAGE).is_none()
        && let Some(text) = usage(attributes)
    {
        set(attributes, USAGE, text);
    }
    if find(attributes, MODEL).is_none()
        && let Some(text) = first(attributes, |one| one.model).or_else(|| model_within(attributes))
    {
        set(attributes, MODEL, text);
    }
    if find(attributes, PROVIDER).is_none()
        && let Some(text) = CONVENTIONS
            .iter()
            .find_map(|one| value(attributes, one.provider))
    {
        set(attributes, PROVIDER, text);
    }
}

fn set(attributes: &mut Attributes, name: &str, text: String) {
    match attributes.iter_mut().find(|(key, _)| key == name) {
        Some(pair) => pair.1 = text,
        None => attributes.push((name.to_owned(), text)),
    }
}

/// An attribute's text, unless it stands for nothing.
fn value(attributes: &Attributes, name: &str) -> Option<String> {
    let text = find(attributes, name)?;
    let empty = Any::parse(text).is_some_and(|value| !value.truthy());
    (!empty).then(|| text.to_owned())
}

fn first(
    attributes: &Attributes,
    names: fn(&Convention) -> &'static [&'static str],
) -> Option<String> {
    let all = CONVENTIONS.iter().flat_map(names);
    all.into_iter().find_map(|name| value(attributes, name))
}

fn span_type(attributes: &Attributes) -> Option<&'static str> {
    CONVENTIONS.iter().find_map(|one| {
        let (name, kinds) = one.kind?;
        let text = find(attributes, name)?;
        let said = Any::parse(text);
        let said = said.as_ref().and_then(Any::as_text).unwrap_or(text);
        kinds
            .iter()
            .find_map(|(theirs, ours)| (*theirs == said).then_some(*ours))
    })
}

/// A model that what went in or out names.
fn model_within(attributes: &Attributes) -> Option<String> {
    [INPUTS, OUTPUTS].into_iter().find_map(|name| {
        let parsed = Any::parse(find(attributes, name)?)?;
        let model = parsed.get("model")?.clone();
        (model.truthy() && model.as_text().is_some()).then(|| model.dump())
    })
}

/// The counts of the first convention that has any.
fn usage(attributes: &Attributes) -> Option<String> {
    let count = |name: &str| match Any::parse(find(attributes, name)?)? {
        Any::Int(count) => Some(count),
        Any::Text(text) => text.parse().ok(),
        _ => None,
    };
    CONVENTIONS.iter().find_map(|one| {
        let (input, output) = (count(one.input_tokens), count(one.output_tokens));
        let total = count(one.total_tokens).or_else(|| input?.checked_add(output?));
        let counts = [
            ("input_tokens", input),
            ("output_tokens", output),
            ("total_tokens", total),
        ];
        if counts.iter().all(|(_, count)| count.is_none()) {
            return None;
        }
        let cached = [
            ("cache_read_input_tokens", count(one.cache_read)),
            (
                "cache_creation_input_tokens",
                one.cache_write.iter().find_map(|name| count(name)),
            ),
        ];
        let known = counts.into_iter().chain(cached);
        let known = known.filter_map(|(name, count)| Some((name.to_owned(), Any::Int(count?))));
        Some(Any::Map(known.collect()).dump())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn other_conventions_in_our_names() {
        let check = |given: &[(&str, &str)], name: &str, expect: Option<&str>| {
            let mut attributes: Attributes = given
                .iter()
                .map(|(k, v)| ((*k).into(), (*v).into()))
                .collect();
            translate(&mut attributes);
            assert_eq!(find(&attributes, name), expect, "{given:?}");
        };
        let genai = [
            ("gen_ai.operation.name", "\"chat\""),
            ("gen_ai.usage.input_tokens", "5"),
            ("gen_ai.usage.output_tokens", "\"2\""),
            ("gen_ai.request.model", "\"m\""),
            ("gen_ai.provider.name", "\"p\""),
            ("gen_ai.input.messages", "\"[]\""),
        ];
        check(&genai, TYPE, Some("\"CHAT_MODEL\""));
        check(
            &genai,
            USAGE,
            Some("{\"input_tokens\": 5, \"output_tokens\": 2, \"total_tokens\": 7}"),
        );
        check(&genai, MODEL, Some("\"m\""));
        check(&genai, PROVIDER, Some("\"p\""));
        check(
            &[(TYPE, "\"TOOL\""), ("openinference.span.kind", "\"LLM\"")],
            TYPE,
            Some("\"TOOL\""),
        );
        check(
            &[
                (TYPE, "\"UNKNOWN\""),
                ("openinference.span.kind", "\"LLM\""),
            ],
            TYPE,
            Some("\"LLM\""),
        );
        check(&[(INPUTS, "{\"model\": \"x\"}")], MODEL, Some("\"x\""));
        check(&[("input.value", "\"\"")], INPUTS, None);
    }
}
