//! Datasets and models that went into a run.
//!
//! The store knows dataset inputs only: a model that went in is kept as an input of its own kind, named by its id.

use super::{labels, pairs};
use mlflow::{
    Error, limits,
    runs::{Dataset, DatasetInput, Inputs, ModelInput, ModelOutput, Outputs},
};
use std::collections::BTreeMap;
use store::{Input, Output};

/// The kind of an input that is a logged model.
const MODEL: &str = "mainspan.logged-model";

/// A dataset as the store keeps it.
pub(in crate::mlflow) fn dataset(input: DatasetInput) -> Result<Input, Error> {
    let dataset = input.dataset.unwrap_or_default();
    let empty = String::new();
    let texts = [
        &dataset.name,
        &dataset.digest,
        &dataset.source,
        dataset.schema.as_ref().unwrap_or(&empty),
        dataset.profile.as_ref().unwrap_or(&empty),
    ];
    for ((field, limit), text) in limits::DATASET.iter().zip(texts) {
        limits::at_most(field, text, *limit)?;
    }
    for tag in &input.tags {
        limits::at_most("key", &tag.key, limits::INPUT_TAG.0)?;
        limits::at_most("value", &tag.value, limits::INPUT_TAG.1)?;
    }
    mlflow::required("name", &dataset.name)?;
    mlflow::required("digest", &dataset.digest)?;
    Ok(Input {
        name: dataset.name,
        digest: dataset.digest,
        source_type: dataset.source_type,
        source: dataset.source,
        schema: dataset.schema,
        profile: dataset.profile,
        tags: labels(&input.tags),
    })
}

/// A logged model that went in, as the store keeps it.
pub(in crate::mlflow) fn model(input: &ModelInput) -> Input {
    Input {
        name: input.model_id.clone(),
        digest: String::new(),
        source_type: MODEL.to_owned(),
        source: String::new(),
        schema: None,
        profile: None,
        tags: BTreeMap::new(),
    }
}

/// All inputs as answers show them.
pub(in crate::mlflow) fn wire(inputs: Vec<Input>) -> Inputs {
    let (models, datasets): (Vec<Input>, Vec<Input>) = inputs
        .into_iter()
        .partition(|input| input.source_type == MODEL);
    let dataset = |input: Input| DatasetInput {
        tags: pairs(input.tags),
        dataset: Some(Dataset {
            name: input.name,
            digest: input.digest,
            source_type: input.source_type,
            source: input.source,
            schema: input.schema,
            profile: input.profile,
        }),
    };
    Inputs {
        dataset_inputs: datasets.into_iter().map(dataset).collect(),
        model_inputs: models
            .into_iter()
            .map(|input| ModelInput {
                model_id: input.name,
            })
            .collect(),
    }
}

/// All outputs as answers show them.
pub(in crate::mlflow) fn outputs(outputs: Vec<Output>) -> Outputs {
    let output = |Output { model_id, step }| ModelOutput { model_id, step };
    Outputs {
        model_outputs: outputs.into_iter().map(output).collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_kinds_come_back() {
        let sent: DatasetInput = serde_json::from_str(
            r#"{"tags":[{"key":"mlflow.data.context","value":"training"}],"dataset":{"name":"flights","digest":"ab","source_type":"local","source":"{}","schema":"{}"}}"#,
        )
        .unwrap();
        let kept = vec![
            dataset(sent.clone()).unwrap(),
            model(&ModelInput {
                model_id: "m-1".into(),
            }),
        ];
        let shown = wire(kept);
        assert_eq!(shown.dataset_inputs, [sent]);
        assert_eq!(
            shown.model_inputs,
            [ModelInput {
                model_id: "m-1".into()
            }]
        );
    }

    #[test]
    fn limits_hold() {
        let long = DatasetInput {
            dataset: Some(Dataset {
                name: "n".into(),
                digest: "d".repeat(37),
                ..Dataset::default()
            }),
            ..DatasetInput::default()
        };
        assert!(dataset(long).unwrap_err().message.contains("'digest'"));
        assert!(
            dataset(DatasetInput::default())
                .unwrap_err()
                .message
                .contains("'name'")
        );
    }
}
