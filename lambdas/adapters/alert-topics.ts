/** Alerts to topics: the platform team's, the teams', where subscribers filter by `channel`, and that of AWS's chat service. */
import { PublishCommand, type SNSClient } from '@aws-sdk/client-sns';
import type { Message } from '../../core/alerts/messages.ts';

export interface AlertTopics {
  toPlatform(message: Message): Promise<void>;
  toTeams(channel: string, message: Message): Promise<void>;
  /** Undefined where the stage has no chat service. */
  readonly toChat: ((message: Message) => Promise<void>) | undefined;
}

export function createAlertTopics({
  client,
  platformArn,
  teamsArn,
  chatArn,
}: {
  readonly client: Pick<SNSClient, 'send'>;
  readonly platformArn: string;
  readonly teamsArn: string;
  readonly chatArn: string | undefined;
}): AlertTopics {
  const publish = async (TopicArn: string, { subject, text }: Message, channel?: string) => {
    const attributes = { channel: { DataType: 'String', StringValue: channel } };
    await client.send(
      new PublishCommand({
        TopicArn,
        // SNS takes plain ASCII alone.
        Subject: subject.replace(/[^ -~]/g, '?'),
        Message: text,
        ...(channel === undefined ? {} : { MessageAttributes: attributes }),
      }),
    );
  };
  return {
    toPlatform: (message) => publish(platformArn, message),
    toTeams: (channel, message) => publish(teamsArn, message, channel),
    toChat:
      chatArn === undefined
        ? undefined
        : async (message) => {
            const Message = JSON.stringify(chatForm(message));
            await client.send(new PublishCommand({ TopicArn: chatArn, Message }));
          },
  };
}

/** The only form in which AWS's chat service shows a message that no AWS service wrote; it drops all others. */
function chatForm({ subject, text }: Message) {
  return {
    version: '1.0',
    source: 'custom',
    content: { textType: 'client-markdown', title: subject, description: text },
  };
}
