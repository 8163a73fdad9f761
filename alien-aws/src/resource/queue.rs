//! `queue`: an SQS queue, and a dead-letter queue if the stack asks for one.

#[cfg(feature = "client")]
pub(crate) mod calls;

use alien_core::adapter::{On, Placed, Rows, Settings};
use alien_core::{Queue, Set};

use crate::Aws;
use crate::naming::Arns;
use crate::operations as op;
use crate::operations::Scope;

/// The longest name of a queue: 80 characters, of which the dead-letter queue's suffix takes five
/// (<https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_CreateQueue.html>).
const MAX: usize = 80 - DEAD_LETTERS.len();
const DEAD_LETTERS: &str = "-dead";

/// <https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_SetQueueAttributes.html>
const SETTINGS: &[Settings] = &[
    Settings::set_back(&[
        "VisibilityTimeout",
        "MessageRetentionPeriod",
        "RedrivePolicy",
        "SqsManagedSseEnabled",
        "deadLetters.MessageRetentionPeriod",
        "deadLetters.SqsManagedSseEnabled",
    ]),
    Settings::customers("who else may use it", &["Policy", "RedriveAllowPolicy"]),
    Settings::customers("the key that it is encrypted with", &["KmsMasterKeyId", "KmsDataKeyReusePeriodSeconds"]),
    Settings::customers(
        "when and in which size messages come",
        &["DelaySeconds", "ReceiveMessageWaitTimeSeconds", "MaximumMessageSize"],
    ),
];

impl On<Aws> for Queue {
    /// Management gets no more than heartbeat: SetQueueAttributes can also write the access policy and the dead-letter
    /// target.
    fn set(set: Set) -> Rows<Aws> {
        match set {
            Set::Heartbeat => &[op::GET_QUEUE_ATTRIBUTES, op::GET_QUEUE_URL],
            Set::Provision => &[
                op::CREATE_QUEUE,
                op::DELETE_QUEUE,
                op::TAG_QUEUE,
                op::LIST_QUEUE_TAGS,
                op::CREATE_DEAD_LETTERS,
                op::DELETE_DEAD_LETTERS,
                op::TAG_DEAD_LETTERS,
                op::LIST_DEAD_LETTER_TAGS,
                op::GET_DEAD_LETTER_ATTRIBUTES,
                op::GET_DEAD_LETTER_URL,
            ],
            Set::Reconfigure => &[op::SET_QUEUE_ATTRIBUTES, op::SET_DEAD_LETTER_ATTRIBUTES],
            // An event source mapping reads the queue's attributes with the function's role.
            Set::DataRead => &[
                op::RECEIVE_MESSAGE,
                op::DELETE_MESSAGE,
                op::CHANGE_MESSAGE_VISIBILITY,
                op::GET_QUEUE_ATTRIBUTES,
                op::GET_QUEUE_URL,
            ],
            Set::DataWrite => &[op::SEND_MESSAGE, op::GET_QUEUE_URL],
            Set::Management | Set::Logs | Set::Dispatch | Set::Invoke | Set::Setup | Set::Run => &[],
        }
    }

    fn settings() -> &'static [Settings] {
        SETTINGS
    }

    fn name(&self, placed: &Placed<'_, Aws>, things: &mut Vec<(Scope, String)>) {
        let (arns, id) = (Arns(placed.target), placed.id());
        let name = arns.physical(id, MAX);
        things.push((Scope::Queue, arns.regional("sqs", &[&name])));
        if self.has_dead_letters() {
            things.push((Scope::DeadLetters, arns.regional("sqs", &[&name, DEAD_LETTERS])));
        }
    }
}
