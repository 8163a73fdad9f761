//! The operation table of AWS.
//!
//! Actions, their resource types and their condition keys are taken from the service authorization reference, page by
//! page. Rows that are in no permission set are never granted: the audit uses them to say what a wrong document would
//! allow.

use alien_core::adapter::Escalation;

/// What a permission is checked on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Scope {
    /// A Lambda function, by its unqualified ARN.
    Function,
    /// A Lambda function, for requests that set neither its network nor its layers.
    FunctionInPlace,
    /// Event source mappings of a function. They have no ARN known in advance; the condition key `lambda:FunctionArn`
    /// limits them.
    Mappings,
    /// An ECS service.
    Service,
    /// An ECS service, for requests that leave ECS Exec off: an update must not open a shell.
    ServiceWithoutShell,
    /// An ECS service, for requests that also leave its network, its volumes, its connections and where it runs as they
    /// are, and run nothing but its own task definition.
    ServiceInPlace,
    /// All revisions of a task definition family. A family has no `:` in its name, so `:*` covers nothing else.
    TaskFamily,
    /// The same, for requests that register no privileged container.
    TaskFamilyUnprivileged,
    /// The ECS cluster of a deployment.
    Cluster,
    /// The service-linked role of ECS.
    EcsLinkedRole,
    /// A log group, with and without the `:*` that CloudWatch Logs adds. A log group has no `:` in its name.
    LogGroup,
    /// The streams of a log group.
    LogStreams,
    /// A bucket.
    Bucket,
    /// The objects of a bucket.
    Objects,
    /// A DynamoDB table.
    Table,
    /// A queue.
    Queue,
    /// The dead-letter queue of a queue.
    DeadLetters,
    /// A VPC: the customer's by its id; a new one, whose id is not known yet, by its tag.
    Vpc,
    /// Network parts that are being created, by the tag in the request.
    NetworkNew,
    /// Network parts that are tagged by the request that creates them.
    NetworkTagging,
    /// Network parts that exist, by the tag on them.
    NetworkOwn,
    /// The network interfaces that connect a function to its network: their names are not known in advance.
    Interfaces,
    /// A new VPC, with its name in place of the id that is not known yet. No permission is checked on it.
    NetworkId,
    /// The tag on network parts. No permission is checked on it.
    NetworkTag,
    /// The ECR repository of an image.
    Repository,
    /// The registry of such a repository. GetAuthorizationToken takes only `*`; the token alone gives access to no
    /// repository.
    Registry,
    /// Nothing with an ARN: the action takes only `*`.
    Account,
    /// A role of the deployment.
    Role,
    /// The managed policies of such a role: its name, `-p` and one digit.
    RolePolicies,
    /// The caller itself. No document of a deployment covers it, so nothing is rendered for it.
    Caller,
    /// A runtime role that is passed to Lambda.
    RoleForLambda,
    /// A runtime role, or the execution role, that is passed to ECS tasks.
    RoleForTasks,
}

