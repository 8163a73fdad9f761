//! What a plan tells of an account before anything is done: what an organization refuses, a quota that is full, and a network
//! in which code does not fit.

use alien_aws::Target;
use alien_conformance::stacks::IMAGE;
use alien_conformance::world::release;
use alien_core::{Code, Container, ErrorKind, Existing, Network, Plan, Profile, Release, Replicas, Stack};

use crate::faults::{ALWAYS, Wire, changes};
use crate::form::{Fault, SAID, query};
use crate::life::{CUSTOMER, first, target};

async fn plan(wire: &Wire, target: Target, release: &Release) -> Plan {
    let plan = wire.admin(target).plan(release).run("planned".parse().unwrap()).await.unwrap();
    let sent = wire.sent();
    assert!(!sent.iter().any(|sent| changes(sent)), "{sent:#?}");
    plan
}

fn problems(plan: &Plan) -> Vec<String> {
    plan.problems.iter().map(ToString::to_string).collect()
}

/// Whoever has rights that an organization takes away: IAM simulates that with the policies.
/// <https://docs.aws.amazon.com/IAM/latest/APIReference/API_SimulatePrincipalPolicy.html>
#[tokio::test]
async fn what_a_service_control_policy_refuses_is_told_as_that_and_refused() {
    let simulated = |allowed: &str, decision: &str| {
        let by = format!(
            "<OrganizationsDecisionDetail><AllowedByOrganizations>{allowed}</AllowedByOrganizations></OrganizationsDecisionDetail>"
        );
        let result = format!(
            "<member><EvalActionName>sqs:CreateQueue</EvalActionName><EvalResourceName>*</EvalResourceName>\
             <EvalDecision>{decision}</EvalDecision>{by}</member>"
        );
        Fault::plain(
            200,
            &format!(
                "<SimulatePrincipalPolicyResponse><SimulatePrincipalPolicyResult><IsTruncated>false</IsTruncated>\
                 <EvaluationResults>{result}</EvaluationResults></SimulatePrincipalPolicyResult>\
                 </SimulatePrincipalPolicyResponse>"
            ),
        )
    };
    let caller = format!(
        "<GetCallerIdentityResponse><GetCallerIdentityResult><Account>{CUSTOMER}</Account><UserId>AROA:jo</UserId>\
         <Arn>arn:aws:sts::{CUSTOMER}:assumed-role/admin/jo</Arn></GetCallerIdentityResult></GetCallerIdentityResponse>"
    );
    let wire = Wire::new().await;
    wire.answer("Action=GetCallerIdentity", ALWAYS, &Fault::plain(200, &caller));
    wire.answer("sqs%3ACreateQueue", 1, &simulated("false", "implicitDeny"));
    wire.answer("Action=SimulatePrincipalPolicy", ALWAYS, &simulated("true", "allowed"));
    let plan = plan(&wire, target("life"), &first()).await;
    let role = format!("arn:aws:iam::{CUSTOMER}:role/admin");
    let asked = format!("PolicySourceArn={}", role.replace(':', "%3A").replace('/', "%2F"));
    let simulations = wire.sent().into_iter().filter(|sent| sent.contains("Action=SimulatePrincipalPolicy"));
    let simulations: Vec<String> = simulations.collect();
    assert!(simulations.len() > 10 && simulations.iter().all(|sent| sent.contains(&asked)), "{simulations:#?}");
    let told = problems(&plan);
    let refused: Vec<&String> = told.iter().filter(|problem| problem.contains("may not")).collect();
    assert_eq!(refused.len(), 1, "{told:#?}");
    assert!(
        refused[0].starts_with("error: ")
            && refused[0].contains(&format!("`{role}` may not sqs:CreateQueue on arn:aws:sqs:"))
            && refused[0].contains("a service control policy of the organization does not allow it"),
        "{told:#?}"
    );
    let error = wire.admin(target("life")).apply(&plan).run("planned".parse().unwrap()).await.unwrap_err();
    assert!(error.kind() == ErrorKind::Input && error.to_string().contains("service control policy"), "{error}");
    assert!(!wire.sent().iter().any(|sent| changes(sent)));
}

