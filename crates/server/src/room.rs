//! What of a project file can never run on this machine: told with the plan, before a run or a roll-out finds out.
//!
//! Pure. It is told and not refused, because the file may be meant for a larger machine than this server's.

use platform::{Admit, Capacity, Claim, capacity::admit};
use spec::ProjectFile;

/// One sentence for each step and service that is larger than the machine.
pub(crate) fn notes(file: &ProjectFile, machine: &Capacity) -> Vec<String> {
    let empty = Capacity {
        used: Claim::default(),
        ..machine.clone()
    };
    let mut notes = Vec::new();
    let mut check = |what: String, claim: Claim| {
        if let Admit::Never(why) = admit(&empty, &claim) {
            notes.push(format!("{what} cannot run here: {why}"));
        }
    };
    for (name, pipeline) in &file.pipelines {
        for (step, declared) in &pipeline.steps {
            let resources = &declared.resources;
            let claim = Claim {
                cpu: resources.cpu.get(),
                memory: resources.memory.bytes(),
                gpus: resources.gpu,
            };
            check(format!("step `{step}` of pipeline `{name}`"), claim);
        }
    }
    for environment in &file.environments {
        for name in file.services.keys() {
            let Some(service) = file.service_in(environment, name) else {
                continue;
            };
            // CPU is a weight for replicas, and claims nothing.
            let claim = Claim {
                cpu: 0.0,
                memory: service.resources.memory.bytes(),
                gpus: service.resources.gpu,
            };
            check(format!("service `{name}` in {environment}"), claim);
        }
    }
    notes
}