alien_core::operations! {
    on Scope;

    // GetFunctionConfiguration is the narrowest call that shows a function's state; GetFunction also returns a URL of
    // the code.
    source "https://docs.aws.amazon.com/service-authorization/latest/reference/list_awslambda.html" {
        GET_FUNCTION_CONFIGURATION = "lambda:GetFunctionConfiguration" on Function, Observe, reveals "environment variables";
        LIST_FUNCTION_TAGS = "lambda:ListTags" on Function, Observe;
        UPDATE_FUNCTION_CODE = "lambda:UpdateFunctionCode" on Function, Update;
        UPDATE_FUNCTION_CONFIGURATION = "lambda:UpdateFunctionConfiguration" on Function, Update;
        UPDATE_FUNCTION_CONFIGURATION_IN_PLACE = "lambda:UpdateFunctionConfiguration" on FunctionInPlace, Update;
        INVOKE_FUNCTION = "lambda:InvokeFunction" on Function, Invoke;
        CREATE_FUNCTION = "lambda:CreateFunction" on Function, Create;
        DELETE_FUNCTION = "lambda:DeleteFunction" on Function, Delete;
        TAG_FUNCTION = "lambda:TagResource" on Function, Update;
        ADD_FUNCTION_PERMISSION = "lambda:AddPermission" on Function, Control;
        REMOVE_FUNCTION_PERMISSION = "lambda:RemovePermission" on Function, Control;
        CREATE_FUNCTION_URL = "lambda:CreateFunctionUrlConfig" on Function, Redirect;
        UPDATE_FUNCTION_URL = "lambda:UpdateFunctionUrlConfig" on Function, Redirect;
        DELETE_FUNCTION_URL = "lambda:DeleteFunctionUrlConfig" on Function, Delete;
        GET_FUNCTION_URL = "lambda:GetFunctionUrlConfig" on Function, Observe;
        GET_FUNCTION_POLICY = "lambda:GetPolicy" on Function, Observe, reveals "who may call the function";
        CREATE_MAPPING = "lambda:CreateEventSourceMapping" on Mappings, Redirect;
        UPDATE_MAPPING = "lambda:UpdateEventSourceMapping" on Mappings, Redirect;
        DELETE_MAPPING = "lambda:DeleteEventSourceMapping" on Mappings, Delete;
        GET_MAPPING = "lambda:GetEventSourceMapping" on Mappings, Observe;
        LIST_MAPPINGS = "lambda:ListEventSourceMappings" on Account, Observe, reveals "every mapping of the account";
        GET_FUNCTION = "lambda:GetFunction" on Function, ReadCode;
        GET_LAYER_VERSION = "lambda:GetLayerVersion" on Account, ReadCode;
        PUBLISH_LAYER_VERSION = "lambda:PublishLayerVersion" on Account, Create;
        UPDATE_FUNCTION_ALIAS = "lambda:UpdateAlias" on Function, Update;
        PUT_FUNCTION_INVOKE_CONFIG = "lambda:PutFunctionEventInvokeConfig" on Function, Redirect;
        INVOKE_FUNCTION_ASYNC = "lambda:InvokeAsync" on Function, Invoke;
        INVOKE_FUNCTION_URL = "lambda:InvokeFunctionUrl" on Function, Invoke;
        LIST_FUNCTIONS = "lambda:ListFunctions" on Account, Observe, reveals "every function of the account and its environment variables";
    }

    // DescribeTaskDefinition takes only `*`: it shows the environment variables of every task definition.
    source "https://docs.aws.amazon.com/service-authorization/latest/reference/list_amazonelasticcontainerservice.html" {
        DESCRIBE_SERVICES = "ecs:DescribeServices" on Service, Observe;
        REGISTER_TASK_DEFINITION = "ecs:RegisterTaskDefinition" on TaskFamilyUnprivileged, Update;
        UPDATE_SERVICE = "ecs:UpdateService" on ServiceWithoutShell, Update;
        UPDATE_SERVICE_IN_PLACE = "ecs:UpdateService" on ServiceInPlace, Update;
        CREATE_SERVICE = "ecs:CreateService" on ServiceWithoutShell, Create;
        DELETE_SERVICE = "ecs:DeleteService" on Service, Delete;
        TAG_SERVICE = "ecs:TagResource" on Service, Update;
        TAG_TASK_DEFINITION = "ecs:TagResource" on TaskFamily, Update;
        TAG_CLUSTER = "ecs:TagResource" on Cluster, Update;
        DEREGISTER_TASK_DEFINITION = "ecs:DeregisterTaskDefinition" on Account, Delete;
        CREATE_CLUSTER = "ecs:CreateCluster" on Cluster, Create;
        DELETE_CLUSTER = "ecs:DeleteCluster" on Cluster, Delete;
        DESCRIBE_CLUSTERS = "ecs:DescribeClusters" on Cluster, Observe;
        DESCRIBE_TASK_DEFINITION = "ecs:DescribeTaskDefinition" on Account, Observe, reveals "the environment variables of every task definition";
        EXECUTE_COMMAND = "ecs:ExecuteCommand" on Cluster, Credential;
        RUN_TASK = "ecs:RunTask" on TaskFamily, Invoke;
        START_TASK = "ecs:StartTask" on TaskFamily, Invoke;
    }

    // HeadBucket needs s3:ListBucket, which shows object names; GetBucketLocation shows only that the bucket exists.
    source "https://docs.aws.amazon.com/service-authorization/latest/reference/list_amazons3.html" {
        GET_BUCKET_LOCATION = "s3:GetBucketLocation" on Bucket, Observe;
        GET_BUCKET_TAGGING = "s3:GetBucketTagging" on Bucket, Observe;
        GET_BUCKET_POLICY = "s3:GetBucketPolicy" on Bucket, Observe, reveals "the bucket's policy";
        GET_BUCKET_VERSIONING = "s3:GetBucketVersioning" on Bucket, Observe;
        GET_BUCKET_LIFECYCLE = "s3:GetLifecycleConfiguration" on Bucket, Observe;
        GET_BUCKET_PUBLIC_ACCESS_BLOCK = "s3:GetBucketPublicAccessBlock" on Bucket, Observe;
        GET_BUCKET_OWNERSHIP = "s3:GetBucketOwnershipControls" on Bucket, Observe;
        CREATE_BUCKET = "s3:CreateBucket" on Bucket, Create;
        DELETE_BUCKET = "s3:DeleteBucket" on Bucket, Delete;
        PUT_BUCKET_TAGGING = "s3:PutBucketTagging" on Bucket, Update;
        TAG_BUCKET = "s3:TagResource" on Bucket, Update;
        PUT_BUCKET_VERSIONING = "s3:PutBucketVersioning" on Bucket, Redirect;
        PUT_BUCKET_LIFECYCLE = "s3:PutLifecycleConfiguration" on Bucket, Redirect;
        PUT_BUCKET_ENCRYPTION = "s3:PutEncryptionConfiguration" on Bucket, Control;
        PUT_BUCKET_PUBLIC_ACCESS_BLOCK = "s3:PutBucketPublicAccessBlock" on Bucket, Control;
        PUT_BUCKET_POLICY = "s3:PutBucketPolicy" on Bucket, Control;
        PUT_BUCKET_OWNERSHIP = "s3:PutBucketOwnershipControls" on Bucket, Control;
        GET_OBJECT = "s3:GetObject" on Objects, ReadData;
        LIST_BUCKET = "s3:ListBucket" on Bucket, ReadData;
        PUT_OBJECT = "s3:PutObject" on Objects, WriteData;
        DELETE_OBJECT = "s3:DeleteObject" on Objects, WriteData;
        ABORT_MULTIPART_UPLOAD = "s3:AbortMultipartUpload" on Objects, WriteData;
        GET_OBJECT_VERSION = "s3:GetObjectVersion" on Objects, ReadData;
        DELETE_OBJECT_VERSION = "s3:DeleteObjectVersion" on Objects, WriteData;
        RESTORE_OBJECT = "s3:RestoreObject" on Objects, WriteData;
        LIST_BUCKET_VERSIONS = "s3:ListBucketVersions" on Bucket, ReadData;
        LIST_BUCKET_UPLOADS = "s3:ListBucketMultipartUploads" on Bucket, ReadData;
        PUT_OBJECT_ACL = "s3:PutObjectAcl" on Objects, Control;
        PUT_BUCKET_ACL = "s3:PutBucketAcl" on Bucket, Control;
        DELETE_BUCKET_POLICY = "s3:DeleteBucketPolicy" on Bucket, Control;
        PUT_BUCKET_REPLICATION = "s3:PutReplicationConfiguration" on Bucket, Redirect;
        PUT_BUCKET_NOTIFICATION = "s3:PutBucketNotification" on Bucket, Redirect;
        PUT_BUCKET_INVENTORY = "s3:PutInventoryConfiguration" on Bucket, Redirect;
        PUT_BUCKET_LOGGING = "s3:PutBucketLogging" on Bucket, Redirect;
        PUT_BUCKET_WEBSITE = "s3:PutBucketWebsite" on Bucket, Redirect;
        LIST_BUCKETS = "s3:ListAllMyBuckets" on Account, Observe, reveals "the name of every bucket of the account";
    }

    source "https://docs.aws.amazon.com/service-authorization/latest/reference/list_amazondynamodb.html" {
        DESCRIBE_TABLE = "dynamodb:DescribeTable" on Table, Observe;
        DESCRIBE_TIME_TO_LIVE = "dynamodb:DescribeTimeToLive" on Table, Observe;
        DESCRIBE_CONTINUOUS_BACKUPS = "dynamodb:DescribeContinuousBackups" on Table, Observe;
        LIST_TABLE_TAGS = "dynamodb:ListTagsOfResource" on Table, Observe;
        CREATE_TABLE = "dynamodb:CreateTable" on Table, Create;
        DELETE_TABLE = "dynamodb:DeleteTable" on Table, Delete;
        TAG_TABLE = "dynamodb:TagResource" on Table, Update;
        UPDATE_TIME_TO_LIVE = "dynamodb:UpdateTimeToLive" on Table, Redirect;
        UPDATE_CONTINUOUS_BACKUPS = "dynamodb:UpdateContinuousBackups" on Table, Redirect;
        GET_ITEM = "dynamodb:GetItem" on Table, ReadData;
        BATCH_GET_ITEM = "dynamodb:BatchGetItem" on Table, ReadData;
        QUERY = "dynamodb:Query" on Table, ReadData;
        SCAN = "dynamodb:Scan" on Table, ReadData;
        CONDITION_CHECK_ITEM = "dynamodb:ConditionCheckItem" on Table, ReadData;
        PUT_ITEM = "dynamodb:PutItem" on Table, WriteData;
        UPDATE_ITEM = "dynamodb:UpdateItem" on Table, WriteData;
        DELETE_ITEM = "dynamodb:DeleteItem" on Table, WriteData;
        BATCH_WRITE_ITEM = "dynamodb:BatchWriteItem" on Table, WriteData;
        UPDATE_TABLE = "dynamodb:UpdateTable" on Table, Redirect;
        PUT_TABLE_POLICY = "dynamodb:PutResourcePolicy" on Table, Control;
        EXPORT_TABLE = "dynamodb:ExportTableToPointInTime" on Table, Redirect;
        CREATE_TABLE_BACKUP = "dynamodb:CreateBackup" on Table, Redirect;
        STREAM_TABLE = "dynamodb:EnableKinesisStreamingDestination" on Table, Redirect;
        RESTORE_TABLE = "dynamodb:RestoreTableToPointInTime" on Table, Redirect;
        LIST_TABLES = "dynamodb:ListTables" on Account, Observe, reveals "the name of every table of the account";
    }

    // CreateQueue can set an access policy and a dead-letter target, as SetQueueAttributes can. Neither has a condition
    // key for that.
    source "https://docs.aws.amazon.com/service-authorization/latest/reference/list_amazonsqs.html" {
        GET_QUEUE_ATTRIBUTES = "sqs:GetQueueAttributes" on Queue, Observe, reveals "the queue's access policy";
        GET_QUEUE_URL = "sqs:GetQueueUrl" on Queue, Observe;
        LIST_QUEUE_TAGS = "sqs:ListQueueTags" on Queue, Observe;
        CREATE_QUEUE = "sqs:CreateQueue" on Queue, Redirect;
        DELETE_QUEUE = "sqs:DeleteQueue" on Queue, Delete;
        TAG_QUEUE = "sqs:TagQueue" on Queue, Update;
        SET_QUEUE_ATTRIBUTES = "sqs:SetQueueAttributes" on Queue, Redirect;
        GET_DEAD_LETTER_ATTRIBUTES = "sqs:GetQueueAttributes" on DeadLetters, Observe, reveals "the queue's access policy";
        GET_DEAD_LETTER_URL = "sqs:GetQueueUrl" on DeadLetters, Observe;
        LIST_DEAD_LETTER_TAGS = "sqs:ListQueueTags" on DeadLetters, Observe;
        CREATE_DEAD_LETTERS = "sqs:CreateQueue" on DeadLetters, Redirect;
        DELETE_DEAD_LETTERS = "sqs:DeleteQueue" on DeadLetters, Delete;
        TAG_DEAD_LETTERS = "sqs:TagQueue" on DeadLetters, Update;
        SET_DEAD_LETTER_ATTRIBUTES = "sqs:SetQueueAttributes" on DeadLetters, Redirect;
        RECEIVE_MESSAGE = "sqs:ReceiveMessage" on Queue, ReadData;
        DELETE_MESSAGE = "sqs:DeleteMessage" on Queue, WriteData;
        CHANGE_MESSAGE_VISIBILITY = "sqs:ChangeMessageVisibility" on Queue, WriteData;
        SEND_MESSAGE = "sqs:SendMessage" on Queue, WriteData;
        PURGE_QUEUE = "sqs:PurgeQueue" on Queue, WriteData;
        ADD_QUEUE_PERMISSION = "sqs:AddPermission" on Queue, Control;
        MOVE_MESSAGES = "sqs:StartMessageMoveTask" on Queue, Redirect;
        LIST_QUEUES = "sqs:ListQueues" on Account, Observe, reveals "the name of every queue of the account";
    }

    source "https://docs.aws.amazon.com/service-authorization/latest/reference/list_amazoncloudwatchlogs.html" {
        FILTER_LOG_EVENTS = "logs:FilterLogEvents" on LogGroup, ReadLogs;
        CREATE_LOG_STREAM = "logs:CreateLogStream" on LogStreams, WriteLogs;
        PUT_LOG_EVENTS = "logs:PutLogEvents" on LogStreams, WriteLogs;
        CREATE_LOG_GROUP = "logs:CreateLogGroup" on LogGroup, Create;
        DELETE_LOG_GROUP = "logs:DeleteLogGroup" on LogGroup, Delete;
        PUT_LOG_RETENTION = "logs:PutRetentionPolicy" on LogGroup, Update;
        TAG_LOG_GROUP = "logs:TagResource" on LogGroup, Update;
        LIST_LOG_GROUP_TAGS = "logs:ListTagsForResource" on LogGroup, Observe;
        GET_LOG_EVENTS = "logs:GetLogEvents" on LogStreams, ReadLogs;
        START_LOG_QUERY = "logs:StartQuery" on LogGroup, ReadLogs;
        TAIL_LOGS = "logs:StartLiveTail" on LogGroup, ReadLogs;
        UNMASK_LOGS = "logs:Unmask" on LogGroup, ReadLogs;
        SUBSCRIBE_LOGS = "logs:PutSubscriptionFilter" on LogGroup, Redirect;
        EXPORT_LOGS = "logs:CreateExportTask" on LogGroup, Redirect;
    }

    // EC2's Describe calls take only `*`, except DescribeVpcAttribute.
    source "https://docs.aws.amazon.com/service-authorization/latest/reference/list_amazonec2.html" {
        DESCRIBE_VPC_ATTRIBUTE = "ec2:DescribeVpcAttribute" on Vpc, Observe;
        DESCRIBE_VPCS = "ec2:DescribeVpcs" on Account, Observe, reveals "every VPC of the account";
        DESCRIBE_ZONES = "ec2:DescribeAvailabilityZones" on Account, Observe;
        DESCRIBE_SUBNETS = "ec2:DescribeSubnets" on Account, Observe, reveals "every subnet of the account";
        DESCRIBE_SECURITY_GROUPS = "ec2:DescribeSecurityGroups" on Account, Observe, reveals "every security group of the account";
        DESCRIBE_ROUTE_TABLES = "ec2:DescribeRouteTables" on Account, Observe, reveals "every route table of the account";
        DESCRIBE_INTERNET_GATEWAYS = "ec2:DescribeInternetGateways" on Account, Observe, reveals "every internet gateway of the account";
        CREATE_VPC = "ec2:CreateVpc" on NetworkNew, Create;
        CREATE_SUBNET = "ec2:CreateSubnet" on NetworkNew, Create;
        CREATE_SUBNET_IN_VPC = "ec2:CreateSubnet" on NetworkOwn, Create;
        CREATE_SECURITY_GROUP = "ec2:CreateSecurityGroup" on NetworkNew, Create;
        CREATE_SECURITY_GROUP_IN_VPC = "ec2:CreateSecurityGroup" on NetworkOwn, Create;
        CREATE_ROUTE_TABLE = "ec2:CreateRouteTable" on NetworkNew, Create;
        CREATE_ROUTE_TABLE_IN_VPC = "ec2:CreateRouteTable" on NetworkOwn, Create;
        CREATE_INTERNET_GATEWAY = "ec2:CreateInternetGateway" on NetworkNew, Create;
        TAG_NETWORK = "ec2:CreateTags" on NetworkTagging, Create;
        MODIFY_VPC = "ec2:ModifyVpcAttribute" on NetworkOwn, Update;
        ATTACH_INTERNET_GATEWAY = "ec2:AttachInternetGateway" on NetworkOwn, Update;
        DETACH_INTERNET_GATEWAY = "ec2:DetachInternetGateway" on NetworkOwn, Delete;
        CREATE_ROUTE = "ec2:CreateRoute" on NetworkOwn, Redirect;
        DELETE_ROUTE = "ec2:DeleteRoute" on NetworkOwn, Redirect;
        ASSOCIATE_ROUTE_TABLE = "ec2:AssociateRouteTable" on NetworkOwn, Redirect;
        DISASSOCIATE_ROUTE_TABLE = "ec2:DisassociateRouteTable" on NetworkOwn, Redirect;
        AUTHORIZE_INGRESS = "ec2:AuthorizeSecurityGroupIngress" on NetworkOwn, Redirect;
        REVOKE_INGRESS = "ec2:RevokeSecurityGroupIngress" on NetworkOwn, Redirect;
        AUTHORIZE_EGRESS = "ec2:AuthorizeSecurityGroupEgress" on NetworkOwn, Redirect;
        REVOKE_EGRESS = "ec2:RevokeSecurityGroupEgress" on NetworkOwn, Redirect;
        DELETE_VPC = "ec2:DeleteVpc" on NetworkOwn, Delete;
        DELETE_SUBNET = "ec2:DeleteSubnet" on NetworkOwn, Delete;
        DELETE_SECURITY_GROUP = "ec2:DeleteSecurityGroup" on NetworkOwn, Delete;
        DELETE_ROUTE_TABLE = "ec2:DeleteRouteTable" on NetworkOwn, Delete;
        DELETE_INTERNET_GATEWAY = "ec2:DeleteInternetGateway" on NetworkOwn, Delete;
        MIRROR_TRAFFIC = "ec2:CreateTrafficMirrorSession" on Account, Redirect;
    }

    // Lambda creates a function's network interfaces with the function's own role, whose code is denied it.
    source "https://docs.aws.amazon.com/lambda/latest/dg/configuration-vpc.html" {
        CREATE_INTERFACE = "ec2:CreateNetworkInterface" on Interfaces, Attach;
        DELETE_INTERFACE = "ec2:DeleteNetworkInterface" on Interfaces, Attach;
        DESCRIBE_INTERFACES = "ec2:DescribeNetworkInterfaces" on Interfaces, Observe;
        DESCRIBE_INTERFACE_SUBNETS = "ec2:DescribeSubnets" on Interfaces, Observe;
        ASSIGN_ADDRESSES = "ec2:AssignPrivateIpAddresses" on Interfaces, Attach;
        UNASSIGN_ADDRESSES = "ec2:UnassignPrivateIpAddresses" on Interfaces, Attach;
    }

    source "https://docs.aws.amazon.com/service-authorization/latest/reference/list_amazonelasticcontainerregistry.html" {
        GET_REGISTRY_TOKEN = "ecr:GetAuthorizationToken" on Registry, ReadCode;
        BATCH_GET_IMAGE = "ecr:BatchGetImage" on Repository, ReadCode;
        GET_IMAGE_LAYER = "ecr:GetDownloadUrlForLayer" on Repository, ReadCode;
        CHECK_IMAGE_LAYERS = "ecr:BatchCheckLayerAvailability" on Repository, ReadCode;
        PUT_IMAGE = "ecr:PutImage" on Repository, Update;
    }

    source "https://docs.aws.amazon.com/service-authorization/latest/reference/list_awsidentityandaccessmanagementiam.html" {
        PASS_ROLE_TO_LAMBDA = "iam:PassRole" on RoleForLambda, Bind;
        PASS_ROLE_TO_TASKS = "iam:PassRole" on RoleForTasks, Bind;
        GET_ROLE = "iam:GetRole" on Role, Observe;
        GET_ROLE_POLICY = "iam:GetRolePolicy" on Role, Observe;
        LIST_ROLE_POLICIES = "iam:ListRolePolicies" on Role, Observe;
        LIST_ATTACHED_ROLE_POLICIES = "iam:ListAttachedRolePolicies" on Role, Observe;
        CREATE_ROLE = "iam:CreateRole" on Role, Control;
        DELETE_ROLE = "iam:DeleteRole" on Role, Control;
        UPDATE_ROLE = "iam:UpdateRole" on Role, Control;
        TAG_ROLE = "iam:TagRole" on Role, Control;
        UNTAG_ROLE = "iam:UntagRole" on Role, Control;
        SIMULATE = "iam:SimulatePrincipalPolicy" on Caller, Observe, reveals "what the caller may do";
        ACCOUNT_SUMMARY = "iam:GetAccountSummary" on Caller, Observe, reveals "how many roles, users and policies the account has";
        PUT_ROLE_POLICY = "iam:PutRolePolicy" on Role, Control;
        DELETE_ROLE_POLICY = "iam:DeleteRolePolicy" on Role, Control;
        ATTACH_ROLE_POLICY = "iam:AttachRolePolicy" on Role, Control;
        DETACH_ROLE_POLICY = "iam:DetachRolePolicy" on Role, Control;
        UPDATE_TRUST = "iam:UpdateAssumeRolePolicy" on Role, Control;
        GET_POLICY = "iam:GetPolicy" on RolePolicies, Observe;
        GET_POLICY_VERSION = "iam:GetPolicyVersion" on RolePolicies, Observe;
        LIST_POLICY_VERSIONS = "iam:ListPolicyVersions" on RolePolicies, Observe;
        CREATE_POLICY = "iam:CreatePolicy" on RolePolicies, Control;
        DELETE_POLICY = "iam:DeletePolicy" on RolePolicies, Control;
        CREATE_POLICY_VERSION = "iam:CreatePolicyVersion" on RolePolicies, Control;
        DELETE_POLICY_VERSION = "iam:DeletePolicyVersion" on RolePolicies, Control;
        TAG_POLICY = "iam:TagPolicy" on RolePolicies, Control;
        CREATE_ECS_LINKED_ROLE = "iam:CreateServiceLinkedRole" on EcsLinkedRole, Control;
        SET_DEFAULT_POLICY_VERSION = "iam:SetDefaultPolicyVersion" on RolePolicies, Control;
        PUT_ROLE_BOUNDARY = "iam:PutRolePermissionsBoundary" on Role, Control;
        DELETE_ROLE_BOUNDARY = "iam:DeleteRolePermissionsBoundary" on Role, Control;
        CREATE_ACCESS_KEY = "iam:CreateAccessKey" on Account, Credential;
        CREATE_LOGIN_PROFILE = "iam:CreateLoginProfile" on Account, Credential;
        UPDATE_LOGIN_PROFILE = "iam:UpdateLoginProfile" on Account, Credential;
        CREATE_SERVICE_CREDENTIAL = "iam:CreateServiceSpecificCredential" on Account, Credential;
        ATTACH_USER_POLICY = "iam:AttachUserPolicy" on Account, Control;
        PUT_USER_POLICY = "iam:PutUserPolicy" on Account, Control;
        ATTACH_GROUP_POLICY = "iam:AttachGroupPolicy" on Account, Control;
        PUT_GROUP_POLICY = "iam:PutGroupPolicy" on Account, Control;
        ADD_USER_TO_GROUP = "iam:AddUserToGroup" on Account, Control;
    }

    source "https://docs.aws.amazon.com/service-authorization/latest/reference/list_awssecuritytokenservice.html" {
        ASSUME_ROLE = "sts:AssumeRole" on Role, Credential;
        CALLER_IDENTITY = "sts:GetCallerIdentity" on Caller, Observe;
        ASSUME_ROLE_WITH_WEB_IDENTITY = "sts:AssumeRoleWithWebIdentity" on Role, Credential;
        GET_FEDERATION_TOKEN = "sts:GetFederationToken" on Account, Credential;
    }

    source "https://docs.aws.amazon.com/service-authorization/latest/reference/list_awssecretsmanager.html" {
        GET_SECRET_VALUE = "secretsmanager:GetSecretValue" on Account, Credential;
        GET_SECRET_VALUES = "secretsmanager:BatchGetSecretValue" on Account, Credential;
    }

    source "https://docs.aws.amazon.com/service-authorization/latest/reference/list_awskeymanagementservice.html" {
        DECRYPT = "kms:Decrypt" on Account, Credential;
        CREATE_KEY_GRANT = "kms:CreateGrant" on Account, Control;
        PUT_KEY_POLICY = "kms:PutKeyPolicy" on Account, Control;
    }

    source "https://docs.aws.amazon.com/service-authorization/latest/reference/list_awssystemsmanager.html" {
        GET_PARAMETER = "ssm:GetParameter" on Account, Credential;
        SEND_COMMAND = "ssm:SendCommand" on Account, Credential;
        START_SESSION = "ssm:StartSession" on Account, Credential;
    }
}

