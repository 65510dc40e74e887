//! Who is calling, once a credential has been checked.

use crate::role::Role;

/// A caller whose credential, if any, has been verified.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Identity {
    /// No credential was sent.
    Anonymous,
    /// A token from the store, or the owner's token file.
    Token {
        /// The name its maker gave it; appears in events as the actor.
        name: String,
        /// What it may do.
        role: Role,
        /// The one project it is good for; `None` for all.
        project: Option<String>,
    },
    /// A user who sent name and password.
    User {
        /// What they sign in with; appears in events as the actor.
        name: String,
        /// What they may do.
        role: Role,
        /// The one project they may do it in; `None` for all.
        project: Option<String>,
    },
    /// Whoever holds a ticket for this very request: see [`crate::ticket`].
    Ticket {
        /// Who asked for it.
        actor: String,
        /// The project of the request.
        project: String,
    },
    /// A unit of a pipeline run: may do that run's tracking and nothing else.
    Unit {
        /// The project the run belongs to.
        project: String,
        /// The pipeline run.
        run: String,
        /// The MLflow runs it may write.
        mlflow_run: String,
    },
}

impl Identity {
    /// The actor's name for events, as `name`, `unit of run <id>` or `anonymous`.
    pub fn actor(&self) -> String {
        match self {
            Identity::Anonymous => "anonymous".to_owned(),
            Identity::Token { name, .. } | Identity::User { name, .. } => name.clone(),
            Identity::Ticket { actor, .. } => actor.clone(),
            Identity::Unit { run, .. } => format!("unit of run {run}"),
        }
    }

    /// Whether it may do everything in every project.
    pub fn is_admin(&self) -> bool {
        let (Identity::Token { role, project, .. } | Identity::User { role, project, .. }) = self
        else {
            return false;
        };
        *role == Role::Admin && project.is_none()
    }
}
