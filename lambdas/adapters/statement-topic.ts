/** Messages to the people who want statements, by SNS: each subscriber's filter chooses by the audience. */
import { PublishCommand, type SNSClient } from '@aws-sdk/client-sns';
import type { StatementMessage } from '../../core/chargeback/statement-message.ts';

/** SNS refuses longer subjects, and those that are not plain ASCII. */
const MAX_SUBJECT = 99;
/** Well below what SNS takes, however many bytes a character has. */
const MAX_TEXT = 30_000;

export function createStatementTopic({
  client,
  topicArn,
}: {
  readonly client: SNSClient;
  readonly topicArn: string;
}): (message: StatementMessage) => Promise<void> {
  return async ({ subject, text, audience }) => {
    await client.send(
      new PublishCommand({
        TopicArn: topicArn,
        Subject: subject.replace(/[^ -~]/g, '?').slice(0, MAX_SUBJECT),
        Message: text.slice(0, MAX_TEXT),
        MessageAttributes: { audience: { DataType: 'String', StringValue: audience } },
      }),
    );
  };
}