/// The deployment makes four roles.
#[tokio::test]
async fn an_account_without_room_for_the_roles_is_refused() {
    for (roles, told) in
        [(996, None), (997, Some("the account has 997 of at most 1000 roles, and the deployment needs up to 4 more"))]
    {
        let summary = [("Roles", roles), ("RolesQuota", 1000)];
        let entries = summary.map(|(key, value)| format!("<entry><key>{key}</key><value>{value}</value></entry>"));
        let answer = format!(
            "<GetAccountSummaryResponse><GetAccountSummaryResult><SummaryMap>{}</SummaryMap>\
             </GetAccountSummaryResult></GetAccountSummaryResponse>",
            entries.concat()
        );
        let wire = Wire::new().await;
        wire.answer("Action=GetAccountSummary", ALWAYS, &Fault::plain(200, &answer));
        let plan = plan(&wire, target("life"), &first()).await;
        let refused = plan.refusal().err().map(|error| error.problems().iter().map(ToString::to_string).collect());
        let refused: Vec<String> = refused.unwrap_or_default();
        match told {
            None => assert_eq!(refused, Vec::<String>::new()),
            Some(told) => assert!(refused.iter().any(|problem| problem.contains(told)), "{refused:#?}"),
        }
    }
}

/// A VPC of the customer's in which no code fits, and one in which it does.
#[tokio::test]
async fn a_network_of_the_customers_in_which_code_does_not_fit_is_told() {
    let mut stack = Stack::builder("placed");
    let net = stack.frozen("net", Network::default());
    let worker = Container::new(IMAGE.parse::<Code>().unwrap(), "execution").with_network(&net);
    stack.live("worker", worker.with_replicas(Replicas { min: 3, max: 3 }));
    stack.profile("execution", Profile::new());
    let stack = stack.build().unwrap().with_existing("net", Existing::new("vpc-0a1b2c3d")).unwrap();
    let release = release(&stack, &[]);
    // Fargate runs nothing in `use1-az3`
    // (<https://docs.aws.amazon.com/AmazonECS/latest/developerguide/AWS_Fargate-Regions.html>).
    let there = || Target { region: "us-east-1".parse().unwrap(), ..target("life") };
    let told = async |count: usize, free: usize, zone: &str, leads_to: &str| {
        let subnet = |number: usize| {
            format!(
                "<item><subnetId>subnet-{number:08x}</subnetId><vpcId>vpc-0a1b2c3d</vpcId>\
                 <availabilityZoneId>{zone}</availabilityZoneId>\
                 <availableIpAddressCount>{free}</availableIpAddressCount></item>"
            )
        };
        let subnets: String = (1..=count).map(subnet).collect();
        let table = format!(
            "<item><routeTableId>rtb-0a1b2c3d</routeTableId><vpcId>vpc-0a1b2c3d</vpcId>\
             <routeSet><item><destinationCidrBlock>{leads_to}</destinationCidrBlock><state>active</state></item></routeSet>\
             <associationSet><item><main>true</main></item></associationSet></item>"
        );
        let answer = |call: &str, set: &str, items: &str| {
            Fault::plain(200, &format!("<{call}Response><{set}>{items}</{set}></{call}Response>"))
        };
        let wire = Wire::new().await;
        let absent = query((404, "NoSuchEntity"), SAID);
        let vpc = "<item><vpcId>vpc-0a1b2c3d</vpcId><state>available</state></item>";
        wire.answer("Action=GetRole&", ALWAYS, &absent);
        wire.answer("Action=DescribeVpcs", ALWAYS, &answer("DescribeVpcs", "vpcSet", vpc));
        wire.answer("Action=DescribeSubnets", ALWAYS, &answer("DescribeSubnets", "subnetSet", &subnets));
        wire.answer("Action=DescribeRouteTables", ALWAYS, &answer("DescribeRouteTables", "routeTableSet", &table));
        wire.answer(".DescribeClusters", ALWAYS, &Fault::plain(200, r#"{"clusters":[],"failures":[]}"#));
        wire.answer(".DescribeServices", ALWAYS, &Fault::plain(200, r#"{"services":[],"failures":[]}"#));
        problems(&plan(&wire, there(), &release).await)
    };
    let whole = "0.0.0.0/0";
    assert_eq!(told(2, 3, "use1-az1", whole).await, Vec::<String>::new());
    for (found, what) in [
        (
            told(2, 2, "use1-az1", whole).await,
            "its subnets have 4 free addresses, and the code that is placed there takes up to 6",
        ),
        (told(1, 6, "use1-az3", whole).await, "Fargate runs nothing in the zone of `subnet-00000001`"),
        (told(1, 6, "use1-az1", "10.0.0.0/16").await, "`subnet-00000001` have no route out of the VPC"),
        (told(17, 6, "use1-az1", whole).await, "it has 17 subnets, and Lambda and ECS take 16 at most"),
    ] {
        assert!(found.len() == 1 && found[0].starts_with("warning: `net`: ") && found[0].contains(what), "{found:#?}");
    }
}
