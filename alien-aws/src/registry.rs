//! Images in Amazon ECR: where they are, and what their owner grants.

use std::collections::BTreeMap;

use alien_core::adapter::{Holder, Layout};
use alien_core::{Code, CodeForm, Kind, RegistryGrant, ResourceId};
use serde_json::{Value, json};

use crate::Aws;
use crate::naming::Arns;
use crate::target::{AccountId, Region};

/// How the names of Amazon ECR's registries end.
pub(crate) const ECR: &[&str] = &[".amazonaws.com", ".amazonaws.com.cn"];

/// A repository of Amazon ECR.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Repository {
    pub(crate) account: AccountId,
    pub(crate) region: Region,
    pub(crate) name: String,
}

impl Repository {
    /// The repository of an image, `{account}.dkr.ecr.{region}.amazonaws.com/{repository}@…`. `None` for other
    /// registries, and for repositories whose name an ARN would read as a pattern.
    pub(crate) fn of_image(image: &str) -> Option<Self> {
        let (host, path) = image.split_once('/')?;
        let (account, region) = host.split_once(".dkr.ecr.")?;
        let region = ECR.iter().find_map(|ending| region.strip_suffix(ending))?.parse().ok()?;
        let name = path.split(['@', ':']).next()?;
        let plain = name.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b"._/-".contains(&b));
        (plain && !name.is_empty()).then_some(())?;
        Some(Self { account: account.parse().ok()?, region, name: name.to_owned() })
    }

    /// The repository of code whose one form is an image.
    pub(crate) fn of(code: &Code) -> Option<Self> {
        match code.only() {
            Some(CodeForm::Image(image)) => Self::of_image(&image),
            _ => None,
        }
    }

    pub(crate) fn arn(&self) -> String {
        let Self { account, region, name } = self;
        format!("arn:{}:ecr:{region}:{account}:repository/{name}", region.partition())
    }
}

/// The repositories of a deployment's images, each with the positions of the resources whose images are there.
pub(crate) fn repositories(layout: &Layout<Aws>) -> Vec<(Repository, Vec<usize>)> {
    let mut found = BTreeMap::<String, (Repository, Vec<usize>)>::new();
    for (position, resource) in layout.stack.resources().iter().enumerate() {
        if let Some(repository) = resource.code().and_then(Repository::of) {
            found.entry(repository.arn()).or_insert_with(|| (repository, Vec::new())).1.push(position);
        }
    }
    found.into_values().collect()
}

/// What the owners of repositories in other accounts grant.
///
/// Lambda pulls an image as itself and as the caller who names it; ECS as the execution role
/// (<https://docs.aws.amazon.com/lambda/latest/dg/images-create.html#configuration-images-xaccount-permissions>,
/// <https://docs.aws.amazon.com/AmazonECR/latest/userguide/repository-policy-examples.html>). A policy may not name a role that
/// does not exist yet, so the account is named, and where ECS alone pulls, a condition names the role.
pub(crate) fn grants(layout: &Layout<Aws>) -> Vec<RegistryGrant> {
    let others = repositories(layout).into_iter().filter(|(repository, _)| repository.account != layout.target.account);
    others.map(|(repository, positions)| grant(layout, &repository, &positions)).collect()
}

fn grant(layout: &Layout<Aws>, repository: &Repository, positions: &[usize]) -> RegistryGrant {
    let arns = Arns(&layout.target);
    let of_kind = |kind: Kind| {
        let is_of = move |position: &usize| layout.stack.at(*position).is_some_and(|found| found.kind() == kind);
        positions.iter().copied().filter(is_of)
    };
    let functions: Vec<&str> = of_kind(Kind::Function).map(|position| layout.names.id(position)).collect();
    let puller = arns.iam(&["role/", &arns.role(&Holder::Platform.name())]);
    let root = arns.iam(&["root"]);
    let name = arns.physical("images", 32);
    // A Sid has letters and digits alone
    // (<https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_elements_sid.html>).
    let sid = |who: &str| format!("{}{who}", name.replace('-', ""));
    let mut account = json!({
        "Sid": sid("Account"),
        "Effect": "Allow",
        "Principal": { "AWS": root },
        "Action": ["ecr:BatchCheckLayerAvailability", "ecr:BatchGetImage", "ecr:GetDownloadUrlForLayer"],
    });
    let mut statements = Vec::<Value>::new();
    let mut to = Vec::new();
    if functions.is_empty() {
        let puller_alone = json!({ "ArnEquals": { "aws:PrincipalArn": puller } });
        account.as_object_mut().map(|fields| fields.insert("Condition".to_owned(), puller_alone));
        to.push(puller);
    } else {
        to.extend([root, "lambda.amazonaws.com".to_owned()]);
    }
    statements.push(account);
    if !functions.is_empty() {
        statements.push(json!({
            "Sid": sid("Lambda"),
            "Effect": "Allow",
            "Principal": { "Service": "lambda.amazonaws.com" },
            "Action": ["ecr:BatchGetImage", "ecr:GetDownloadUrlForLayer"],
            "Condition": { "StringLike": { "aws:sourceARN": functions } },
        }));
    }
    let file = format!("{name}-{}.json", repository.name.replace('/', "-"));
    let policy = json!({ "Version": "2012-10-17", "Statement": statements });
    let resources = positions.iter().filter_map(|position| layout.stack.at(*position));
    let resources: Vec<ResourceId> = resources.map(|resource| resource.id().clone()).collect();
    RegistryGrant {
        resources,
        repository: repository.arn(),
        to,
        command: format!(
            "aws ecr set-repository-policy --registry-id {} --region {} --repository-name {} --policy-text file://{file}",
            repository.account, repository.region, repository.name,
        ),
        text: format!("{policy:#}\n"),
        file,
        note: "The command replaces the policy of the repository: where it has one, as for other customers, add these \
               statements to it."
            .to_owned(),
        source:
            "https://docs.aws.amazon.com/lambda/latest/dg/images-create.html#configuration-images-xaccount-permissions"
                .to_owned(),
    }
}
