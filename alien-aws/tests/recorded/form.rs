//! How each service speaks: what its calls are known by, and how it says that something is wrong.

use std::io;

use bytes::Bytes;
use futures_util::{StreamExt as _, stream};
use http::Response;
use http_body_util::{BodyExt, StreamBody};
use hyper::body::Frame;

use crate::server::{Body, whole};

/// What a call is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Call {
    Heartbeat(&'static str),
    Logs(&'static str),
    Enter,
    Plan,
}

/// Status and code of an error.
pub(crate) type Code = (u16, &'static str);

/// How a service speaks.
pub(crate) struct Form {
    pub(crate) operation: &'static str,
    pub(crate) call: Call,
    /// What a request for the operation, and no other, has in it.
    pub(crate) asked: &'static str,
    pub(crate) error: fn(Code, &str) -> Fault,
    pub(crate) denied: Code,
    pub(crate) throttled: Code,
    pub(crate) expired: Code,
    pub(crate) absent: Option<Code>,
}

pub(crate) const FORMS: [Form; 10] = [
    Form {
        operation: "dynamodb:DescribeTable",
        call: Call::Heartbeat("cache"),
        asked: "DynamoDB_20120810.DescribeTable",
        error: json,
        denied: (400, "AccessDeniedException"),
        throttled: (400, "ThrottlingException"),
        expired: (400, "ExpiredTokenException"),
        absent: Some((400, "ResourceNotFoundException")),
    },
    Form {
        operation: "sqs:GetQueueUrl",
        call: Call::Heartbeat("jobs"),
        asked: "AmazonSQS.GetQueueUrl",
        error: json,
        denied: (403, "AccessDeniedException"),
        throttled: (403, "RequestThrottled"),
        expired: (403, "ExpiredTokenException"),
        absent: Some((400, "QueueDoesNotExist")),
    },
    Form {
        operation: "ecs:DescribeServices",
        call: Call::Heartbeat("worker"),
        asked: ".DescribeServices",
        error: json,
        denied: (400, "AccessDeniedException"),
        throttled: (400, "ThrottlingException"),
        expired: (400, "ExpiredTokenException"),
        absent: Some((400, "ClusterNotFoundException")),
    },
    Form {
        operation: "logs:FilterLogEvents",
        call: Call::Logs("api"),
        asked: "Logs_20140328.FilterLogEvents",
        error: json,
        denied: (400, "AccessDeniedException"),
        throttled: (400, "ThrottlingException"),
        expired: (400, "ExpiredTokenException"),
        absent: Some((400, "ResourceNotFoundException")),
    },
    Form {
        operation: "lambda:GetFunctionConfiguration",
        call: Call::Heartbeat("api"),
        asked: "/configuration",
        error: rest_json,
        denied: (403, "AccessDeniedException"),
        throttled: (429, "TooManyRequestsException"),
        expired: (403, "ExpiredTokenException"),
        absent: Some((404, "ResourceNotFoundException")),
    },
    Form {
        operation: "s3:GetBucketLocation",
        call: Call::Heartbeat("data"),
        asked: "?location",
        error: rest_xml,
        denied: (403, "AccessDenied"),
        throttled: (503, "SlowDown"),
        expired: (400, "ExpiredToken"),
        absent: Some((404, "NoSuchBucket")),
    },
    Form {
        operation: "ec2:DescribeVpcAttribute",
        call: Call::Heartbeat("net"),
        asked: "Action=DescribeVpcAttribute",
        error: ec2,
        denied: (403, "UnauthorizedOperation"),
        throttled: (503, "RequestLimitExceeded"),
        expired: (400, "RequestExpired"),
        absent: Some((400, "InvalidVpcID.NotFound")),
    },
    Form {
        operation: "sts:AssumeRole",
        call: Call::Enter,
        asked: "Action=AssumeRole",
        error: query,
        denied: (403, "AccessDenied"),
        throttled: (400, "Throttling"),
        expired: (403, "ExpiredToken"),
        absent: None,
    },
    Form {
        operation: "sts:GetCallerIdentity",
        call: Call::Plan,
        asked: "Action=GetCallerIdentity",
        error: query,
        denied: (403, "AccessDenied"),
        throttled: (400, "Throttling"),
        expired: (403, "ExpiredToken"),
        absent: None,
    },
    Form {
        operation: "iam:GetRole",
        call: Call::Plan,
        asked: "RoleName=life-management-4",
        error: query,
        denied: (403, "AccessDenied"),
        throttled: (400, "Throttling"),
        expired: (403, "ExpiredToken"),
        absent: Some((404, "NoSuchEntity")),
    },
];

pub(crate) const SAID: &str = "said by the service";
pub(crate) const REQUEST: &str = "0f9a-request";

/// An answer that is not the recorded one.
#[derive(Debug, Clone, Default)]
pub(crate) struct Fault {
    status: u16,
    headers: Vec<(&'static str, String)>,
    body: String,
    /// Whether the connection ends before the last byte.
    is_cut: bool,
}

impl Fault {
    pub(crate) fn plain(status: u16, body: &str) -> Self {
        Self { status, body: body.to_owned(), ..Self::default() }
    }

    /// A good answer of which half arrives.
    pub(crate) fn cut(body: &str) -> Self {
        Self { is_cut: true, ..Self::plain(200, body) }
    }

    pub(crate) fn header(mut self, name: &'static str, value: &str) -> Self {
        self.headers.push((name, value.to_owned()));
        self
    }

    pub(crate) fn response(&self) -> Response<Body> {
        let response = Response::builder().status(self.status);
        let response = self.headers.iter().fold(response, |made, (name, value)| made.header(*name, value));
        if !self.is_cut {
            return response.body(whole(self.body.clone())).unwrap();
        }
        let half = Bytes::from(self.body[..self.body.len() / 2].to_owned());
        let end = stream::once(async {
            // What is there is sent while nothing more is.
            tokio::task::yield_now().await;
            Err(io::Error::other("cut"))
        });
        let parts = stream::once(async { Ok(Frame::data(half)) }).chain(end);
        response.header("content-length", self.body.len()).body(BodyExt::boxed(StreamBody::new(parts))).unwrap()
    }
}

/// <https://smithy.io/2.0/aws/protocols/aws-json-1_0-protocol.html#operation-error-serialization>
pub(crate) fn json((status, code): Code, message: &str) -> Fault {
    let body = serde_json::json!({ "__type": format!("com.amazonaws.service#{code}"), "message": message });
    Fault::plain(status, &body.to_string()).header("x-amzn-requestid", REQUEST)
}

/// <https://smithy.io/2.0/aws/protocols/aws-restjson1-protocol.html#operation-error-serialization>
pub(crate) fn rest_json((status, code): Code, message: &str) -> Fault {
    let body = serde_json::json!({ "Type": "User", "Message": message });
    let fault = Fault::plain(status, &body.to_string()).header("x-amzn-requestid", REQUEST);
    fault.header("x-amzn-errortype", &format!("{code}:http://internal.amazon.com/coral/com.amazonaws/"))
}

/// <https://docs.aws.amazon.com/AmazonS3/latest/API/ErrorResponses.html#RESTErrorResponses>
fn rest_xml((status, code): Code, message: &str) -> Fault {
    let body =
        format!("<Error><Code>{code}</Code><Message>{message}</Message><RequestId>{REQUEST}</RequestId></Error>");
    Fault::plain(status, &body).header("x-amz-request-id", REQUEST)
}

/// <https://smithy.io/2.0/aws/protocols/aws-query-protocol.html#operation-error-serialization>
pub(crate) fn query((status, code): Code, message: &str) -> Fault {
    let error = format!("<Error><Type>Sender</Type><Code>{code}</Code><Message>{message}</Message></Error>");
    let body = format!("<ErrorResponse>{error}<RequestId>{REQUEST}</RequestId></ErrorResponse>");
    Fault::plain(status, &body).header("x-amzn-requestid", REQUEST)
}

/// <https://docs.aws.amazon.com/AWSEC2/latest/APIReference/errors-overview.html#api-error-response>
fn ec2((status, code): Code, message: &str) -> Fault {
    let error = format!("<Error><Code>{code}</Code><Message>{message}</Message></Error>");
    Fault::plain(status, &format!("<Response><Errors>{error}</Errors><RequestID>{REQUEST}</RequestID></Response>"))
}
