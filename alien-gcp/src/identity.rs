//! The service accounts of a deployment, who may impersonate them, and what the deployment shares.

use alien_core::cloud::{Deployed, Operation};
use alien_core::permission::Holder;

use crate::Gcp;
use crate::naming::Paths;
use crate::operations as op;
use crate::operations::Place;
use crate::policy::{CustomRole, Impersonator, Principal};

/// What the customer's admin needs to make a service account and bind roles to it.
pub(crate) fn set() -> &'static [&'static Operation<Place>] {
    &[
        op::CREATE_SERVICE_ACCOUNT,
        op::GET_SERVICE_ACCOUNT,
        op::DELETE_SERVICE_ACCOUNT,
        op::GET_SERVICE_ACCOUNT_POLICY,
        op::SET_SERVICE_ACCOUNT_POLICY,
    ]
}

/// What the customer's admin needs once for a deployment: roles, and the project's policy for conditioned bindings.
pub(crate) fn deployment_set() -> &'static [&'static Operation<Place>] {
    &[
        op::CREATE_ROLE,
        op::GET_ROLE,
        op::PATCH_ROLE,
        op::DELETE_ROLE,
        op::UNDELETE_ROLE,
        op::GET_PROJECT,
        op::GET_PROJECT_POLICY,
        op::SET_PROJECT_POLICY,
        op::GET_API,
    ]
}

/// Names a service account.
pub(crate) fn names(paths: Paths<'_>, holder: &Holder, things: &mut Vec<(Place, String)>) {
    let email = paths.email(&paths.account_id(&holder.name()));
    let account = paths.full("iam", &["serviceAccounts/", &email]);
    things.push((Place::ServiceAccount, account.clone()));
    if let Holder::Profile(_) = holder {
        things.push((Place::RuntimeAccount, account));
    }
}

/// The view of a service's logs, in the deployment's log bucket. A view has no policy of its own that a condition on
/// the project could not say, so it is named in its relative form
/// (<https://docs.cloud.google.com/logging/docs/logs-views>).
pub(crate) fn log_view(paths: Paths<'_>, service: &str) -> String {
    let bucket = paths.physical("logs", 100);
    paths.in_project(&["locations/", paths.0.location.as_str(), "/buckets/", &bucket, "/views/", service])
}

/// The role that lets the vendor get tokens of the management service account, and nothing else of it.
pub(crate) fn impersonation_role() -> CustomRole {
    let title = "alien: get access tokens".to_owned();
    let description = "lets the vendor impersonate the management service account".to_owned();
    let permission = op::GENERATE_ACCESS_TOKEN.permission;
    CustomRole::new("alien.identity.impersonate".to_owned(), title, description, vec![permission.into()])
}

/// Who may impersonate the service account of a holder: the vendor, that of management; nobody else any.
pub(crate) fn impersonators(deployment: &Deployed<'_, Gcp>, holder: &Holder) -> Vec<Impersonator> {
    let target = deployment.target;
    match holder {
        Holder::Vendor => {
            let role = Paths(target).in_project(&["roles/", &impersonation_role().role_id]);
            vec![Impersonator { member: format!("serviceAccount:{}", target.vendor), role }]
        }
        Holder::Admin | Holder::Profile(_) => Vec::new(),
    }
}

/// Who may become the service account and should not be able to.
pub(crate) fn misplaced_trust(deployment: &Deployed<'_, Gcp>, holder: &Holder, principal: &Principal) -> Vec<String> {
    let mut problems = Vec::new();
    let expected = impersonators(deployment, holder);
    for found in principal.impersonators.iter().filter(|found| !expected.contains(found)) {
        let what = match holder {
            Holder::Vendor => "only the vendor's service account may impersonate this one, by a role for tokens alone",
            Holder::Admin | Holder::Profile(_) => "nobody may impersonate this service account",
        };
        problems.push(format!("{what}, but `{}` may by `{}`", found.member, found.role));
    }
    let id = &principal.service_account.account_id;
    let own = Paths(deployment.target).account_id(&holder.name());
    if *id != own || principal.service_account.email != Paths(deployment.target).email(&own) {
        problems.push(format!(
            "the service account is `{}`, and the deployment's is `{own}`",
            principal.service_account.email
        ));
    }
    if *holder == Holder::Vendor {
        let role = impersonation_role();
        for found in principal.custom_roles.iter().filter(|found| found.role_id == role.role_id) {
            if found.included_permissions != role.included_permissions {
                problems.push(format!("role `{}` lets the vendor do more than get access tokens", found.role_id));
            }
        }
    }
    problems
}