/// The known ways to escalate one's privileges on AWS: first single permissions, then combinations of permissions that
/// are harmless alone.
///
/// Sources: the methods published by Rhino Security Labs
/// (<https://rhinosecuritylabs.com/aws/aws-privilege-escalation-methods-mitigation/>) and the paths of
/// <https://pathfinding.cloud>.
pub static ESCALATIONS: &[Escalation] = &[
    Escalation { name: "write a policy of one's own role", required: &["iam:PutRolePolicy"] },
    Escalation { name: "attach a policy to one's own role", required: &["iam:AttachRolePolicy"] },
    Escalation { name: "write a policy of a user", required: &["iam:PutUserPolicy"] },
    Escalation { name: "attach a policy to a user", required: &["iam:AttachUserPolicy"] },
    Escalation { name: "write a policy of a group", required: &["iam:PutGroupPolicy"] },
    Escalation { name: "attach a policy to a group", required: &["iam:AttachGroupPolicy"] },
    Escalation { name: "write a new version of an attached policy", required: &["iam:CreatePolicyVersion"] },
    Escalation { name: "choose another version of an attached policy", required: &["iam:SetDefaultPolicyVersion"] },
    Escalation { name: "join a group", required: &["iam:AddUserToGroup"] },
    Escalation { name: "change who is trusted by a role", required: &["iam:UpdateAssumeRolePolicy"] },
    Escalation { name: "assume another role", required: &["sts:AssumeRole"] },
    Escalation { name: "make an access key", required: &["iam:CreateAccessKey"] },
    Escalation { name: "make a password", required: &["iam:CreateLoginProfile"] },
    Escalation { name: "replace a password", required: &["iam:UpdateLoginProfile"] },
    Escalation { name: "remove the boundary of a role", required: &["iam:DeleteRolePermissionsBoundary"] },
    Escalation { name: "replace the boundary of a role", required: &["iam:PutRolePermissionsBoundary"] },
    Escalation { name: "grant the use of a key", required: &["kms:CreateGrant"] },
    Escalation { name: "replace the code of a function", required: &["lambda:UpdateFunctionCode"] },
    Escalation { name: "add a layer to a function", required: &["lambda:UpdateFunctionConfiguration"] },
    Escalation {
        name: "a new function under a passed role, called",
        required: &["iam:PassRole", "lambda:CreateFunction", "lambda:InvokeFunction"],
    },
    Escalation {
        name: "a new function under a passed role, opened to others",
        required: &["iam:PassRole", "lambda:CreateFunction", "lambda:AddPermission"],
    },
    Escalation {
        name: "a new function under a passed role, triggered",
        required: &["iam:PassRole", "lambda:CreateFunction", "lambda:CreateEventSourceMapping"],
    },
    Escalation {
        name: "a task under a passed role, as a service",
        required: &["iam:PassRole", "ecs:RegisterTaskDefinition", "ecs:UpdateService"],
    },
    Escalation {
        name: "a task under a passed role, as a new service",
        required: &["iam:PassRole", "ecs:RegisterTaskDefinition", "ecs:CreateService"],
    },
    Escalation {
        name: "a task under a passed role, run once",
        required: &["iam:PassRole", "ecs:RegisterTaskDefinition", "ecs:RunTask"],
    },
    Escalation {
        name: "a task under a passed role, started",
        required: &["iam:PassRole", "ecs:RegisterTaskDefinition", "ecs:StartTask"],
    },
    Escalation { name: "a shell in a running task", required: &["ecs:ExecuteCommand"] },
    Escalation { name: "a new instance under a passed role", required: &["iam:PassRole", "ec2:RunInstances"] },
    Escalation {
        name: "a new spot instance under a passed role",
        required: &["iam:PassRole", "ec2:RequestSpotInstances"],
    },
    Escalation { name: "a stack under a passed role", required: &["iam:PassRole", "cloudformation:CreateStack"] },
    Escalation { name: "an existing stack, updated", required: &["cloudformation:UpdateStack"] },
    Escalation {
        name: "a change set of a stack",
        required: &["cloudformation:CreateChangeSet", "cloudformation:ExecuteChangeSet"],
    },
    Escalation {
        name: "a build under a passed role",
        required: &["iam:PassRole", "codebuild:CreateProject", "codebuild:StartBuild"],
    },
    Escalation { name: "an existing build, started", required: &["codebuild:StartBuild"] },
    Escalation { name: "a job under a passed role", required: &["iam:PassRole", "glue:CreateJob", "glue:StartJobRun"] },
    Escalation {
        name: "a development endpoint under a passed role",
        required: &["iam:PassRole", "glue:CreateDevEndpoint"],
    },
    Escalation {
        name: "a notebook under a passed role",
        required: &["iam:PassRole", "sagemaker:CreateNotebookInstance"],
    },
    Escalation { name: "a service under a passed role", required: &["iam:PassRole", "apprunner:CreateService"] },
    Escalation { name: "an existing service, updated", required: &["apprunner:UpdateService"] },
    Escalation { name: "a pipeline under a passed role", required: &["iam:PassRole", "datapipeline:CreatePipeline"] },
    Escalation { name: "a command on an instance", required: &["ssm:SendCommand"] },
    Escalation { name: "a shell on an instance", required: &["ssm:StartSession"] },
];
