//! Registered models and prompts, their versions and aliases.

use super::Import;
use crate::{
    error::Result,
    report::{Kind, Report},
    source::{Named, Source, is_prompt, pages},
};
use mlflow::{
    moving::{AliasAt, Item, Model, State},
    registry::RegisteredModel,
};

/// Whether it is a model or a prompt.
fn kind(model: &RegisteredModel) -> Kind {
    if is_prompt(model) {
        Kind::Prompts
    } else {
        Kind::Models
    }
}

impl Import<'_> {
    pub(super) fn registry(&mut self) -> Result<()> {
        let mut after = None;
        loop {
            let page = self.source.models(after.as_deref())?;
            for named in page.items {
                self.model(named)?;
            }
            self.doing("registered models");
            match page.next {
                Some(next) => after = Some(next),
                None => return Ok(()),
            }
        }
    }

    fn model(&mut self, named: Named) -> Result<()> {
        let Named {
            mut model,
            last_version,
        } = named;
        let kind = kind(&model);
        let aliases = std::mem::take(&mut model.aliases);
        model.latest_versions.clear();
        let name = model.name.clone();
        let item = Item::Model(Model {
            model: model.clone(),
            last_version,
        });
        self.report.count(kind).found += 1;
        for outcome in self.target.take(vec![item])? {
            self.report.tell_outcome(kind, &name, &outcome);
            if outcome.state == State::Failed {
                return Ok(());
            }
        }
        self.versions(&model)?;
        let items = aliases.iter().map(|alias| {
            Item::Alias(AliasAt {
                name: name.clone(),
                alias: alias.alias.clone(),
                version: alias.version.clone(),
            })
        });
        let outcomes = self.target.take(items.collect())?;
        for (alias, outcome) in aliases.iter().zip(outcomes) {
            self.report.count(Kind::Aliases).found += 1;
            let shown = format!("{name}@{}", alias.alias);
            self.report.tell_outcome(Kind::Aliases, &shown, &outcome);
        }
        Ok(())
    }

    fn versions(&mut self, model: &RegisteredModel) -> Result<()> {
        let mut after = None;
        loop {
            let page = self.source.versions(model, after.as_deref())?;
            let items = page.items.iter().cloned().map(Item::Version);
            let outcomes = self.target.take(items.collect())?;
            for (version, outcome) in page.items.iter().zip(outcomes) {
                self.report.count(Kind::Versions).found += 1;
                let shown = format!("{}/{}", model.name, version.version);
                self.report.tell_outcome(Kind::Versions, &shown, &outcome);
            }
            match page.next {
                Some(next) => after = Some(next),
                None => return Ok(()),
            }
        }
    }
}

/// Counts models, versions and aliases.
pub(super) fn survey(source: &mut dyn Source, report: &mut Report) -> Result<()> {
    let mut models = Vec::new();
    pages(
        |after| source.models(after),
        |some| {
            for named in some {
                report.count(kind(&named.model)).found += 1;
                report.count(Kind::Aliases).found += named.model.aliases.len() as u64;
                models.push(named.model);
            }
            Ok(())
        },
    )?;
    for model in models {
        pages(
            |after| source.versions(&model, after),
            |some| {
                report.count(Kind::Versions).found += some.len() as u64;
                Ok(())
            },
        )?;
    }
    Ok(())
}
